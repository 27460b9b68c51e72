"""`make peers`: Echoless and its peers in the same rooms at real pace, and a table of what was heard.

Goes on with what an earlier run left in the folder. A call that fell behind (see session.py) is repeated once and, if
that falls behind too, left out of the figures; the table says how many were valid.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bench.peers import calibrate, outside, scripts, table
from bench.peers.agents import AGENTS, NICE, ROOT
from bench.peers.canned import REPLY, Canned
from bench.peers.table import Judged
from tests.lines.virtual_card import missing

from echoless.rooms import scorer
from echoless.rooms.people import People
from echoless.rooms.script import ScriptError, load

TUNED_LEVELS = (-60, -5, 5)
CALL_LIMIT = 300.0
"""Seconds after which a call that does not end is ended."""


@dataclass(frozen=True, slots=True)
class Task:
    """One call to be held."""

    agent: str
    level: float
    seed: int
    script: Path
    folder: Path


def tasks(out: Path, agents: Sequence[str], levels: Sequence[float], seeds: Sequence[int]) -> Iterator[Task]:
    """Every call, such that an early end leaves all agents equally far."""
    people = People()
    for seed in seeds:
        for level in levels:
            script = scripts.write(people, seed, level, out / "scripts")
            for agent in agents:
                if not agent.endswith("-tuned") or level in TUNED_LEVELS:
                    yield Task(agent, level, seed, script, out / "calls" / f"{agent}.{script.stem}")


class Peers:
    """Holds and judges calls."""

    def __init__(self, llm: str, until: float) -> None:
        self.llm, self.until = llm, until
        self._other = outside.scorer()
        self._running: set[subprocess.Popen[bytes]] = set()

    def call(self, task: Task) -> Judged | None:
        """Hold one call, twice if the first fell behind. None where the time is over."""
        judged = self._known(task)
        for _ in range(2):
            if judged is not None and judged.valid:
                break
            if time.monotonic() > self.until:
                return judged
            shutil.rmtree(task.folder, ignore_errors=True)
            self._hold(task)
            judged = self._known(task) or Judged(task.agent, task.level, task.seed, self._failure(task), None)
        assert judged is not None
        if self._other and judged.valid:
            judged = replace(judged, other=outside.judge(self._other, task.folder))
        return judged

    def _hold(self, task: Task) -> None:
        command = [sys.executable, "-m", "bench.peers.session", str(task.script), "--agent", task.agent]
        command += ["--llm", self.llm, "--out", str(task.folder), "--seed", str(task.seed)]
        task.folder.mkdir(parents=True, exist_ok=True)
        with (task.folder / "session.log").open("wb") as log:
            # Ctrl-C comes through `stop`
            session = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        self._running.add(session)
        try:
            session.wait(CALL_LIMIT)
        except subprocess.TimeoutExpired:
            session.send_signal(signal.SIGINT)
            session.wait()
        finally:
            self._running.discard(session)

    @staticmethod
    def _known(task: Task) -> Judged | None:
        try:
            run = json.loads((task.folder / "run.json").read_text())
            scores = scorer.score(task.folder, load(task.script))
        except (OSError, ValueError):
            return None
        return Judged(task.agent, task.level, task.seed, run, scores)

    @staticmethod
    def _failure(task: Task) -> dict[str, object]:
        lines = (task.folder / "session.log").read_text(errors="replace").splitlines()
        return {"trouble": lines[-1] if lines else "no call came about"}

    def stop(self) -> None:
        """End what still runs; each session ends its agent and its sound card."""
        self.until = 0.0
        for session in list(self._running):
            session.send_signal(signal.SIGINT)


def tell(number: int, total: int, judged: Judged) -> None:
    """One line a call."""
    what = judged.run.get("trouble") or ""
    if judged.scores is not None:
        replies = sum(b["kind"] == "reply" for b in judged.scores.bursts)
        itself = sum(b["kind"] == "self_answer" for b in judged.scores.bursts)
        what = f"{replies} replies, {itself} self-answers, load {judged.run['load'][1]:g}"
        what += "" if judged.valid else f", NOT VALID: {judged.run['trouble'] or 'fell behind'}"
    print(f"{number} of {total}: {judged.agent} at {judged.level:+g} dB: {what}", flush=True)


def publish(calls: Sequence[Judged], card: calibrate.Share | None, out: Path) -> str:
    """Write peers.md and peers.json; the Markdown."""
    rows = table.rows(calls, list(AGENTS))
    loads = [call.run["load"][1] for call in calls if call.valid]
    text = "# Side by side\n\n" + table.markdown(rows, {a.name: a.label for a in AGENTS.values()})
    if card is not None:
        text += f"\nOf every latency and stop, {card} are the sound card's and the bridge's own (beep agent).\n"
    if loads:
        text += (
            f"\nLoad average in the calls: {min(loads):.1f} to {max(loads):.1f}, median {statistics.median(loads):.1f}"
        )
        text += f", on {os.cpu_count()} cores.\n"
    text += "\n" + outside.report(calls)
    (out / "peers.md").write_text(text)
    data = {
        "reply": REPLY,
        "card_ms": None if card is None else card.milliseconds,
        "rows": table.as_json(rows),
        "calls": [
            {"agent": c.agent, "level": c.level, "seed": c.seed, "valid": c.valid, "run": dict(c.run),
             "scores": None if c.scores is None else c.scores.as_json(), "other_scorer": c.other}
            for c in calls
        ],
    }  # fmt: skip
    (out / "peers.json").write_text(json.dumps(data, indent=1) + "\n")
    return text


def compare(asked: argparse.Namespace) -> int:
    """The whole run."""
    out = asked.out.resolve()
    todo = list(tasks(out, asked.agents, asked.levels, range(asked.seed, asked.seed + asked.count)))
    until = time.monotonic() + 60 * asked.minutes
    with suppress(OSError):
        os.nice(NICE)  # the model server is in this process; only root may
    print(f"{len(todo)} calls of {scripts.SECONDS:g} s, each with its agent's start before it; Ctrl-C ends early")
    calls: list[Judged] = []
    with Canned() as canned, ThreadPoolExecutor(asked.jobs) as pool:
        peers = Peers(canned.url, until)
        card = calibrate.measure(canned.url, out / "calibration")
        print(f"the card's and the bridge's own share: {card or 'could not be measured'}", flush=True)
        try:
            for number, done in enumerate(pool.map(peers.call, todo), 1):
                if done is not None:
                    calls.append(done)
                    tell(number, len(todo), done)
                    publish(calls, card, out)
        except KeyboardInterrupt:
            peers.stop()
            pool.shutdown(cancel_futures=True)
    if not calls:
        print("peers: no call was held", file=sys.stderr)
        return 1
    print(publish(calls, card, out))
    print(out / "peers.md")
    return 0


def main() -> int:
    """The command line."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what runs in the background
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("out/peers"))
    parser.add_argument("--agents", nargs="+", choices=list(AGENTS), default=[a for a in AGENTS if a != "beep"])
    parser.add_argument("--levels", nargs="+", type=float, default=list(scripts.LEVELS), help="echo, dB over the user")
    parser.add_argument("--seed", type=int, default=1, help="the first conversation")
    parser.add_argument(
        "--count", type=int, default=1, help="conversations; each is held by every agent at every level"
    )
    parser.add_argument("--jobs", type=int, default=1, help="calls at a time; more than half the cores will not do")
    parser.add_argument("--minutes", type=float, default=1e6, help="start no call after so many")
    asked = parser.parse_args()
    unknown = [AGENTS[name].missing() for name in asked.agents]
    if why := missing() or next(filter(None, unknown), None):
        print(f"peers: {why}", file=sys.stderr)
        return 2
    try:
        return compare(asked)
    except ScriptError as wrong:
        print(f"peers: {wrong}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
