"""Real recordings of loudspeaker and microphone as rooms of their own: `python -m echoless.rooms.real`.

Open loop: a recording does not react to ducking, so the ears are judged alone. Real people are mixed into the
microphone of a far-end recording at second 6, at every echo level; beside that each recording is heard by itself.
Nothing may be tuned on these files.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from echoless.ears.heeded import Agent, Confirmed, Dismissed, Started
from echoless.frames import BLOCK, BLOCK_SECONDS, RATE, Block, Samples
from echoless.rooms.cases import LEVELS
from echoless.rooms.levels import active_level, factor, read_wav
from echoless.rooms.measures import share
from echoless.rooms.people import People, Recording, shared_folder
from echoless.rooms.talkers import trim
from echoless.rooms.variants import GUARDS, vary
from echoless.rooms.virtual import VirtualMeter, run_virtual

CUT_IN, SETTLED, IN_TIME = 6.0, 2.0, 1.5
"""Seconds: when people cut in, from when on no false trigger is allowed, and how soon a person must be noticed."""
PHRASE = 4.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What the ears made of one recording: seconds at which they ducked, gave up a duck, and confirmed."""

    ducked: list[float]
    dismissed: list[float]
    confirmed: list[float]


def listen(ears: Any, meter: VirtualMeter, microphone: Samples, reference: Samples) -> Heard:
    """Let the ears hear a recording while an agent (that never ducks) talks."""
    return run_virtual(_listen(ears, microphone, reference))


async def _listen(ears: Any, microphone: Samples, reference: Samples) -> Heard:
    heard = Heard([], [], [])
    working = asyncio.create_task(ears.work())
    agent = Agent(True, True, lambda since, until: ())
    for index in range(min(len(microphone), len(reference)) // BLOCK):
        part = slice(index * BLOCK, (index + 1) * BLOCK)
        await asyncio.sleep(BLOCK_SECONDS)
        _, told = ears.hear(Block(index, microphone[part], reference[part]), agent)
        now = (index + 1) * BLOCK_SECONDS
        for what in told:
            for kind, times in ((Started, heard.ducked), (Dismissed, heard.dismissed), (Confirmed, heard.confirmed)):
                if isinstance(what, kind):
                    times.append(round(now, 3))
        if any(isinstance(what, Confirmed) for what in told):
            ears.forget()  # the agent would have stopped; here it talks on
    working.cancel()
    return heard


def far_ends(folder: Path) -> list[tuple[str, Samples, Samples]]:
    """Name, microphone and reference of every recording in which only the far end talks."""
    pairs = []
    for mic in sorted(folder.glob("*farend_singletalk_mic.wav")):
        reference = read_wav(mic.with_name(mic.name.replace("_mic", "_lpb")))
        sound = read_wav(mic)
        length = min(len(sound), len(reference))
        pairs.append((mic.name.split("_farend")[0], sound[:length], reference[:length]))
    return pairs


def mixed(microphone: Samples, phrase: Samples, level: float) -> Samples:
    """The phrase added at second 6, so loud that the recording's echo is `level` dB over it."""
    gain = factor(active_level(microphone) - level - active_level(phrase))
    out = microphone.copy()
    at = int(CUT_IN * RATE)
    piece = phrase[: len(out) - at]
    out[at : at + len(piece)] += piece * np.float32(gain)
    peak = float(np.max(np.abs(out)))
    return out if peak <= 1 else (out / peak).astype(np.float32)


def _ears(guard: str) -> tuple[Any, VirtualMeter]:
    from echoless import house
    from echoless.rooms.line import RoomLine
    from echoless.rooms.script import Script
    from echoless.settings import load

    meter = VirtualMeter("fixed")
    ears = house.open_ears(load({"language": "en"}).settings, meter, RoomLine(Script(seconds=1)))
    vary(ears, guard, ())
    return ears, meter


def judge(guard: str, phrases: Sequence[Recording], folder: Path) -> list[dict[str, Any]]:
    """One row a recording and level: how many phrases were noticed, and the false triggers."""
    rows = []
    for name, microphone, reference in far_ends(folder):
        ears, meter = _ears(guard)
        alone = listen(ears, meter, microphone, reference)
        false_ducks = [t for t in alone.ducked if t > SETTLED]
        false_stops = [t for t in alone.confirmed if t > SETTLED]
        ears.close()
        for level in LEVELS:
            ducked = confirmed = early = 0
            for phrase in phrases:
                ears, meter = _ears(guard)
                sound = trim(read_wav(phrase.path))[: int(PHRASE * RATE)]
                heard = listen(ears, meter, mixed(microphone, sound, level), reference)
                ducked += any(CUT_IN <= t <= CUT_IN + IN_TIME for t in heard.ducked)
                confirmed += any(CUT_IN <= t <= CUT_IN + IN_TIME for t in heard.confirmed)
                early += sum(SETTLED < t < CUT_IN for t in heard.ducked)
                ears.close()
            rows.append(
                {
                    "guard": guard,
                    "recording": name,
                    "echo_db": level,
                    "phrases": len(phrases),
                    "ducked": ducked,
                    "confirmed": confirmed,
                    "early_false_ducks": early,
                    "false_ducks_alone": false_ducks,
                    "false_stops_alone": false_stops,
                }
            )
            typer.echo(f"{guard} {level:+d} dB: {ducked} ducked, {confirmed} confirmed of {len(phrases)}", err=True)
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows in Markdown."""
    lines = [
        "| guard | echo | ducked in 1.5 s | confirmed in 1.5 s | false ducks from second 2 on, alone | false stops |",
        "|---|---|---|---|---|---|",
    ]
    for r in rows:
        _, low, high = share(r["confirmed"], r["phrases"])
        bounds = f"({100 * (low or 0):.0f}-{100 * (high or 0):.0f} %)"
        false = f"{len(r['false_ducks_alone'])} | {len(r['false_stops_alone'])}"
        of = f"of {r['phrases']}"
        lines.append(
            f"| {r['guard']} | {r['echo_db']:+d} dB | {r['ducked']} {of} | {r['confirmed']} {of} {bounds} | {false} |"
        )
    return "\n".join(lines) + "\n"


def main(
    out: Annotated[Path, typer.Option("--out", help="real.json and real.md go there.")],
    count: Annotated[int, typer.Option(help="Phrases a level.")] = 20,
    guards: Annotated[str, typer.Option(help=f"Of {', '.join(GUARDS)}.")] = "own,aec3",
) -> None:
    """Let the ears hear real echo with real people in it."""
    people = People()
    step = max(1, len(people.phrases) // count)
    phrases = people.phrases[::step][:count]
    folder = shared_folder() / "speech" / "aec_real"
    rows = [row for guard in guards.split(",") for row in judge(guard, phrases, folder)]
    out.mkdir(parents=True, exist_ok=True)
    (out / "real.json").write_text(json.dumps(rows, indent=1) + "\n")
    (out / "real.md").write_text(table(rows))
    typer.echo(table(rows))


if __name__ == "__main__":
    typer.run(main)
