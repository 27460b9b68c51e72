"""`--only-enrolled` tried in simulated rooms: people who enrolled and strangers talk over the agent, one a call.

    python -m echoless.workshop.voiceprint.gate --calls 100 --out out/gate
    python -m echoless.workshop.voiceprint.gate --own-voice --calls 20 --out out/own-voice

`gate_calls` says what such a call is. `--own-voice` asks instead whether the agent's own voice is worth a layer of the
echo guard: somebody whose voice is as near to the agent's as the data offers talks over it, or nobody does, once with
nobody at the door (`open`) and once with whoever sounds like the agent turned away (`own-voice`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from math import inf
from pathlib import Path
from typing import Annotated

import typer

from echoless.rooms.many import run_all
from echoless.rooms.people import People
from echoless.rooms.script import ScriptError
from echoless.workshop.voiceprint.gate_calls import Gate, Outcome, Task

KINDS = ("enrolled", "stranger", "near", "nobody")
DOORS = ("enrolled", "open", "own-voice")


def tasks(calls: int, seed: int, own_voice: bool) -> Iterator[Task]:
    """Those who talk first, in turns: what matters most is known soonest."""
    if own_voice:
        for number in range(calls):
            yield from (Task(seed, kind, number, door) for kind in ("near", "nobody") for door in DOORS[1:])
        return
    yield from (Task(seed, kind, number, "enrolled") for number in range(calls) for kind in KINDS[:2])
    yield from (Task(seed, "nobody", number, "enrolled") for number in range(calls))


def table(outcomes: list[Outcome]) -> str:
    """Counts, a row a kind and a door."""
    head = ("who talks over the agent", "let in", "calls", "got the floor", "turned away as", "ducks a call")
    rows = [f"| {' | '.join((*head, 'nearest: me', '% of a core'))} |", "|---" * 8 + "|"]
    for kind in KINDS:
        for door in DOORS:
            mine = [each for each in outcomes if (each.kind, each.door) == (kind, door)]
            if not mine:
                continue
            reasons = Counter(reason for each in mine for reason in each.reasons)
            told = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common()) or "-"
            ducks = sum(each.ducks for each in mine) / len(mine)
            echo = sum(each.nearest == "me" for each in mine)
            cost = 100 * sum(each.cost for each in mine) / len(mine)
            rows.append(
                f"| {kind} | {door} | {len(mine)} | {sum(e.stopped for e in mine)} | {told} | {ducks:.2f} | {echo} | "
                f"{cost:.1f} |"
            )
    return "\n".join(rows)


def main(
    calls: Annotated[int, typer.Option(min=1, help="Of each kind.")] = 100,
    out: Annotated[Path, typer.Option(help="Where the table and each call's outcome go.")] = Path("out/gate"),
    jobs: Annotated[int, typer.Option(min=1, help="Calls at a time.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other calls.")] = 0,
    budget: Annotated[float, typer.Option(help="Seconds after which no other call begins.")] = inf,
    own_voice: Annotated[bool, typer.Option("--own-voice", help="Whether the agent's voice is worth a layer.")] = False,
) -> None:
    """Count both errors of the gate. The same command goes on where it was stopped."""
    try:
        people = People()
    except ScriptError as missing:
        typer.echo(f"gate: {missing}", err=True)
        raise typer.Exit(1) from None
    out.mkdir(parents=True, exist_ok=True)
    log = out / "calls.jsonl"
    outcomes = held(log)
    there = {(each.seed, each.kind, each.number, each.door) for each in outcomes}
    wanted = list(tasks(calls, seed, own_voice))
    left = [task for task in wanted if (task.seed, task.kind, task.number, task.door) not in there]
    with log.open("a", encoding="utf-8") as file:
        for task, result in run_all(_hold, left, jobs, budget, prepare=_prepare, given=(people, own_voice)):
            if isinstance(result, BaseException):
                raise result
            outcomes.append(result)
            file.write(json.dumps(asdict(result)) + "\n")
            file.flush()
            typer.echo(f"\r{len(outcomes)} calls, the last: {task.kind} {task.number}  ", nl=False, err=True)
    typer.echo("", err=True)
    text = table(outcomes)
    (out / "table.md").write_text(text + "\n", encoding="utf-8")
    typer.echo(text)


_gate: Gate


def _prepare(people: People, near: bool) -> None:
    global _gate
    _gate = Gate(people, near=near)


def _hold(task: Task) -> Outcome:
    return _gate.hold(task)


def held(log: Path) -> list[Outcome]:
    """The outcomes of the calls that an earlier run has held already; a row that was cut off is held again."""
    text = log.read_text(encoding="utf-8") if log.exists() else ""
    if text and not text.endswith("\n"):
        text = text[: text.rfind("\n") + 1]
        log.write_text(text, encoding="utf-8")
    rows = map(json.loads, text.splitlines())
    return [Outcome(**{**row, "reasons": tuple(row["reasons"]), "trail": tuple(row["trail"])}) for row in rows]


if __name__ == "__main__":
    typer.run(main)
