"""One long call at real pace: does anything go wrong in an hour? `make rehearse-hour`.

    python -m echoless.rooms.hour --out out/hour --seconds 3600

Somebody asks something every 25 s, and into the answers come interruptions, nods, coughs, short words, or nothing. The
room changes as it goes: the delay jumps, the loudspeaker is moved, its volume changes. Leaves the call's record and
scores, and hour.json: memory by the minute, late blocks, what failed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from echoless.frames import BLOCK_SECONDS
from echoless.rooms.cases import Suite
from echoless.rooms.conversations import endless
from echoless.rooms.measures import Measure, pool
from echoless.rooms.people import People
from echoless.rooms.rehearse import LATE_SHARE, Cost, Pace, Plan, rehearse
from echoless.rooms.script import load

app = typer.Typer(add_completion=False)
SETTLED = 5
"""Minutes after which memory must not grow."""


class _Memory:
    """Resident memory of this process, in megabytes, by the minute of the call."""

    def __init__(self, told: bool) -> None:
        self.megabytes: list[float] = []
        self._told = told

    def __call__(self, second: float) -> None:
        if int(second) % 60:
            return
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.megabytes.append(round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1))
        if self._told:
            typer.echo(f"{int(second) // 60} min, {self.megabytes[-1]:.0f} MB", err=True)


@app.command()
def main(
    out: Annotated[Path, typer.Option("--out", help="Where the script, the record and the scores go.")],
    seconds: Annotated[float, typer.Option(min=60, max=14_400, help="How long it lasts.")] = 3600.0,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other people in another room.")] = 0,
    pace: Annotated[Pace, typer.Option(help="See echoless rehearse.")] = Pace.real,
    nice: Annotated[int, typer.Option(help="Priority: under 0 only root may.")] = 0,
) -> None:
    """Hold one long call and say what went wrong in it."""
    if nice:
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    suite = Suite(People(), out, seed, seconds)
    path = suite.long_call(endless)
    memory = _Memory(told=True)
    scores = rehearse(load(path), out / "call", Plan(seed, pace, Cost.measured), memory)
    run = json.loads((out / "call" / "run.json").read_text())
    figures = pool([scores])
    failures = [json.loads(line) for line in (out / "call" / "events.jsonl").read_text("utf-8").splitlines()]
    failures = [event for event in failures if event["event"] == "failure"]
    found = summary(figures, run, memory.megabytes, failures)
    (out / "hour.json").write_text(json.dumps(found, indent=1) + "\n")
    for key, value in found.items():
        if key != "megabytes":
            typer.echo(f"{key:28} {value}")
    typer.echo(str(out / "hour.json"))


def summary(
    figures: dict[str, Measure], run: dict[str, Any], megabytes: list[float], failures: list[dict[str, Any]]
) -> dict[str, Any]:
    """What there is to say of a long call. It went well where nothing failed, nothing came late, memory stayed as it
    was, and the agent neither answered nor stopped itself."""
    settled = megabytes[SETTLED:] or megabytes[-1:]
    late = run["late_blocks"] * BLOCK_SECONDS / run["seconds"]
    of = {name: figures[name] for name in ("noticed", "noticed_short", "backchannels_stop", "noises_stop", "answered")}
    return {
        "minutes": round(run["seconds"] / 60, 1),
        "valid": late <= LATE_SHARE,
        "late_blocks": run["late_blocks"],
        "self_answers": figures["self_answers"].count,
        "unprompted": figures["unprompted"].count,
        "self_interruptions": figures["self_interruptions"].count,
        **{name: f"{m.count:g} of {m.of:g}" for name, m in of.items()},
        "failures": len(failures),
        "megabytes_settled": settled[0] if settled else None,
        "megabytes_most_after": max(settled, default=None),
        "cores": round(run["cpu_seconds"] / run["seconds"], 3),
        "megabytes": megabytes,
    }


if __name__ == "__main__":
    app()
