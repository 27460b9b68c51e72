"""Hold an export to its word: llama.cpp's server must read and write the very tokens that torch does.

python -m echoless.workshop.mind.pocket.verify out/mind/pocket --stage long
python -m echoless.workshop.mind.pocket.verify FILE.gguf          # one that ships: to its own numbers in torch
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from echoless.workshop.mind.pocket.export import export, load_run
from echoless.workshop.mind.pocket.model import Llama
from echoless.workshop.mind.pocket.nearness import read_openings
from echoless.workshop.mind.pocket.recipe import openings_of
from echoless.workshop.mind.pocket.served import Served, serve
from echoless.workshop.mind.pocket.start import load_gguf, take_pieces
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


async def compare_tokenizers(served: Served, vocab: Tokenizer, texts: list[str]) -> list[str]:
    """The texts that llama.cpp and the tokenizers library cut differently."""
    return [text for text in texts if await served.tokens(text) != vocab.encode(text, add_special_tokens=False).ids]


def greedy(model: Llama, vocab: Tokenizer, languages: list[str], every: int, most: int = 40) -> dict[str, list[int]]:
    """What torch answers to every `every`-th opening of the languages: the opening's last turn → tokens."""
    token: Callable[[str], Any] = vocab.token_to_id
    openings = [opening for each in languages for opening in read_openings(openings_of(each))[::every]]
    asked = {said: vocab.encode(prompt([("user", said)]), add_special_tokens=False).ids for *_, said in openings}
    return {said: model.continue_greedily([token(START), *ids], most, token(END)) for said, ids in asked.items()}


async def compare_greedy(served: Served, ours: dict[str, list[int]], vocab: Tokenizer) -> list[tuple[str, int]]:
    """For every opening that torch has answered: at which new token llama.cpp and torch part (-1: never)."""
    parted, end = [], vocab.token_to_id(END)
    for said, tokens in ours.items():
        text = prompt([("user", said)])
        if await served.prompt([("user", said)]) != text:
            raise SystemExit(f"the template in the file makes another prompt of {said!r}")
        answer = await served.complete(text, temperature=0, n_predict=40, return_tokens=True)
        theirs = [token for token in answer["tokens"] if token != end]
        same = next((n for n, (a, b) in enumerate(zip(tokens, theirs, strict=False)) if a != b), -1)
        shorter = min(len(tokens), len(theirs))
        parted.append((said, shorter if same < 0 and len(tokens) != len(theirs) else same))
    return parted


async def hold(file: Path, kind: str, vocab: Tokenizer, ours: dict[str, list[int]]) -> tuple[bool, bool]:
    """Print a line a check of one file. Do the tokenizers agree? Are all replies the same?"""
    async with serve(file) as served:
        texts = [*AWKWARD, *strings(1, 400)]
        odd = await compare_tokenizers(served, vocab, texts)
        print(f"{kind}: {len(texts) - len(odd)} of {len(texts)} awkward strings alike", *map(repr, odd[:5]))
        parted = await compare_greedy(served, ours, vocab)
        apart = [one for one in parted if one[1] >= 0]
        print(f"{kind}: greedy replies identical to torch: {len(parted) - len(apart)} of {len(parted)}", *apart)
    return not odd, not apart


async def verify(place: Path, stage: str, every: int) -> bool:
    """Hold a run's exports, or a file that is there, to torch. True where the tokenizers agree and F32 writes the very
    same; a quantised file may part from its own numbers: llama.cpp rounds what it multiplies them with as well."""
    with tempfile.TemporaryDirectory() as folder:
        if place.is_file():
            take_pieces(place, Path(folder) / "tokenizer.json")
            vocab, (model, languages) = load_vocab(Path(folder) / "tokenizer.json"), load_gguf(place)
            return (await hold(place, place.name, vocab, greedy(model, vocab, languages, every)))[0]
        recipe, model = load_run(place, stage)
        vocab = load_vocab(place / "tokenizer.json")
        ours = greedy(model, vocab, recipe.languages, every)
        good = all(await hold(export(place, stage, "f32", Path(folder) / "f32.gguf"), "f32", vocab, ours))
        await hold(export(place, stage, "q8_0", Path(folder) / "q8_0.gguf"), "q8_0", vocab, ours)
        return good


def main() -> None:
    """The command line of this module."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("place", type=Path, metavar="RUN|FILE.gguf")
    ask.add_argument("--stage", default="", help="of a run: one of the recipe's stages, as a rule the last")
    ask.add_argument("--every", type=int, default=1, help="only every so many openings: quicker")
    given = ask.parse_args()
    torch.set_num_threads(1)
    sys.exit(0 if asyncio.run(verify(given.place, given.stage, given.every)) else 1)


if __name__ == "__main__":
    main()
