"""Writes tests/workshop/families/: a tiny export of each family, packed, and what transformers makes of it.

    .venv-mind/bin/python -m tests.workshop.write_families

With these `make test` holds llama.cpp to transformers without having torch (test_export.py).
"""

from __future__ import annotations

import json
import lzma
import tempfile
from pathlib import Path
from typing import Any

import torch
from tests.workshop.tiny_models import FAMILIES, make
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from echoless.workshop.mind.export.verify import AWKWARD, PROMPTS, dialogues, prompt_ids, render, strings
from echoless.workshop.mind.export.write import Job, mended, run_converter
from echoless.workshop.mind.tune.models import load_model, load_tokenizer

HERE = Path(__file__).parent / "families"


@torch.inference_mode()
def greedy(model: torch.nn.Module, ids: list[int], most: int) -> list[int]:
    """The likeliest tokens one by one."""
    out: list[int] = []
    for _ in range(most):
        out.append(int(model(torch.tensor([[*ids, *out]])).logits[0, -1].argmax()))
    return out


def main() -> None:
    """All families."""
    HERE.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folders = {family: make(family, Path(scratch) / family) for family in FAMILIES}
        jobs = [
            Job(mended(folder, Path(scratch) / "m"), Path(scratch) / f"{family}.gguf", "f32", f"tiny {family}")
            for family, folder in folders.items()
        ]
        run_converter(jobs)
        for family, folder in folders.items():
            packed = lzma.compress((Path(scratch) / f"{family}.gguf").read_bytes(), preset=9)
            (HERE / f"{family}.gguf.xz").write_bytes(packed)
            told = expected(family, load_model(str(folder)).eval(), load_tokenizer(str(folder)))
            (HERE / f"{family}.json").write_text(json.dumps(told, ensure_ascii=False) + "\n", "utf-8")
            print(family, len(packed), "bytes", flush=True)


def expected(family: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """What transformers makes of awkward strings, dialogues and prompts."""
    normal = tokenizer.backend_tokenizer.normalizer if family.startswith("qwen") else None
    texts = [*AWKWARD, *strings(tokenizer, 3, 30)]
    texts = [text for text in texts if normal is None or normal.normalize_str(text) == text]
    asked = [prompt_ids(tokenizer, said) for said in PROMPTS[:4]]
    return {
        "strings": [[text, tokenizer.encode(text, add_special_tokens=False)] for text in texts],
        "prompts": [[turns, render(tokenizer, turns)] for turns in dialogues()],
        "greedy": [[ids, greedy(model, ids, 24)] for ids in asked],
    }


if __name__ == "__main__":
    main()
