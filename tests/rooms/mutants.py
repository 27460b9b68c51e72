"""The scorer's mutants as a table: `python tests/rooms/mutants.py`. What each bad agent misses, by its sound alone."""

from __future__ import annotations

import tempfile
from pathlib import Path

import agents
from people import script, words, write

from echoless.rooms.line import RoomLine
from echoless.rooms.measures import failed, pool
from echoless.rooms.scorer import Scores, score
from echoless.rooms.script import Script
from echoless.rooms.virtual import run_virtual

MUTANTS = (
    agents.Ideal,
    agents.NeverStops,
    agents.StopsByItself,
    agents.StopsAtAnything,
    agents.MutesWhileAnyoneTalks,
    agents.MutesItsMicrophone,
    agents.AnswersTwice,
    agents.Silent,
    agents.TurnsItselfDown,
    agents.HoldsItsBreath,
    agents.GreetsNobody,
)


def conversation(folder: Path) -> Script:
    """A minute in which everything is asked of an agent that the scorer judges."""
    return script(
        folder,
        seconds=60,
        reply_seconds=8,
        room={"rt60": 0.2, "noise_db": -70},
        talkers=[
            {"at": 1.0, "wav": "question.wav", "kind": "turn"},
            {"after": "agent.started", "nth": 1, "plus": 4.0, "wav": "more.wav", "kind": "interrupt"},
            {"after": "agent.started", "nth": 2, "plus": 3.0, "wav": "nod.wav", "kind": "backchannel"},
            {"at": 34.0, "wav": "quote.wav", "kind": "quote"},
            {"after": "agent.started", "nth": 3, "plus": 1.0, "wav": "more.wav", "kind": "interrupt"},
        ],
    )


def write_people(folder: Path) -> None:
    """The voices of that conversation."""
    write(folder, question=words(1.5, 1), more=words(2.5, 2), nod=words(0.35, 3), quote=words(2.0, 4))


def rehearse(agent: type[agents.Ideal], told: Script, folder: Path) -> tuple[Scores, RoomLine]:
    """Hold the conversation with an agent and judge it."""
    line = RoomLine(told, 1)
    run_virtual(agent(line).run())
    line.save(folder)
    return score(folder, told), line


def main() -> None:
    print("| agent | missed |\n|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_people(folder)
        for agent in MUTANTS:
            scores, _ = rehearse(agent, conversation(folder), folder / agent.__name__)
            missed = failed(pool([scores]))
            print(f"| {agent.__name__} | {', '.join(missed) or 'nothing'} |", flush=True)


if __name__ == "__main__":
    main()
