"""The conversations: drawn from a seed, the same for every agent and echo level, in the rehearsals' own form."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

from bench.peers.canned import REPLY_SECONDS

from echoless.rooms.people import People, Recording

LEVELS = (-60, -20, -5, 5, 10)
"""Echo in dB relative to the user; -60 is a headset."""
SECONDS = 40.0
SECOND_QUESTION = 18.0
"""By then every agent has had time to answer the first question in full, and a while to answer itself."""
CARD_RATE = 48_000


def write(people: People, seed: int, level: float, folder: Path) -> Path:
    """One script into `folder`: a question and silence; another question, and somebody cuts into the answer."""
    draw = random.Random(seed)
    short = [r for r in people.questions if r.language == "en" and r.text and 1.6 <= r.seconds <= 4.0]
    asked = draw.choice(short)
    again = people.same_person(asked, short, draw)
    cut_in = people.same_person(again, short, draw)
    talkers = [
        {"at": 1.0, "kind": "turn", **_says(asked, folder)},
        {"at": SECOND_QUESTION, "kind": "turn", **_says(again, folder)},
        {
            "after": "agent.started",
            "nth": 2,
            "plus": round(draw.uniform(2.0, 3.5), 2),
            "kind": "interrupt",
            **_says(cut_in, folder),
        },
    ]
    room = {
        "rt60": round(draw.uniform(0.25, 0.5), 2),
        "size": [round(draw.uniform(3.5, 6), 1), round(draw.uniform(3, 5), 1), round(draw.uniform(2.4, 3), 1)],
        "echo_db": level,
        "delay_ms": draw.randint(10, 60),
        "nonlinear": round(draw.uniform(0.05, 0.3), 2),
        "noise_db": draw.randint(-66, -60),
        "speaker_distance": round(draw.uniform(0.3, 0.7), 2),
        "user_distance": round(draw.uniform(0.5, 1.0), 2),
    }
    keys = {
        "seconds": SECONDS,
        "rate": CARD_RATE,
        "reply_seconds": REPLY_SECONDS,
        "room": room,
        "talkers": talkers,
        "tags": {"echo_db": level, "seed": seed},
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{seed:03d}{level:+03g}.json"
    path.write_text(json.dumps(keys, indent=1) + "\n")
    return path


def _says(recording: Recording, folder: Path) -> dict[str, str]:
    return {"wav": os.path.relpath(recording.path, folder), "text": recording.text, "language": recording.language}
