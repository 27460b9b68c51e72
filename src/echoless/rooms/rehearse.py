"""`echoless rehearse`: a whole conversation, everything of the agent real, in a room that is not."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import typer

from echoless.ears.door import Recogniser, TurnEnd
from echoless.ears.recognisers.guard import Guarded
from echoless.frames import BLOCK_SECONDS
from echoless.meter import LiveMeter, Meter
from echoless.rooms import measures, scorer
from echoless.rooms.cast import chosen, draw_voice, open_mind
from echoless.rooms.line import RoomLine
from echoless.rooms.scorer import Scores
from echoless.rooms.script import Script, load
from echoless.rooms.variants import vary
from echoless.rooms.virtual import VirtualLoop, VirtualMeter, run_virtual
from echoless.settings import load as load_settings

LATE_SHARE = 0.01
"""Share of late blocks from which on a rehearsal says nothing about the agent."""
Progress = Callable[[float], None]


class Pace(StrEnum):
    fast = "fast"
    real = "real"


class Cost(StrEnum):
    measured = "measured"
    fixed = "fixed"


@dataclass(frozen=True, slots=True)
class Plan:
    """How a script is to be rehearsed. `guard` and `without`: other ears for comparison, see `variants`."""

    seed: int = 0
    pace: Pace = Pace.fast
    cost: Cost = Cost.measured
    mind: str = "scripted"
    tts_model: str | None = None
    guard: str = "own"
    without: Collection[str] = ()


def rehearse(script: Script, out: Path, plan: Plan | None = None, progress: Progress | None = None) -> Scores:
    """Hold the call, leave its record and scores.json in `out`, and judge it.

    Raises ScriptError, and what the call's parts raise when they cannot be had.
    """
    plan = plan or Plan()
    line = RoomLine(script, plan.seed)
    line.on_second = progress
    begun, cpu = time.monotonic(), time.process_time()
    call = _hold(script, line, out, plan)
    spent = run_virtual(call) if plan.pace == Pace.fast else asyncio.run(call)
    took, cpu = time.monotonic() - begun, time.process_time() - cpu
    line.save(out)
    scores = scorer.score(out, script)
    figures = measures.as_json(measures.pool([scores]))
    scorer.write(scores, figures, out / "scores.json")
    run = {
        "script": script.model_dump(mode="json"),
        "seed": plan.seed,
        "voice": asdict(chosen(script, plan.seed, plan.tts_model)),
        "plan": {
            "pace": plan.pace,
            "cost": plan.cost,
            "mind": plan.mind,
            "guard": plan.guard,
            "without": sorted(plan.without),
        },
        **line.report(),
        "wall_seconds": round(took, 2),
        "cpu_seconds": round(cpu, 2),
        "spent": {part: _summary(costs) for part, costs in sorted(spent.items())},
    }
    (out / "run.json").write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n")
    return scores


def _summary(costs: list[float]) -> dict[str, float]:
    return {"count": len(costs), "seconds": round(sum(costs), 4), "longest": round(max(costs, default=0.0), 4)}


async def _hold(script: Script, line: RoomLine, out: Path, plan: Plan) -> dict[str, list[float]]:
    from echoless import house

    meter = _meter(plan)
    given = {"language": script.language, "greet": False, "record": out, "keep_days": 0}
    settings = load_settings(given).settings
    voice = draw_voice(script, plan.seed, plan.tts_model)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(meter.aclose)
        _hurry(False)
        mind = await open_mind(plan.mind, script, plan.seed, settings, meter, stack)
        with ExitStack() as blocking:
            spoken = house.spoken_in(settings)
            ready = house.Prepared(kept_recogniser(spoken), kept_turn_end(spoken))
            ears = house.open_ears(settings, meter, line, prepared=ready)
            blocking.callback(ears.close)
            vary(ears, plan.guard, plan.without)
            troubles: list[tuple[str, str, str]] = []
            call = house.wire(settings, line, ears, mind, voice, meter, lambda *what: troubles.append(what))
            blocking.callback(call.speaker.close)
            await line.open()
            _hurry(True)
            try:
                await call.run()
            finally:
                _hurry(False)
        return {part: list(times) for part, times in meter.spent.items()}


class _Kept(Guarded):
    """A recogniser that the next call may use, too: opening one takes longer than a minute's call spends on words."""

    def close(self) -> None:
        """Stays open for as long as the process lives."""


@lru_cache(maxsize=2)
def kept_recogniser(spoken: str | None) -> Recogniser:
    """The default recogniser, opened once a process. It keeps nothing from one piece of sound to the next."""
    from echoless.ears.recognisers.moonshine import open_engine
    from echoless.house import warmed

    return warmed(_Kept(open_engine(spoken)), spoken)


@lru_cache(maxsize=2)
def kept_turn_end(spoken: str | None) -> TurnEnd:
    """The judge of turn ends, opened once a process. It keeps nothing from one turn to the next."""
    from echoless.house import warm_turn_end

    return warm_turn_end(spoken)


def _hurry(hurried: bool) -> None:
    """Starting and stopping servers takes wall time, also where the call's time is virtual."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, VirtualLoop):
        loop.hurry(hurried)


def _meter(plan: Plan) -> Meter:
    if plan.pace == Pace.real:
        return LiveMeter()
    return VirtualMeter(plan.cost.value, local=("think",) if plan.mind == "scripted" else ())


app = typer.Typer(add_completion=False)


@app.command()
def main(
    script: Annotated[Path, typer.Argument(metavar="SCRIPT.json", help="What happens; see docs/rooms.md.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the record and the scores go.")],
    seed: Annotated[int, typer.Option(min=0, help="Draws places, noise, the voice and the replies.")] = 0,
    pace: Annotated[Pace, typer.Option(help="fast: virtual time; real: the wall clock.")] = Pace.fast,
    cost: Annotated[Cost, typer.Option(help="measured: CPU time; fixed: a table, repeats exactly.")] = Cost.measured,
    mind: Annotated[str, typer.Option(metavar="scripted|pocket|URL", help="What answers.")] = "scripted",
    tts_model: Annotated[str | None, typer.Option(metavar="NAME", help="A Piper voice; else drawn.")] = None,
) -> None:
    """Rehearse a scripted conversation in a simulated room and judge it by its sound alone."""
    told = load(script)
    with _bar(told.seconds) as progress:
        scores = rehearse(told, out, Plan(seed, pace, cost, mind, tts_model), progress)
    for row in describe(scores):
        typer.echo(row)
    typer.echo(f"{out / 'scores.json'}")
    late = json.loads((out / "run.json").read_text())["late_blocks"]
    if late * BLOCK_SECONDS > LATE_SHARE * told.seconds:
        typer.echo(
            f"not valid: this machine was too slow for {late} blocks; try --pace fast, or a quieter hour", err=True
        )


def describe(scores: Scores) -> list[str]:
    """One line a measure that has something to say."""
    rows = []
    for name, m in measures.pool([scores]).items():
        if m.value is None:
            continue
        verdict = {True: "ok", False: "MISSED", None: ""}[m.met]
        of = f"{m.count:g} of {m.of:g}" if m.unit == "share" else f"{m.count:g}"
        rows.append(f"{name:20} {m.value:8.3f} {m.unit:15} {of:12} {m.goal:10} {verdict}".rstrip())
    return rows


@contextmanager
def _bar(seconds: float) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f} of {task.total:.0f} s"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(file=sys.stderr), transient=True) as bar:
        task = bar.add_task("rehearsing", total=seconds)
        yield lambda at: bar.update(task, completed=at)


if __name__ == "__main__":
    app()
