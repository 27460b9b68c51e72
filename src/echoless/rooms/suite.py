"""The published suite: many rehearsals, on all cores, resumable. `python -m echoless.rooms.suite --help`.

A run is a folder: `scripts/` (in the contract's form), `made/` (coughs, nods, music), `calls/NAME/` (scores.json,
run.json, events.jsonl; WAVs only of calls that went wrong), `report.md`, `report.json` and pictures.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Annotated

import typer

from echoless.rooms import claims, collected, report, scorer
from echoless.rooms.cases import SECONDS, Case, Suite
from echoless.rooms.many import run_all
from echoless.rooms.measures import as_json, failed, pool
from echoless.rooms.people import People
from echoless.rooms.rehearse import Cost, Pace, Plan, rehearse
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


def work(job: Job) -> list[str]:
    """Rehearse one case in this process: the measures that it missed."""
    part = job.folder.with_name(job.folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    script = load(job.case.path)
    scores = rehearse(script, part, replace(job.plan, seed=job.case.seed))
    claims.add(part, script, job.case.seed)
    missed = failed(pool([scores]))
    if job.keep == "none" or (job.keep == "bad" and not missed):
        for name in SOUNDS:
            (part / name).unlink(missing_ok=True)
    shutil.rmtree(job.folder, ignore_errors=True)
    part.rename(job.folder)
    return missed


app = typer.Typer(add_completion=False, help="Rehearse the published suite and report on it.", no_args_is_help=True)

_Out = Annotated[Path, typer.Option("--out", help="The run's folder; an unfinished run there is gone on with.")]
_Jobs = Annotated[int, typer.Option("--jobs", min=1, help="Calls at a time.")]
_Family = Annotated[str, typer.Option("--family", help="Only these families of cases, e.g. short,nods.")]
_Only = Annotated[str, typer.Option("--only", help="Only these variants: layers, own (all layers), aec3, none.")]
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
    family: _Family = "",
    first: Annotated[
        int, typer.Option(min=0, help="Number of the first case: runs on two machines need not meet.")
    ] = 0,
    budget: Annotated[float, typer.Option(help="Seconds after which no other call begins.")] = inf,
    recorded: Annotated[bool, typer.Option("--recorded", help="Recorded people as the agents.")] = False,
) -> None:
    """Rehearse COUNT calls and write the report."""
    plan = Plan(0, pace, cost, guard=guard, without=tuple(filter(None, without.split(","))))
    check(plan.guard, plan.without)
    if keep not in ("bad", "all", "none"):
        raise typer.BadParameter("--keep takes bad, all or none")
    cases = _cases(out, seed, count, family, first, recorded)
    _rehearse(out, cases, plan, jobs, keep, count=count, budget=budget)
    typer.echo(report.write({plan.guard: [out]}, out))


@app.command()
def ablation(
    out: _Out, count: int = 40, seed: _Seed = 0, jobs: _Jobs = 1, family: _Family = "", only: _Only = ""
) -> None:
    """What each layer of the guard is good for: the same calls with one switched off at a time."""
    variants = {"all layers": Plan(), **{f"without {name}": Plan(without=(name,)) for name in LAYERS}}
    variants |= {f"guard {name}": Plan(guard=name) for name in GUARDS if name != "own"}
    if only:
        wanted = {{"own": "all layers", "aec3": "guard aec3", "none": "guard none"}.get(n, f"without {n}")
                  for n in only.split(",")}  # fmt: skip
        if unknown := wanted - set(variants):
            raise typer.BadParameter(f"--only: there is no {', '.join(sorted(unknown))}")
        variants = {name: plan for name, plan in variants.items() if name in wanted}
    sources = {}
    for name, plan in variants.items():
        folder = out / name.replace(" ", "-")
        fixed = replace(plan, cost=Cost.fixed)
        _rehearse(folder, _cases(folder, seed, count, family), fixed, jobs, "none", name, count)
        sources[name] = [folder]
    typer.echo(report.write(sources, out))


@app.command(name="report")
def report_(
    runs: Annotated[list[str], typer.Argument(metavar="[NAME=]RUN...", help="Folders or packed runs.")],
    out: Annotated[Path, typer.Option("--out", help="Where report.md, report.json and the pictures go.")],
) -> None:
    """Report on runs, or parts of runs, that there are: side by side, those of the same NAME counted together."""
    sources: dict[str, list[Path]] = {}
    for text in runs:
        name, _, run_ = text.rpartition("=")
        sources.setdefault(name or Path(run_).name, []).append(Path(run_))
    typer.echo(report.write(sources, out))


@app.command()
def rescore(run_: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")]) -> None:
    """Judge anew the calls whose sound was kept, after the scorer has changed, and read every call's record anew."""
    count, folders = 0, sorted(folder for folder in (run_ / "calls").iterdir() if done(folder))
    for folder in folders:
        if all((folder / name).is_file() for name in ("user.wav", "speaker.wav")):
            script = load(run_ / "scripts" / f"{folder.name}.json")
            scores = scorer.score(folder, script)
            scorer.write(scores, as_json(pool([scores])), folder / "scores.json")
            claims.add(folder, script, json.loads((folder / "run.json").read_text())["seed"])
            count += 1
        else:
            claims.renew(folder)
    typer.echo(f"{count} of {len(folders)} calls judged anew: the sound of the others was not kept")


@app.command()
def pack(
    run_: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")],
    out: Annotated[Path, typer.Option("--out", help="Where calls.jsonl.xz and worst.tar go.")],
) -> None:
    """Pack a run's scores into one file that `report` reads, and the sound of its worst calls beside it."""
    out.mkdir(parents=True, exist_ok=True)
    count = collected.pack(run_, out / "calls.jsonl.xz")
    worst = collected.pack_sound(collected.read(run_), out / "worst.tar")
    typer.echo(f"{out / 'calls.jsonl.xz'}: {count} calls; worst.tar: {', '.join(worst) or 'none'}")


def _cases(
    out: Path, seed: int, count: int, family: str = "", first: int = 0, recorded: bool = False
) -> Iterator[Case]:
    suite = Suite(People(), out, seed, recorded=recorded)
    return suite.cases(count, [name for name in family.split(",") if name], first)


def _rehearse(
    out: Path,
    cases: Iterable[Case],
    plan: Plan,
    workers: int,
    keep: str,
    name: str = "rehearsing",
    count: int = 0,
    budget: float = inf,
) -> None:
    (out / "calls").mkdir(parents=True, exist_ok=True)
    problems: list[str] = []
    with _progress(name, count) as step:

        def todo() -> Iterator[Job]:
            for case in cases:
                if done(out / "calls" / case.name):
                    step.skip()
                else:
                    yield Job(case, out / "calls" / case.name, plan, keep)

        for job, result in run_all(work, todo(), workers, budget):
            if isinstance(result, BaseException):
                problems.append(f"{job.case.name}: {type(result).__name__}: {result}")
            step(job, result)
    for line in problems[:5]:
        typer.echo(f"failed: {line}", err=True)
    if problems and len(problems) == step.count:
        raise typer.Exit(1)


class _progress:
    """A bar in a terminal, a line now and then elsewhere."""

    def __init__(self, name: str, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self.name, self.total, self.count, self.missed, self.skipped = name, total, 0, 0, 0
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

    def skip(self) -> None:
        """A call that was done before."""
        self.skipped += 1
        self.bar.advance(self.task)

    def __call__(self, job: Job, result: list[str] | BaseException) -> None:
        self.count += 1
        self.missed += bool(result)
        self.bar.advance(self.task)
        so_far = self.count + self.skipped
        if not self.live and (self.count % 10 == 0 or so_far == self.total):
            before = f" ({self.skipped} from before)" if self.skipped else ""
            typer.echo(
                f"{self.name}: {so_far} of {self.total} calls{before}, {so_far * SECONDS / 3600:.2f} h simulated, "
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
