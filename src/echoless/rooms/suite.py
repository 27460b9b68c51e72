"""The published suite: many rehearsals, on all cores, resumable. `python -m echoless.rooms.suite --help`.

A run is a folder: `scripts/` (in the contract's form), `made/` (coughs, nods, music), `calls/NAME/` (scores.json,
run.json, events.jsonl; WAVs only of calls that went wrong), `report.md`, `report.json` and pictures.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import typer

from echoless.rooms import report
from echoless.rooms.cases import SECONDS, Case, Suite
from echoless.rooms.measures import failed, pool
from echoless.rooms.people import People
from echoless.rooms.rehearse import Cost, Pace, Plan, rehearse
from echoless.rooms.scorer import Scores
from echoless.rooms.script import load
from echoless.rooms.variants import GUARDS, LAYERS, check

SHORT_RUN, LONG_RUN = 12, 2200
"""Calls of a short run (10 minutes simulated) and a long one (over 30 hours)."""
CORES = max(1, (os.cpu_count() or 2) - 1)
SOUNDS = ("mic.wav", "clean.wav", "speaker.wav", "user.wav", "reference.wav")


@dataclass(frozen=True, slots=True)
class Job:
    """One call of a run, as a worker process gets it."""

    case: Case
    folder: Path
    plan: Plan
    keep: str


def done(folder: Path) -> bool:
    """Whether a call was rehearsed to its end."""
    return (folder / "scores.json").is_file() and (folder / "run.json").is_file()


def work(job: Job) -> tuple[str, list[str]]:
    """Rehearse one case in this process: its name and the measures that it missed."""
    part = job.folder.with_name(job.folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    script = load(job.case.path)
    scores = rehearse(script, part, replace(job.plan, seed=job.case.seed))
    report.add_claims(part, script, job.case.seed)
    missed = failed(pool([scores]))
    if job.keep == "none" or (job.keep == "bad" and not missed):
        for name in SOUNDS:
            (part / name).unlink(missing_ok=True)
    shutil.rmtree(job.folder, ignore_errors=True)
    part.rename(job.folder)
    return job.case.name, missed


def _quiet() -> None:
    """One thread a worker: the cores are shared by calls, not within one."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def run(jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, list[str] | BaseException]]:
    """Rehearse what is not done yet; each job as it ends, with what it missed or why it failed.

    Workers are new processes now and then, so that nothing that a native library leaks can grow for hours.
    """
    _quiet()  # before the workers start: libraries read it when they are loaded
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), max_tasks_per_child=40) as pool_:
        futures: dict[Future[tuple[str, list[str]]], Job] = {pool_.submit(work, job): job for job in jobs}
        try:
            for future in as_completed(futures):
                problem = future.exception()
                yield futures[future], problem if problem is not None else future.result()[1]
        except BaseException:
            pool_.shutdown(wait=False, cancel_futures=True)
            raise


def load_scores(folder: Path) -> Iterator[tuple[Path, Scores]]:
    """All calls of a run that are done."""
    for path in sorted((folder / "calls").glob("*/scores.json")):
        data = json.loads(path.read_text())
        data.pop("measures", None)
        yield path.parent, Scores(**data)


app = typer.Typer(add_completion=False, help="Rehearse the published suite and report on it.", no_args_is_help=True)

_Out = Annotated[Path, typer.Option("--out", help="The run's folder; an unfinished run there is gone on with.")]
_Jobs = Annotated[int, typer.Option("--jobs", min=1, help="Calls at a time.")]
_Seed = Annotated[int, typer.Option("--seed", min=0, help="Another seed, other people in other rooms.")]


@app.command()
def rehearsals(
    out: _Out,
    count: Annotated[int, typer.Option("--count", min=1, help=f"Calls; {LONG_RUN} are 30 hours.")] = SHORT_RUN,
    seed: _Seed = 0,
    jobs: _Jobs = CORES,
    cost: Annotated[Cost, typer.Option(help="See echoless rehearse.")] = Cost.measured,
    pace: Annotated[Pace, typer.Option(help="See echoless rehearse.")] = Pace.fast,
    guard: Annotated[str, typer.Option(help="own, or for comparison: aec3, none.")] = "own",
    without: Annotated[str, typer.Option(help=f"Layers to switch off: {', '.join(LAYERS)}.")] = "",
    keep: Annotated[str, typer.Option(help="Sounds to keep: bad (of calls that missed a goal), all, none.")] = "bad",
    family: Annotated[str, typer.Option(help="Only these families of cases, e.g. short,nods.")] = "",
) -> None:
    """Rehearse COUNT calls and write the report."""
    plan = Plan(0, pace, cost, guard=guard, without=tuple(filter(None, without.split(","))))
    check(plan.guard, plan.without)
    if keep not in ("bad", "all", "none"):
        raise typer.BadParameter("--keep takes bad, all or none")
    _rehearse(out, _cases(out, seed, count, family), plan, jobs, keep)
    typer.echo(report.write({plan.guard: out}, out))


@app.command()
def ablation(out: _Out, count: int = 40, seed: _Seed = 0, jobs: _Jobs = 1) -> None:
    """What each layer of the guard is good for: the same calls with one switched off at a time."""
    variants = {"all layers": Plan(), **{f"without {name}": Plan(without=(name,)) for name in LAYERS}}
    variants |= {f"guard {name}": Plan(guard=name) for name in GUARDS if name != "own"}
    folders = {}
    for name, plan in variants.items():
        folder = out / name.replace(" ", "-")
        plan = replace(plan, cost=Cost.fixed)
        _rehearse(folder, _cases(folder, seed, count), plan, jobs, "none", name)
        folders[name] = folder
    typer.echo(report.write(folders, out))


@app.command(name="report")
def report_(
    runs: Annotated[list[str], typer.Argument(metavar="[NAME=]DIR...", help="Runs to lay side by side.")],
    out: Annotated[Path, typer.Option("--out", help="Where report.md, report.json and the pictures go.")],
) -> None:
    """Report on runs, or parts of runs, that there are."""
    folders = {}
    for text in runs:
        name, _, folder = text.rpartition("=")
        folders[name or Path(folder).name] = Path(folder)
    typer.echo(report.write(folders, out))


def _cases(out: Path, seed: int, count: int, family: str = "") -> list[Case]:
    return list(Suite(People(), out, seed).cases(count, [name for name in family.split(",") if name]))


def _rehearse(out: Path, cases: Sequence[Case], plan: Plan, workers: int, keep: str, name: str = "rehearsing") -> None:
    todo = [Job(c, out / "calls" / c.name, plan, keep) for c in cases if not done(out / "calls" / c.name)]
    (out / "calls").mkdir(parents=True, exist_ok=True)
    if len(todo) < len(cases):
        typer.echo(f"{len(cases) - len(todo)} of {len(cases)} calls are done already", err=True)
    problems: list[str] = []
    with _progress(name, len(todo)) as step:
        for job, result in run(todo, workers):
            if isinstance(result, BaseException):
                problems.append(f"{job.case.name}: {type(result).__name__}: {result}")
            step(job, result)
    for line in problems[:5]:
        typer.echo(f"failed: {line}", err=True)
    if problems and len(problems) == len(todo):
        raise typer.Exit(1)


class _progress:
    """A bar in a terminal, a line now and then elsewhere."""

    def __init__(self, name: str, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self.name, self.total, self.count, self.missed = name, total, 0, 0
        self.live = sys.stderr.isatty()
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f}"))
        shown = (*columns, TimeElapsedColumn(), TimeRemainingColumn())
        self.bar = Progress(*shown, console=Console(file=sys.stderr), disable=not self.live)

    def __enter__(self) -> _progress:
        self.bar.__enter__()
        self.task = self.bar.add_task(self.name, total=self.total)
        return self

    def __exit__(self, *what: object) -> None:
        self.bar.__exit__(None, None, None)

    def __call__(self, job: Job, result: list[str] | BaseException) -> None:
        self.count += 1
        self.missed += bool(result)
        self.bar.advance(self.task)
        if not self.live and (self.count % 10 == 0 or self.count == self.total):
            simulated = self.count * SECONDS / 3600
            typer.echo(
                f"{self.name}: {self.count} of {self.total} calls, {simulated:.2f} h simulated, "
                f"{self.missed} missed something",
                err=True,
            )


def main() -> int:
    """Run the command line with one-line errors."""
    from echoless.cli import _explain

    try:
        return app(standalone_mode=False) or 0
    except KeyboardInterrupt:
        return 130
    except typer.Exit as end:
        return end.exit_code
    except Exception as error:
        if hasattr(error, "format_message"):
            typer.echo(f"suite: {error.format_message()}", err=True)
            return 2
        return _explain(error)


if __name__ == "__main__":
    raise SystemExit(main())
