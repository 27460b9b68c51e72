"""`--only-enrolled` tried in simulated rooms: people who enrolled and strangers talk over the agent, one a call.

    python -m echoless.workshop.voiceprint.gate --calls 100 --out out/gate

Real are the people (recordings), the room, the echo guard, the listener, the voiceprints and the call; the agent has
a voice of espeak's or flite's, and enrols it as its own. The recogniser is scripted: it always hears a sentence, so
that nothing but the voice decides. A call without any talker shows what the agent's own echo does. The thresholds of
each call come from `calibrate` without the two people in it: nobody is judged by what was fitted to them. A call ends
when somebody got the floor, or has finished and the agent has gone on.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import typer

from echoless.ears.ears import Ears
from echoless.ears.guard import EchoGuard
from echoless.ears.recognisers.fake import FakeRecogniser
from echoless.ears.turn_end import FakeTurnEnd
from echoless.ears.voiceprint import Embedding, Encoder, Limits, WhoSpeaks
from echoless.frames import RATE, Event
from echoless.house import own_voice
from echoless.mind.scripted import FunctionMind
from echoless.rooms.cast import draw_voice
from echoless.rooms.line import RoomLine
from echoless.rooms.people import People, Recording
from echoless.rooms.script import Script, parse
from echoless.rooms.virtual import VirtualMeter, run_virtual
from echoless.talk import Call, Manners
from echoless.voice.playback import Playback
from echoless.voice.speaking import Speaker
from echoless.workshop.voiceprint.across import across
from echoless.workshop.voiceprint.calibrate import KNOWN, STRANGERS, limits, room_trials, who_is_who

SECONDS = 16.0
SAYS = (
    "Let me tell you about the harbour. It was built before the railway came, and for a long time everything that the "
    "town ate, burnt and wore was carried over its two stone quays. Today there are a few fishing boats left."
)
LEVELS = (-10, 0, 10)
KINDS = ("enrolled", "stranger", "nobody")
AFTER = 2.5
"""Seconds of silence after which a call is over."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One call. `stopped`: somebody got the floor; `reasons`: of those who did not; `cost`: share of a core."""

    kind: str
    number: int
    speaker: str
    stopped: bool
    ducks: int
    reasons: tuple[str, ...]
    nearest: str
    similarity: float
    seconds: float
    cost: float


class Gate:
    """The people, and the calls that are held with them. Raises ScriptError where there are no recordings."""

    def __init__(self, people: People, tell: Callable[[str], None] = lambda what: None) -> None:
        encoder = Encoder()
        self.trials = room_trials(people, tell)
        speech, heard = who_is_who(people)
        self.everybody = list(heard)
        self.known = {name: across(each, encoder.embed) for name, each in speech.items()}
        used: set[Path] = set()
        for name in self.known:
            mine = [r for r in people.recordings if r.speaker == name]
            used |= {r.path for r in mine[: len(mine) - len(heard[name])]}
        fit = [r for r in people.recordings if r.seconds >= 1.5 and r.path not in used and "+" not in r.speaker]
        self.mine = [r for r in fit if r.speaker in self.known]
        self.others = [r for r in fit if r.folder in (*KNOWN, *STRANGERS) and r.speaker]

    def hold(self, kind: str, number: int) -> Outcome:
        """Call `number` of a kind: `enrolled`, `stranger` or `nobody`."""
        draw = random.Random(f"gate {kind} {number}")
        talker = draw.choice(self.mine if kind == "enrolled" else self.others)
        known = dict(self.known)
        if kind == "stranger":
            known.pop(talker.speaker, None)
            host = draw.choice(sorted(known))
        else:
            host = talker.speaker if kind == "enrolled" else draw.choice(sorted(known))
        script = self._script(draw, None if kind == "nobody" else talker)
        needed = limits(self.trials, host, talker.speaker, names=self.everybody)
        events, cost = run_virtual(_call(script, number, {host: known[host]}, needed))
        return _outcome(kind, number, talker.speaker if kind != "nobody" else "", events, cost)

    def _script(self, draw: random.Random, talker: Recording | None) -> Script:
        room = {
            "echo_db": draw.choice(LEVELS),
            "rt60": round(draw.uniform(0.2, 0.55), 2),
            "delay_ms": draw.randint(20, 200),
            "user_distance": round(draw.uniform(0.4, 1.2), 2),
            "noise_db": draw.randint(-66, -56),
        }
        keys: dict[str, Any] = {"seconds": SECONDS, "room": room}
        if talker:
            cue = {"after": "agent.started", "plus": round(draw.uniform(0.8, 4), 2)}
            keys["talkers"] = [{**cue, "wav": str(talker.path), "end": min(talker.seconds, 6.0), "kind": "interrupt"}]
        return parse(json.dumps(keys), Path())


async def _call(script: Script, seed: int, known: dict[str, Embedding], needed: Limits) -> tuple[list[Event], float]:
    line, meter = RoomLine(script, seed), VirtualMeter("measured")
    voice = draw_voice(script, seed)
    who = WhoSpeaks(known, own_voice(voice), only_enrolled=True, limits=needed)
    ears = Ears(
        EchoGuard(), FakeRecogniser(("no wait a moment please",)), FakeTurnEnd(0.9), meter, language="en", who=who
    )
    playback = Playback(line.traits.rate, line.traits.block)
    mind = FunctionMind(lambda text: "Yes?")
    call = Call(line, ears, mind, Speaker(voice, playback, meter), playback, meter, manners=Manners(greeting=SAYS))
    events: list[Event] = []
    call.subscribe(events.append)

    def look(seconds: float) -> None:
        if _won(events) or (line.voices and _finished(line, seconds) and not call.playback.ducked):
            call.close()

    line.on_second = look
    await line.open()
    await call.run()
    return events, sum(meter.spent["voiceprint"]) / line.seconds


def _finished(line: RoomLine, seconds: float) -> bool:
    """Whether the talker has been silent for so long that everything is decided."""
    began = line.fired[0]
    return began is not None and seconds > (began + len(line.voices[0].dry)) / RATE + AFTER


def _won(events: list[Event]) -> bool:
    """Whether somebody got the floor."""
    return any(e.event == "agent.stopped" and e.data["reason"] == "interrupted" for e in events) or any(
        e.event == "user.said" for e in events
    )


def _outcome(kind: str, number: int, speaker: str, events: list[Event], cost: float) -> Outcome:
    rejected = [event for event in events if event.event == "user.rejected"]
    looked = [e.data["evidence"] for e in events if "similarity" in e.data.get("evidence", {})]
    last = looked[-1] if looked else {}
    return Outcome(
        kind,
        number,
        speaker,
        _won(events),
        sum(e.event == "agent.ducked" for e in events),
        tuple(event.data["reason"] for event in rejected),
        str(last.get("nearest", "")),
        float(last.get("similarity", 0.0)),
        float(last.get("speech_seconds", 0.0)),
        cost,
    )


def table(outcomes: list[Outcome]) -> str:
    """Counts, a row a kind."""
    head = (
        "who talks over the agent",
        "calls",
        "got the floor",
        "turned away as",
        "ducks a call",
        "nearest: me",
        "% of a core",
    )
    rows = [f"| {' | '.join(head)} |", "|---|---|---|---|---|---|---|"]
    for kind in KINDS:
        mine = [each for each in outcomes if each.kind == kind]
        if not mine:
            continue
        reasons = Counter(reason for each in mine for reason in each.reasons)
        told = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common()) or "-"
        ducks = sum(each.ducks for each in mine) / len(mine)
        echo = sum(each.nearest == "me" for each in mine)
        cost = 100 * sum(each.cost for each in mine) / len(mine)
        rows.append(
            f"| {kind} | {len(mine)} | {sum(e.stopped for e in mine)} | {told} | {ducks:.2f} | {echo} | {cost:.1f} |"
        )
    return "\n".join(rows)


def main(
    calls: Annotated[int, typer.Option(min=1, help="Of each kind.")] = 100,
    out: Annotated[Path, typer.Option(help="Where the table and each call's outcome go.")] = Path("out/gate"),
    jobs: Annotated[int, typer.Option(min=1, help="Calls at a time.")] = 1,
) -> None:
    """Count both errors of the gate. The same command goes on where it was stopped."""
    out.mkdir(parents=True, exist_ok=True)
    log = out / "calls.jsonl"
    outcomes = _held(log)
    gate = Gate(People(), lambda what: typer.echo(what, err=True))
    held = {(each.kind, each.number) for each in outcomes}
    left = [each for each in _order(calls) if each not in held]
    with log.open("a", encoding="utf-8") as file:
        for outcome in _hold(gate, left, jobs):
            outcomes.append(outcome)
            file.write(json.dumps({name: getattr(outcome, name) for name in Outcome.__slots__}) + "\n")
            file.flush()
            typer.echo(f"\r{len(outcomes)} of {calls * len(KINDS)}", nl=False, err=True)
    typer.echo("", err=True)
    text = table(outcomes)
    (out / "table.md").write_text(text + "\n", encoding="utf-8")
    typer.echo(text)


def _hold(gate: Gate, left: list[tuple[str, int]], jobs: int) -> Iterator[Outcome]:
    """The outcomes of these calls as they come, some at a time in processes of their own."""
    if jobs == 1:
        yield from (gate.hold(*each) for each in left)
        return
    with get_context("spawn").Pool(jobs, _receive, (gate,)) as pool:
        yield from pool.imap_unordered(_hold_one, left)


_gate: Gate


def _receive(gate: Gate) -> None:
    global _gate
    _gate = gate


def _hold_one(each: tuple[str, int]) -> Outcome:
    return _gate.hold(*each)


def _order(calls: int) -> list[tuple[str, int]]:
    """Those who talk first, in turns: what matters most is known soonest."""
    talking = [(kind, number) for number in range(calls) for kind in KINDS[:2]]
    return talking + [(KINDS[2], number) for number in range(calls)]


def _held(log: Path) -> list[Outcome]:
    """The outcomes of the calls that an earlier run has held already."""
    if not log.exists():
        return []
    rows = [json.loads(row) for row in log.read_text(encoding="utf-8").splitlines() if row.endswith("}")]
    return [Outcome(**{**row, "reasons": tuple(row["reasons"])}) for row in rows]


if __name__ == "__main__":
    typer.run(main)
