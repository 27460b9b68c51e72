"""Hold an export to its word: llama.cpp's server must read and write the very tokens that torch does.

python -m echoless.workshop.mind.pocket.verify out/mind/pocket --stage long
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

import torch

from echoless.workshop.mind.pocket.export import export, load_run
from echoless.workshop.mind.pocket.nearness import read_openings
from echoless.workshop.mind.pocket.recipe import openings_of
from echoless.workshop.mind.pocket.served import Served, serve
from echoless.workshop.mind.pocket.template import CONTROL, END, START, prompt
from echoless.workshop.mind.pocket.vocab import load_vocab

AWKWARD = (
    *("hello", " hello", "  two  spaces ", "\ttab\nline\r\n\n", "I'm you're it's WE'LL", "don't'S", "a1b22c333 4444"),
    *(
        "3.14159",
        "naïve café ñandú ÅÄÖ",
        "你好，世界！",
        "こんにちは 안녕하세요",
        "🙂👩\u200d👩\u200d👧 🏳️\u200d🌈",
        "Привет мир",
    ),
    *("مرحبا", "!!!???...", "--- *** ###", "<|end|>", "a<|user|>b", "<|assistant|> <|end|>", "<|nonsense|>"),
    *("\u00a0\u200b\ufeff", "e\u0301", "x" * 300, "_under_score", "http://example.org/?a=b&c=d", '{"json": [1, 2]}'),
    *("''''", "' s", "\x00\x01", "½ ² ①", ""),
)


def strings(seed: int, count: int) -> list[str]:
    """Random strings over letters, spaces, marks, other scripts and control tokens."""
    rng = random.Random(seed)
    signs = [*"abcdefghij  XYZ'.,!?0123456789\n\t-\"()", "é", "ß", "你", "好", "я", "🙂", "\u0301", *CONTROL]
    return ["".join(rng.choices(signs, k=rng.randint(1, 24))) for _ in range(count)]


async def compare_tokenizers(served: Served, out: Path, texts: list[str]) -> list[str]:
    """The texts that llama.cpp and the tokenizers library cut differently."""
    vocab = load_vocab(out / "tokenizer.json")
    return [text for text in texts if await served.tokens(text) != vocab.encode(text, add_special_tokens=False).ids]


async def compare_greedy(served: Served, out: Path, stage: str, most: int = 40) -> list[tuple[str, int]]:
    """For every opening: the prompt, and at which new token llama.cpp and torch part (-1: never)."""
    recipe, model = load_run(out, stage)
    vocab = load_vocab(out / "tokenizer.json")
    start, end = vocab.token_to_id(START), vocab.token_to_id(END)
    parted = []
    for opening in (one for each in recipe.languages for one in read_openings(openings_of(each))):
        text = prompt([("user", opening[-1])])
        if await served.prompt([("user", opening[-1])]) != text:
            raise SystemExit(f"the template in the file makes another prompt of {opening[-1]!r}")
        ours = model.continue_greedily([start, *vocab.encode(text, add_special_tokens=False).ids], most, end)
        answer = await served.complete(text, temperature=0, n_predict=most, return_tokens=True)
        theirs = [token for token in answer["tokens"] if token != end]
        same = next((n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), -1)
        parted.append((opening[-1], min(len(ours), len(theirs)) if same < 0 and len(ours) != len(theirs) else same))
    return parted


async def verify(out: Path, stage: str) -> bool:
    """Print a line a check; True where F32 is exact and the tokenizers agree."""
    good = True
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("f32", "q8_0"):
            async with serve(export(out, stage, kind, Path(folder) / f"{kind}.gguf")) as served:
                if kind == "f32":
                    texts = [*AWKWARD, *strings(1, 400)]
                    odd = await compare_tokenizers(served, out, texts)
                    print(f"tokenizer: {len(texts) - len(odd)} of {len(texts)} strings alike", *map(repr, odd[:5]))
                    good &= not odd
                parted = await compare_greedy(served, out, stage)
                same = sum(place < 0 for _, place in parted)
                print(
                    f"{kind}: greedy replies identical to torch: {same} of {len(parted)}",
                    [p for p in parted if p[1] >= 0],
                )
                good &= kind != "f32" or same == len(parted)
    return good


def main() -> None:
    """The command line of this module."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("out", type=Path)
    ask.add_argument("--stage", required=True, help="one of the recipe's stages, as a rule the last")
    given = ask.parse_args()
    torch.set_num_threads(1)
    sys.exit(0 if asyncio.run(verify(given.out, given.stage)) else 1)


if __name__ == "__main__":
    main()
