"""A run of `mind train` from its plan: learn, then prefer. Resumable at any point; needs torch.

RUN/run.json (the plan), tokenizer/, learn/ and prefer/ (checkpoints, then weights/ and `done`), loss.csv, loss.png,
result.json (loss on held-out dialogues before and after).
"""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model
from transformers import PreTrainedModel, PreTrainedTokenizerFast, PrinterCallback, set_seed

from echoless.workshop.mind.advice import note
from echoless.workshop.mind.errors import MindError
from echoless.workshop.mind.form import PREFERENCES
from echoless.workshop.mind.tune import models
from echoless.workshop.mind.tune.learn import Learner, lora
from echoless.workshop.mind.tune.plan import Plan
from echoless.workshop.mind.tune.rows import SKIP, Row, read_all, together
from echoless.workshop.mind.tune.watch import WHOLE, Clock, Watch, draw, whole_checkpoint

Tell = Callable[[str], None]


FULL = (
    "No space left",
    "os error 28",
    "iostream error",
    "unexpected pos",
    "PytorchStreamWriter failed",
    "write failed",
)
"""What torch and safetensors say of a full disk, each in words of its own."""


@contextmanager
def plain_troubles(run: Path, plan: Plan) -> Iterator[None]:
    """Turn a full disk and a full memory into one line each. What the last whole checkpoint holds is safe."""
    again = f"'echoless mind train --resume --out {run}'"
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as why:
        raise MindError(_too_large(plan, again)) from why
    except Exception as why:
        said = str(why)
        if (isinstance(why, OSError) and why.errno in (errno.ENOSPC, errno.EDQUOT)) or any(of in said for of in FULL):
            raise MindError(f"the disk is full. The last whole checkpoint is kept; make room, then {again}") from None
        if isinstance(why, RuntimeError) and ("alloc" in said or "out of memory" in said.lower()):
            raise MindError(_too_large(plan, again)) from why
        raise


def _too_large(plan: Plan, again: str) -> str:
    smaller = f"--rows {max(1, plan.rows // 2)} --length {max(64, plan.length // 2)}"
    return f"memory ran out. The last checkpoint is kept: {again}, begun anew with {smaller} or a smaller model"


@torch.inference_mode()
def mean_loss(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, rows: Sequence[Row], most: int = 200
) -> float:
    """Nats a token of the agent's, over at most `most` rows."""
    lay, place = together(tokenizer.pad_token_id), models.device()
    model = model.to(place).eval()
    total, count = 0.0, 0
    for row in rows[:most]:
        inputs = {name: value.to(place) for name, value in lay([{"input_ids": row.ids, "labels": row.labels}]).items()}
        learnt = sum(label != SKIP for label in row.labels[1:])
        total, count = total + float(model(**inputs).loss) * learnt, count + learnt
    return total / max(1, count)


def same_tokens(student: PreTrainedTokenizerFast, teacher: PreTrainedTokenizerFast) -> None:
    """Raises MindError where a teacher's tokens are not the student's: its logits would mean nothing."""
    ours, theirs = student.get_vocab(), teacher.get_vocab()
    if ours != theirs:
        odd = sum(theirs.get(piece) != number for piece, number in ours.items()) + len(theirs.keys() - ours.keys())
        raise MindError(f"the teacher has other tokens than the student ({odd} differ): take two of one family")
    for text in ("Hello, how are you?", "你好，今天天气怎么样？", "  12.5 %\n\n🙂"):
        if student.encode(text) != teacher.encode(text):
            raise MindError(f"the teacher cuts {text!r} into other tokens than the student: take two of one family")


def _learn(plan: Plan, run: Path, tokenizer: PreTrainedTokenizerFast, told: dict[str, Any], tell: Tell) -> None:
    """The first stage: dialogues, and a teacher where there is one."""
    rows, held, lost = read_all(tokenizer, Path(plan.data), plan.length)
    if not rows:
        raise MindError(f"{plan.data}: no reply to learn from fits --length {plan.length} ({lost} dialogues looked at)")
    tell(f"{len(rows)} rows to learn from, {len(held)} held out" + (f", {lost} dialogues do not fit" if lost else ""))
    model = models.load_model(plan.base, models.number(plan.lora))
    if held and "before" not in told:
        told["before"] = mean_loss(model, tokenizer, held)
    if plan.layers:
        model = models.keep_layers(model, plan.layers)
    teacher = None
    if plan.teacher:
        same_tokens(tokenizer, models.load_tokenizer(plan.teacher))
        teacher = models.load_model(plan.teacher, models.number(True))
    set_seed(plan.seed)
    student: Any = get_peft_model(model, lora(plan)) if plan.lora else model
    told["parameters"] = sum(weight.numel() for weight in model.parameters())
    told["trained"] = sum(weight.numel() for weight in student.parameters() if weight.requires_grad)
    tell(f"{told['trained'] / 1e6:.2f} M of {told['parameters'] / 1e6:.2f} M weights learn, on {models.device()}")
    clock = Clock(plan.minutes, spent(run / "learn"))
    _stage(run, "learn", Learner(plan, student, tokenizer, rows, run / "learn", clock, teacher))
    if held:
        told["after"] = mean_loss(student, tokenizer, held)


def _prefer(plan: Plan, run: Path, tokenizer: PreTrainedTokenizerFast, told: dict[str, Any], tell: Tell) -> None:
    """The second stage: pairs of a better and a worse reply, where the data has them."""
    if not plan.prefer or not (Path(plan.data) / PREFERENCES).is_file():
        return
    from echoless.workshop.mind.tune.prefer import Preferrer, read_pairs

    if (pairs := read_pairs(Path(plan.data))) is None:
        return
    tell(f"{len(pairs)} pairs of a better and a worse reply")
    model = models.load_model(str(run), models.number(plan.lora))
    set_seed(plan.seed)
    clock = Clock(plan.minutes, spent(run / "prefer"))
    trainer = Preferrer(plan, model, tokenizer, pairs, run / "prefer", clock)
    _stage(run, "prefer", trainer)
    held = read_all(tokenizer, Path(plan.data), plan.length)[1]
    if held:
        told["preferred"] = mean_loss(trainer.model, tokenizer, held)


def spent(folder: Path) -> float:
    """Seconds of training in the newest whole checkpoint of a stage."""
    newest = whole_checkpoint(folder)
    return float((newest / WHOLE).read_text()) if newest else 0.0


def _stage(run: Path, name: str, trainer: Any) -> None:
    """Train to the end, from the last whole checkpoint; keep the weights and drop the checkpoints."""
    folder = run / name
    watch = Watch(name, run / "loss.csv", trainer.clock, lambda: trainer.seen)
    trainer.add_callback(watch)
    trainer.remove_callback(PrinterCallback)
    newest = whole_checkpoint(folder)
    try:
        trainer.train(resume_from_checkpoint=str(newest) if newest else None)
    finally:
        watch.close()
    part, weights = folder / "weights.part", folder / "weights"
    trainer.model.save_pretrained(part)
    shutil.rmtree(weights, ignore_errors=True)
    part.replace(weights)
    (folder / "done").write_text(f"{trainer.state.global_step} steps, {trainer.clock.spent:.0f} s\n")
    for old in folder.glob("checkpoint-*"):
        shutil.rmtree(old)


def unpacked(plan: Plan, run: Path) -> Plan:
    """The plan with Hugging Face folders in place of GGUF files and of the models that ship; what the base advises is
    noted in the run. Raises MindError."""
    run.mkdir(parents=True, exist_ok=True)
    note(models.gguf_named(plan.base) or Path(plan.base), run)
    changed = {}
    for part in ("base", "teacher"):
        if file := models.gguf_named(getattr(plan, part) or ""):
            from echoless.workshop.mind.tune.unpack import unpack

            changed[part] = str(unpack(file, run / part))
    return plan.model_copy(update=changed)


def train(plan: Plan, run: Path, tell: Tell = lambda what: None) -> dict[str, Any]:
    """Everything a plan asks for, from where the run stands; what came of it (result.json). Raises MindError."""
    models.quiet()
    torch.set_num_threads(plan.threads or max(1, (os.cpu_count() or 2) - 1))
    result = run / "result.json"
    with plain_troubles(run, plan):
        plan = unpacked(plan, run)
        for place in filter(None, (plan.base, plan.teacher)):
            if not Path(place).exists():
                tell(f"{place}: from the hub, where it is not here yet")
        tokenizer = models.load_tokenizer(plan.base)
        plan.save(run)
        tokenizer.save_pretrained(run / "tokenizer")
        models.copy_beside(plan.base, run / "tokenizer")
        told: dict[str, Any] = json.loads(result.read_text("utf-8")) if result.is_file() else {}
        for name, stage in (("learn", _learn), ("prefer", _prefer)):
            if not (run / name / "done").is_file():
                stage(plan, run, tokenizer, told, tell)
                result.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        if (run / "loss.csv").is_file():
            draw(run / "loss.csv", run / "loss.png")
    for name in ("before", "after", "preferred"):
        if name in told:
            told[f"perplexity_{name}"] = math.exp(min(50.0, told[name]))
    return told
