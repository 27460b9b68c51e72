"""What a conversation costs, and how answers slow down as there are more: the curve, and sessions a core.

    python -m bench.livekit.load [--sessions 1 2 4] [--seconds 60] [--json FILE] [--picture FILE]

With `--admission` the worker turns away whom it would turn away in earnest (else it takes everybody): `held` says how
many conversations it held at most.

For each number: a worker of ours, so many callers in processes of their own, everybody talking. Answers are timed on
the callers' sound files. Cores and memory are the conversations' processes' (memory that they share is divided among
them); the callers run on the same machine, and their cores are told beside, since on a machine of one's own they
would not be there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

from bench.livekit.crowd import Sample, crowd, look
from bench.livekit.latency import phrases
from bench.livekit.parts import Sides, ended_as_by_ctrl_c, keep, ours
from bench.peers.canned import Canned

from echoless.livekit.admission import p95
from echoless.livekit.server import LocalServer


async def with_sessions(sessions: int, seconds: float, folder: Path, lenient: bool = True) -> dict[str, Any]:
    """So many at once; what they took and how long answers took."""
    folder.mkdir(parents=True, exist_ok=True)
    held = 0
    with LocalServer() as server, Canned() as canned:
        worker = ours(
            server.access,
            canned.url,
            folder / "worker.log",
            *("--spare", "0"),
            lenient=lenient,
            environment={"TMPDIR": str(folder)},
        )
        async with worker as agent:
            await agent.until_says("ready for")
            empty = look(agent, server.pid, 0)
            there = asyncio.Event()
            say = phrases(folder, 24, sessions)
            talking = asyncio.ensure_future(crowd(server.access, folder, sessions, say, seconds, there))
            waiting = asyncio.ensure_future(there.wait())
            await asyncio.wait({talking, waiting}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({talking}, timeout=5)
            first = last = look(agent, server.pid, 0)
            while not talking.done():
                last = look(agent, server.pid, 0)
                held = max(held, len(list(folder.glob("echoless-worker-*/*.json"))))
                await asyncio.wait({talking}, timeout=2)
            folders = await talking
    answers = [each for where in folders for each in Sides.read(where).responses()]
    return {**summed(sessions, answers, empty, first, last, folders), "held": held}


def summed(
    sessions: int, answers: list[float], empty: Sample, first: Sample, last: Sample, folders: list[Path]
) -> dict[str, Any]:
    traffic = [json.loads((where / "traffic.json").read_text()) for where in folders]
    passed = max(1e-3, last.at - first.at)
    return {
        "sessions": sessions,
        "answers": len(answers),
        "answer_p50": statistics.median(answers) if answers else None,
        "answer_p95": p95(answers),
        "cores": (last.cpu_seconds - first.cpu_seconds) / passed,
        "caller_cores": statistics.mean(each["cores"] for each in traffic),
        "megabytes_each": (last.megabytes - empty.megabytes) / sessions,
        "worker_megabytes": empty.megabytes,
        "up_kbit": statistics.mean(each["up_kbit"] for each in traffic),
        "down_kbit": statistics.mean(each["down_kbit"] for each in traffic),
        "load": os.getloadavg()[0],
    }


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Answers and cores over sessions."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, left = pyplot.subplots(figsize=(7, 4), layout="constrained")
    at = [row["sessions"] for row in rows]
    left.plot(at, [row["answer_p50"] for row in rows], "o-", label="answer, median")
    left.plot(at, [row["answer_p95"] for row in rows], "s-", label="answer, p95")
    left.set_xlabel("conversations at once")
    left.set_ylabel("seconds")
    left.set_ylim(bottom=0)
    right = left.twinx()
    right.plot(at, [row["cores"] for row in rows], "^--", color="grey", label="cores of the worker")
    right.set_ylabel("cores")
    right.set_ylim(bottom=0)
    figure.legend(loc="upper left", bbox_to_anchor=(0.12, 0.97), fontsize="small")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def main() -> None:
    ended_as_by_ctrl_c()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--admission", action="store_true", help="turn callers away as a worker does")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for sessions in asked.sessions:
            folder = Path(scratch) / str(sessions)
            rows.append(asyncio.run(with_sessions(sessions, asked.seconds, folder, not asked.admission)))
            print(json.dumps(rows[-1]), flush=True)
    keep(rows, asked.json)
    if asked.picture:
        asked.picture.parent.mkdir(parents=True, exist_ok=True)
        draw(rows, asked.picture)


if __name__ == "__main__":
    main()
