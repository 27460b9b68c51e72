"""What `echoless mind export` and `verify` do, where torch is."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from echoless.workshop.mind.advice import hand_on
from echoless.workshop.mind.export import verify as holding
from echoless.workshop.mind.export.kinds import check_kinds
from echoless.workshop.mind.export.write import prepare, write
from echoless.workshop.mind.pocket.export import as_folder, is_pocket_run

_KINDS = {0: "f32", 1: "f16", 32: "bf16", 7: "q8_0", 18: "q6_k", 17: "q5_k_m", 16: "q5_k_s", 8: "q5_0", 15: "q4_k_m",
          14: "q4_k_s", 2: "q4_0", 12: "q3_k_m"}  # fmt: skip
"""`general.file_type` → kind of numbers (llama.cpp's llama_ftype)."""


def kind_of(file: Path) -> str:
    """Which kind of numbers a GGUF says it holds; `unknown` where it does not say or is of another kind."""
    import gguf

    field = gguf.GGUFReader(file).fields.get("general.file_type")
    return _KINDS.get(int(field.contents()), "unknown") if field is not None else "unknown"


def check(source: str, files: dict[str, Path], steps: int = 40) -> list[holding.Report]:
    """Hold files, by kind ("": as the file says), to `source`; a report each. Raises MindError."""
    from echoless.workshop.mind.tune import models

    models.quiet()
    model, tokenizer = models.load_model(source), models.load_tokenizer(source)
    return [
        asyncio.run(holding.verify(file, kind or kind_of(file), model, tokenizer, most=steps))
        for kind, file in files.items()
    ]


def export(source: str, goals: dict[str, Path], title: str, verify: bool, tell: Callable[[str], None]) -> bool:
    """Write `source` to `goals`, a file a kind of numbers, and hold each to it; whether all can be trusted."""
    from echoless.workshop.mind.tune import models

    check_kinds(list(goals))
    models.quiet()
    run = Path(source)
    with tempfile.TemporaryDirectory(prefix="echoless-export-") as folder:
        scratch = Path(folder)
        if is_pocket_run(run):
            source = str(as_folder(run, scratch / run.resolve().name))
        write(prepare(source, scratch, tell), goals, title, tell)
        hand_on(run, goals.values())
        for path in goals.values():
            tell(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
        if not verify:
            tell("not held to its source (--no-verify)")
            return True
        tell("holding it to its source: tokens, chat template, greedy text")
        return _hold(source, goals, tell)


def _hold(source: str, goals: dict[str, Path], tell: Callable[[str], None]) -> bool:
    """Hold each file to the source, and leave the report beside it."""
    good = True
    for report, path in zip(check(source, goals), goals.values(), strict=True):
        tell("\n".join(f"  {line}" for line in [*report.lines(), *(f"WRONG: {fault}" for fault in report.faults())]))
        path.with_name(path.name + ".verify.json").write_text(report.written(), encoding="utf-8")
        good &= not report.faults()
    return good
