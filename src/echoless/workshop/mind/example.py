"""Something to try the commands with: dialogues out of the lines of pocket-en, as `collect` writes them.

python -m echoless.workshop.mind.example talks/ [--count 1500]
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from echoless.workshop.mind.form import DIALOGUES, Message, Talk, dumps
from echoless.workshop.mind.pocket.recipe import HERE
from echoless.workshop.mind.pocket.talks import OwnTalks


def write(goal: Path, count: int, language: str = "en", seed: int = 1, turns: int = 4) -> Path:
    """Write GOAL/dialogues.jsonl: `count` dialogues of at most about `turns` turns, no two alike."""
    rng, lines = random.Random(seed), OwnTalks(HERE / "lines" / language)
    seen: set[tuple[tuple[str, str], ...]] = set()
    goal.mkdir(parents=True, exist_ok=True)
    with (goal / DIALOGUES).open("w", encoding="utf-8") as file:
        for _ in range(20 * count):
            drawn = [turn for turn in lines.sample(rng, turns).turns if turn[0] != "system"]
            if len(seen) < count and drawn[0][0] == "user" and tuple(drawn) not in seen:
                seen.add(tuple(drawn))
                said = tuple(Message(role, text) for role, text in drawn)
                file.write(dumps(Talk(said, "pocket-en's lines", "example", language, "Apache-2.0").as_json()))
    return goal


def main() -> None:
    """The command line of this module."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("goal", type=Path)
    ask.add_argument("--count", type=int, default=1500)
    given = ask.parse_args()
    print(write(given.goal, given.count))


if __name__ == "__main__":
    main()
