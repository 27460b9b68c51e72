"""How complete a text looks as something to answer, learnt from dialogues: a logistic model of hashed word patterns.

Recognisers put a full stop after whatever they are given, so the words themselves are read and the last mark is not.
`python -m echoless.ears.complete_words CORPORA` trains it anew (a minute or two) and prints how well it does on
dialogues that were held out; the weights lie beside this file, one byte each.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import re
import sys
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from echoless.ears.words import is_han, tokens

BITS = 16
FILE = Path(__file__).with_name("complete_words.npz")
_SENTENCE = re.compile(r"[^.!?。！？…]+[.!?。！？…]*")
_BREAK = re.compile(r"[,;:，；：、]")
FAR = 40
"""Words of the last sentence that are looked at."""


def complete(text: str) -> float:
    """Probability 0..1 that `text` ends where a sentence ends; half of what it sees are sentences cut short."""
    sentence = last_sentence(text)
    if not sentence:
        return 0.5
    weights, scale = _weights()
    return 1.0 / (1.0 + math.exp(-scale * float(weights[features(sentence)].sum(dtype=np.int64))))


def last_sentence(text: str) -> list[str]:
    """The words of the last sentence in `text`; a comma is a word "," there."""
    found = [each for each in _SENTENCE.findall(text) if tokens(each)]
    return _words(found[-1]) if found else []


def features(sentence: list[str]) -> NDArray[np.int64]:
    """Rows of the weights for a sentence that goes as far as `sentence`. Rising, each once."""
    words = [*(["<"] * 3), *sentence[-FAR:]]
    size = min(len(sentence), 12)
    last, before, third = words[-1], words[-2], words[-3]
    first, second = words[3], words[4] if len(words) > 4 else ">"
    since = next((n for n, word in enumerate(reversed(sentence)) if word == ","), 20)
    patterns = [
        "bias", f"1 {last}", f"2 {before} {last}", f"3 {third} {before} {last}", f"b {before}",
        f"s {last[-3:]}", f"ss {before[-3:]} {last[-3:]}", f"f {first}", f"ff {first} {second}",
        f"n {size}", f"fn {first} {size // 2}", f"ln {last} {min(size, 6)}", f"c {min(since, 8)}",
        f"ffn {first} {second} {size // 2}", f"fl {first} {last}",
        *(f"w {word}" for word in set(sentence[-FAR:-1])),
    ]  # fmt: skip
    return np.unique([zlib.crc32(each.encode()) & ((1 << BITS) - 1) for each in patterns])


@cache
def _weights() -> tuple[NDArray[np.int8], float]:
    with np.load(FILE) as stored:
        return stored["weights"], float(stored["scale"])


def _words(sentence: str) -> list[str]:
    words: list[str] = []
    for part in _BREAK.split(sentence):
        here = tokens(part)
        words += [",", *here] if words and here else here
    return words


# --- training -------------------------------------------------------------------------------------------------


def samples(turns: Iterator[str], rng: np.random.Generator) -> Iterator[tuple[list[str], bool]]:
    """Each sentence whole, and once cut short at a random place between two words."""
    for turn in turns:
        for sentence in _SENTENCE.findall(turn):
            words = _words(sentence)
            if not words or len(words) > 60:
                continue
            yield words, True
            if len(words) > 1:
                cut = words[: int(rng.integers(1, len(words)))]
                yield (cut[:-1] or cut if cut[-1] == "," else cut), False


def turns(folder: Path, held_out: bool) -> Iterator[str]:
    """Turns of the dialogues in `folder` (one JSON object a line, gzipped); every tenth dialogue is held out."""
    for file in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines):
                if (number % 10 == 0) == held_out:
                    yield from json.loads(line)["turns"]


def train(folder: Path, rng: np.random.Generator, passes: int = 4) -> NDArray[np.float32]:
    """Weights by AdaGrad (Duchi et al., 2011) on the log loss, one example at a time."""
    known = [(features(words), whole) for words, whole in samples(turns(folder, False), rng)]
    print(f"{len(known)} sentences and beginnings of sentences")
    weights = np.zeros(1 << BITS, np.float32)
    seen = np.full(1 << BITS, 1e-2, np.float32)
    for each in range(passes):
        loss = 0.0
        for place in rng.permutation(len(known)):
            rows, whole = known[place]
            error = 1.0 / (1.0 + math.exp(-float(weights[rows].sum()))) - whole
            loss -= math.log(max(1e-9, 1.0 - abs(error)))
            step = error + 1e-5 * weights[rows]
            seen[rows] += step * step
            weights[rows] -= 0.1 * step / np.sqrt(seen[rows])
        print(f"pass {each + 1} of {passes}: loss {loss / len(known):.4f}", flush=True)
    return weights


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", type=Path, help="folder of dialogues: *.jsonl.gz with `turns`")
    parser.add_argument("--judge", action="store_true", help="do not train, only judge the weights that are there")
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    if not any(options.corpora.glob("*.jsonl.gz")):
        print(f"No dialogues (*.jsonl.gz) in {options.corpora}.")
        return 2
    if not options.judge:
        weights = train(options.corpora, rng)
        scale = float(np.percentile(np.abs(weights[weights != 0]), 99.5)) / 127
        np.savez_compressed(FILE, weights=np.clip(np.rint(weights / scale), -127, 127).astype(np.int8), scale=scale)
        _weights.cache_clear()
    for language in ("English", "Mandarin"):
        held = [each for each in samples(turns(options.corpora, True), rng)
                if any(map(is_han, each[0])) == (language == "Mandarin")]  # fmt: skip
        table, scale = _weights()
        score = np.array([scale * int(table[features(words)].sum(dtype=np.int64)) for words, _ in held])
        whole = np.array([whole for _, whole in held])
        limit = np.percentile(score[~whole], 90)
        print(f"{language}, held out: {len(held)} samples, right {np.mean((score > 0) == whole):.1%}, "
              f"of whole sentences {np.mean(score[whole] > limit):.1%} over 9 of 10 beginnings")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
