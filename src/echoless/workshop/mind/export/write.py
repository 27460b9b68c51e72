"""From a Hugging Face model, or a run of `mind train`, to a GGUF. Needs torch; llama.cpp's converter does the work."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, STDOUT

from echoless.workshop.mind.errors import MindError
from echoless.workshop.mind.export import quantise
from echoless.workshop.mind.export.converter import converter
from echoless.workshop.mind.export.kinds import PACKED, STRAIGHT, check_kinds
from echoless.workshop.mind.export.pretokens import pretokens

Tell = Callable[[str], None]


def prepare(place: str, scratch: Path, tell: Tell) -> Path:
    """A folder that the converter reads: a Hugging Face folder as it is; a run merged, a hub name fetched."""
    from echoless.workshop.mind.tune import models

    path = Path(place)
    if path.is_dir() and not models.is_run(path) and (path / "config.json").is_file():
        return path
    tell(f"loading {place}")
    model, tokenizer = models.load_model(place), models.load_tokenizer(place)
    goal = scratch / (path.resolve().name or "model")
    model.save_pretrained(goal)
    tokenizer.save_pretrained(goal)
    models.copy_beside(place, goal)
    return goal


def mended(model: Path, scratch: Path) -> Path:
    """The same folder, or a linked one with what its tokenizer's settings lack: the plain chat template, and, beside a
    sentencepiece model, the control tokens: the converter reads them there, transformers 5 no longer writes them."""
    settings = model / "tokenizer_config.json"
    told = json.loads(settings.read_text("utf-8")) if settings.is_file() else {}
    lacks: dict[str, object] = {}
    if not told.get("chat_template") and not (model / "chat_template.jinja").is_file():
        from echoless.workshop.mind.tune.models import PLAIN

        lacks["chat_template"] = PLAIN
    if (model / "tokenizer.model").is_file() and not told.get("added_tokens_decoder"):
        added = json.loads((model / "tokenizer.json").read_text("utf-8"))["added_tokens"]
        lacks["added_tokens_decoder"] = {str(one["id"]): one for one in added}
    if not lacks:
        return model
    goal = scratch / "mended" / model.resolve().name
    goal.mkdir(parents=True)
    for file in model.iterdir():
        if file.is_file() and file.name != settings.name:
            (goal / file.name).symlink_to(file.resolve())
    (goal / settings.name).write_text(json.dumps({**told, **lacks}), "utf-8")
    return goal


@dataclass(frozen=True, slots=True)
class Job:
    """One conversion: a folder, the file to write, numbers of `kind` (one of STRAIGHT), the name in the file."""

    model: Path
    goal: Path
    kind: str
    title: str

    def as_json(self) -> dict[str, object]:
        """As `child` reads it."""
        arguments = [str(self.model), "--outfile", str(self.goal), "--outtype", self.kind, "--model-name", self.title]
        return {"pretokens": pretokens(self.model), "arguments": arguments}


def run_converter(jobs: Sequence[Job]) -> None:
    """llama.cpp's converter as a child process. Raises MindError with its own reason."""
    command = [sys.executable, "-P", "-W", "ignore", "-m", "echoless.workshop.mind.export.child", str(converter())]
    told = json.dumps([job.as_json() for job in jobs])
    done = subprocess.run(command, input=told, stdout=PIPE, stderr=STDOUT, text=True, errors="replace")
    if done.returncode == 0 and all(job.goal.is_file() for job in jobs):
        return
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()] or ["it said nothing"]
    if "is not supported" in done.stdout:
        why = next(line for line in lines if "is not supported" in line).removeprefix("ERROR:hf-to-gguf:")
    elif "No space left" in done.stdout:
        why = "the disk is full"
    elif "get_vocab_base_pre" in done.stdout:
        why = "llama.cpp does not know its way of cutting text into words"
    else:
        why = lines[-1]
    raise MindError(f"{jobs[0].model} does not become a GGUF: {why[:300]}")


def first_is_newest(files: Sequence[Path]) -> None:
    """Date files so that the first is the newest, which `mind try RUN` takes: a second apart, as a file system's clock
    may tick too slowly to tell two writes apart."""
    now = time.time()
    for number, file in enumerate(files):
        os.utime(file, (now - number, now - number))


def write(model: Path, goals: dict[str, Path], title: str, tell: Tell = lambda what: None) -> None:
    """Convert a folder to one file a kind of numbers; written beside and renamed when whole. Raises MindError."""
    check_kinds(list(goals))
    place = next(iter(goals.values())).parent
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place, prefix=".part-") as folder:
        scratch = Path(folder)
        model = mended(model, scratch)
        straight = [kind for kind in STRAIGHT if kind in goals]
        if len(straight) < len(goals) and "f16" not in straight:
            straight.append("f16")
        tell(f"converting {model.name} to {', '.join(straight)}")
        run_converter([Job(model, scratch / f"{kind}.gguf", kind, title) for kind in straight])
        for kind in goals:
            if kind in PACKED:
                tell(f"quantising to {kind}")
                quantise.quantise(scratch / "f16.gguf", scratch / f"{kind}.gguf", kind)
        for kind, goal in goals.items():
            shutil.move(scratch / f"{kind}.gguf", goal)
        first_is_newest(list(goals.values()))
