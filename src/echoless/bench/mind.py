"""How quickly the embedded server starts, answers and falls idle again: `python -m echoless.bench.mind MODEL.gguf`.

Prints a table, or with `--json` an object; all times in milliseconds. "Idle" is seen through the server's `/slots`, so
it includes one request of about a millisecond.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

from echoless.frames import Turn
from echoless.mind.door import MindError
from echoless.mind.llama import LlamaMind
from echoless.mind.server import LlamaServer
from echoless.mind.wire import Patience, Wire

STORY = "Once upon a time there was a lighthouse keeper who counted every wave that came to the shore. "


def ms(since: float) -> float:
    return (time.perf_counter() - since) * 1000


async def idle_after(wire: Wire, close: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds from closing until no slot of the server works any more."""
    begun = time.perf_counter()
    await close()
    while any(slot["is_processing"] for slot in await wire.get("/slots")):
        await asyncio.sleep(0.001)
    return ms(begun)


async def first_piece(mind: LlamaMind, turns: list[Turn]) -> float:
    begun = time.perf_counter()
    async with aclosing(mind.reply(turns)) as pieces:  # type: ignore[type-var]
        await anext(pieces)
        return ms(begun)


async def cut_decoding(mind: LlamaMind, wire: Wire, turn: str) -> float:
    pieces = mind.reply([Turn("user", turn)])
    await anext(pieces)
    return await idle_after(wire, pieces.aclose)  # type: ignore[attr-defined]


async def cut_prefill(mind: LlamaMind, wire: Wire, turn: str) -> float | None:
    """None where the model had read everything before it could be cut."""
    task = asyncio.ensure_future(mind.prefill([Turn("user", turn)]))
    while not task.done() and not any(slot["is_processing"] for slot in await wire.get("/slots")):
        await asyncio.sleep(0.001)
    if task.done():
        return None

    async def cancel() -> None:
        task.cancel()
        await asyncio.wait({task})

    return await idle_after(wire, cancel)


async def measure(model: Path, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of every round, by what was measured."""
    found: dict[str, list[float]] = {}

    def note(name: str, value: float | None) -> None:
        if value is not None:
            found.setdefault(name, []).append(value)

    begun = time.perf_counter()
    async with LlamaServer(model, context=4096) as server:
        note("start to listening", ms(begun))
        # no end of its own accord, so that there is something to cut
        mind = LlamaMind(lambda: server.endpoint, sampling={"ignore_eos": True, "seed": 1})
        wire = Wire(lambda: server.endpoint, Patience())
        await mind.check()
        for number in range(rounds):
            long = f"Story {number}. " + STORY * 60
            note("first piece, short turn, cold", await first_piece(mind, [Turn("user", f"{number} hello")]))
            note("first piece, 60 sentences, cold", await first_piece(mind, [Turn("user", f"{number} {long}")]))
            await mind.prefill([Turn("user", long)])
            note("first piece, 60 sentences, read ahead", await first_piece(mind, [Turn("user", long)]))
            note("idle after cutting a reply", await cut_decoding(mind, wire, f"{number} hello again"))
            note("idle after cutting a prefill", await cut_prefill(mind, wire, f"again {number} {long}"))
        await mind.aclose()
        await wire.aclose()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    try:
        found = asyncio.run(measure(arguments.model, max(1, arguments.rounds)))
    except MindError as why:
        parser.exit(1, f"{why}\n")
    if arguments.json:
        print(json.dumps(found))
        return
    print(f"{'milliseconds':42}{'median':>9}{'most':>9}{'rounds':>8}")
    for name, values in found.items():
        print(f"{name:42}{statistics.median(values):9.1f}{max(values):9.1f}{len(values):8}")


if __name__ == "__main__":
    main()
