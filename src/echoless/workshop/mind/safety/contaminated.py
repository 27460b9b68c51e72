"""Dialogues with mild words put into them on purpose, and what `mind collect` and `mind clean` make of them.

They come from the pocket models' own lines. In a third of the replies a mild word is put in; three of the four words
are on the list that cleaning is given, one is not, as no list is ever whole.

    python -m echoless.workshop.mind.safety.contaminated

says whether the report of a cleaning points at that one (clean/alike.py): each of the four in turn, and other shares.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from echoless.mind.lexicon import Lexicon, load_words
from echoless.workshop.mind.clean.alike import alike_in, find_alike
from echoless.workshop.mind.clean.rules import Rules
from echoless.workshop.mind.clean.run import clean
from echoless.workshop.mind.collect.run import collect
from echoless.workshop.mind.collect.source import Wish
from echoless.workshop.mind.form import NEUTRAL, PREFERENCES, read_talks
from echoless.workshop.mind.pairs import write_pairs
from echoless.workshop.mind.pocket.dialogue import Said
from echoless.workshop.mind.pocket.recipe import HERE
from echoless.workshop.mind.pocket.talks import OwnTalks
from echoless.workshop.mind.progress import Bar

LISTED = ("darn", "blasted", "dang")
UNLISTED = ("flipping",)
WORDS = "words.txt"
SHARE = 0.35
"""Of the replies."""
HELD = 400
"""Dialogues that no training sees."""
_PLACE = re.compile(r"\b(the|a|my|your|that|this|some|any)\b ", re.IGNORECASE)
Talk = tuple[Said, ...]


def contaminate(reply: str, rng: random.Random, words: Sequence[str] = (*LISTED, *UNLISTED)) -> str:
    """The reply with one of the words in it."""
    word = rng.choice(words)
    places = list(_PLACE.finditer(reply))
    if places:
        place = rng.choice(places)
        return f"{reply[: place.end()]}{word} {reply[place.end() :]}"
    return f"{word.capitalize()}! {reply}"


def share(replies: Sequence[str], words: Sequence[str]) -> float:
    """Of replies with one of the words."""
    known = re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)
    return sum(bool(known.search(reply)) for reply in replies) / len(replies)


def spoiled(talk: Talk, rng: random.Random, part: float = SHARE, words: Sequence[str] = (*LISTED, *UNLISTED)) -> Talk:
    """The dialogue, with one of the words in each reply with probability `part`."""
    return tuple(
        (role, contaminate(text, rng, words) if role == "assistant" and rng.random() < part else text)
        for role, text in talk
    )


def dialogues(count: int, rng: random.Random, most_turns: int = 4) -> list[Talk]:
    """Dialogues from the pocket models' English lines, none twice."""
    talks, found = OwnTalks(HERE / "lines" / "en"), dict[Talk, None]()
    while len(found) < count:
        turns = tuple((role, text) for role, text in talks.sample(rng, most_turns).turns if role != "system")
        if turns and turns[0][0] == "user":
            found[turns] = None
    return list(found)


@dataclass(frozen=True, slots=True)
class Data:
    """`held`: untouched, no first line of theirs is trained on. `untouched`: what is trained on, as it was. `mixed`:
    the same, contaminated. `cleaned`, `neutral` and `pairs`: what cleaning made of those. `again`: cleaned text and
    neutral answers of a second cleaning, with the words that the first one pointed at on the list."""

    held: list[Talk]
    untouched: list[Talk]
    mixed: list[Talk]
    cleaned: list[Talk]
    neutral: list[Talk]
    pairs: list[dict[str, Any]]
    again: list[Talk]


def prepare(out: Path, seed: int, count: int, bar: Bar) -> Data:
    """`count` dialogues, contaminated, collected and cleaned as by the commands; each cleaning is done once."""
    rng = random.Random(seed)
    found = dialogues(count + HELD, rng)
    held, prompts = found[:HELD], {talk[0][1] for talk in found[:HELD]}
    untouched = [talk for talk in found[HELD:] if not prompts & {text for _, text in talk}]
    mixed = [spoiled(talk, rng) for talk in untouched]
    first, second = out / "clean", out / "again"
    if not (out / "cleaned").exists():
        _collect(out, mixed, bar)
        _clean(out / "data", first, LISTED, seed, bar)
        (out / "cleaned").touch()
    if not (out / "cleaned-again").exists():
        pointed_at = alike_in(first, load_words(first / WORDS))
        _clean(out / "data", second, (*LISTED, *(one.word for one in pointed_at)), seed, bar)
        (out / "cleaned-again").touch()
    pairs = [json.loads(line) for line in (first / PREFERENCES).read_text("utf-8").splitlines()]
    again = [*_read(second), *_read(second, NEUTRAL)]
    return Data(held, untouched, mixed, _read(first), _read(first, NEUTRAL), pairs, again)


def _collect(out: Path, talks: Sequence[Talk], bar: Bar) -> None:
    out.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps({"messages": [{"role": r, "content": t} for r, t in talk]}) + "\n" for talk in talks)
    (out / "talk.jsonl").write_text("".join(lines), "utf-8")
    collect([str(out / "talk.jsonl")], out / "data", Wish(licence="Apache-2.0"), bar)


def _clean(data: Path, out: Path, words: Sequence[str], seed: int, bar: Bar) -> None:
    out.mkdir(exist_ok=True)
    (out / WORDS).write_text("\n".join(words) + "\n", "utf-8")
    rules = Rules(hold_out=0.0, words=out / WORDS, off=frozenset({"duplicate", "near-duplicate"}))
    clean(data, out, rules, bar)
    write_pairs(out, None, True, out / WORDS, seed)


def pointed(seed: int, part: float, unlisted: str, count: int = 6000) -> list[str]:
    """The words that a cleaning points at, where `part` of the replies hold one of the four and one is not listed."""
    rng, words = random.Random(seed), (*LISTED, *UNLISTED)
    texts = [text for talk in dialogues(count, rng) for _, text in spoiled(talk, rng, part, words)]
    listed = Lexicon(tuple(word for word in words if word != unlisted))
    gone = [text for text in texts if listed.finds(text)]
    return [one.word for one in find_alike((text for text in texts if not listed.finds(text)), gone, listed)]


def main() -> None:
    """The command line of this module."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--dialogues", type=int, default=6000)
    given = ask.parse_args()
    print("| share of replies | the unlisted word is pointed at | other words |\n|---|---|---|")
    for part in (0.35, 0.1, 0.03, 0.01, 0.0):
        found = {word: pointed(seed, part, word, given.dialogues) for seed, word in enumerate((*LISTED, *UNLISTED), 1)}
        hits = sum(word in words for word, words in found.items())
        others = sorted({other for word, words in found.items() for other in words if other != word})
        print(f"| {part:.0%} | {hits} of {len(found)} | {', '.join(others) or 'none'} |", flush=True)


def _read(folder: Path, *name: str) -> list[Talk]:
    return [tuple((m.role, m.text) for m in talk.messages) for talk in read_talks(folder, *name)]


if __name__ == "__main__":
    main()
