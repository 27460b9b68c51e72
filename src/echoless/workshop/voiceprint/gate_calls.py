"""The calls of `gate.py`: who is there, and what happens to whoever talks over the agent.

Real are the people (recordings), the room, the echo guard, the listener, the voiceprints and the call; the agent has
a voice of espeak's or flite's, and enrols it as its own. The recogniser is scripted: it always hears a sentence, so
that nothing but the voice decides. The thresholds of each call come from `calibrate` without the two people in it:
nobody is judged by what was fitted to them. A call ends when somebody got the floor, or has finished and the agent
has gone on.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from echoless.ears.doorstep import Who
from echoless.ears.ears import Ears
from echoless.ears.guard import EchoGuard
from echoless.ears.recognisers.fake import FakeRecogniser
from echoless.ears.turn_end import FakeTurnEnd
from echoless.ears.voiceprint import IN_CALL, ME, Encoder, Spoken, WhoSpeaks, similarity
from echoless.frames import RATE, Event, Samples
from echoless.house import own_voice
from echoless.mind.scripted import FunctionMind
from echoless.rooms.cast import drawn, levelled, open_named, voices
from echoless.rooms.line import RoomLine
from echoless.rooms.people import People, Recording
from echoless.rooms.script import Script, parse
from echoless.rooms.virtual import VirtualMeter, run_virtual
from echoless.talk import Call, Manners
from echoless.voice.door import Voice
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
AFTER = 2.5
"""Seconds of silence after which a call is over."""
NEAREST = 8
"""Pairs of a person and a voice of the agent's that `near` draws from."""
TRAIL = ("reason", "nearest", "similarity", "threshold", "speech_seconds", "voiced", "free")


@dataclass(frozen=True, slots=True)
class Task:
    """Which call: its number within its kind and seed, and which door it is held with (`gate.DOORS`)."""

    seed: int
    kind: str
    number: int
    door: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """One call. `stopped`: somebody got the floor; `reasons`: of those who did not; `cost`: share of a core;
    `trail`: what was decided when, by which evidence."""

    seed: int
    kind: str
    number: int
    door: str
    host: str
    speaker: str
    voice: str
    echo_db: int
    stopped: bool
    ducks: int
    reasons: tuple[str, ...]
    nearest: str
    cost: float
    trail: tuple[dict[str, Any], ...]


class Gate:
    """The people, and the calls that are held with them. Raises ScriptError where there are no recordings.

    `near`: only for calls in which the agent's own voice is told from others; its limits are a call's usual ones.
    """

    def __init__(self, people: People, tell: Callable[[str], None] = lambda what: None, near: bool = False) -> None:
        encoder = Encoder()
        self.trials = {} if near else room_trials(people, tell)
        speech, heard = who_is_who(people)
        self.everybody = list(heard)
        self.known = {n: encoder.embed(each) if near else across(each, encoder.embed) for n, each in speech.items()}
        used: set[Path] = set()
        for name in self.known:
            mine = [r for r in people.recordings if r.speaker == name]
            used |= {r.path for r in mine[: len(mine) - len(heard[name])]}
        fit = [r for r in people.recordings if r.seconds >= 1.5 and r.path not in used and "+" not in r.speaker]
        self.mine = [r for r in fit if r.speaker in self.known]
        self.others = [r for r in fit if r.folder in (*KNOWN, *STRANGERS) and r.speaker]
        self.near = self._nearest() if near else []

    def _nearest(self) -> list[tuple[str, str, float]]:
        """The `NEAREST` pairs of a person and a voice that the agent may have, and how alike they are."""
        pairs = []
        for name in voices("en"):
            voice = open_named(name, "en")
            mine = own_voice(voice)
            voice.close()
            if mine is not None:
                pairs += [(person, name, similarity(mine, each)) for person, each in self.known.items()]
        return sorted(pairs, key=lambda pair: -pair[2])[:NEAREST]

    def hold(self, task: Task) -> Outcome:
        """One call of a kind: `enrolled`, `stranger`, `near` or `nobody`."""
        draw = random.Random(f"gate {task.seed} {task.kind} {task.number}")
        seed = draw.randrange(1 << 30)
        known, name = dict(self.known), drawn("en", seed).name
        if task.kind == "near":
            host, name, _ = draw.choice(self.near)
            talker = draw.choice([r for r in self.mine if r.speaker == host])
        else:
            talker = draw.choice(self.mine if task.kind == "enrolled" else self.others)
            if task.kind == "stranger":
                known.pop(talker.speaker, None)
            host = talker.speaker if task.kind == "enrolled" else draw.choice(sorted(known))
        script = _script(draw, None if task.kind == "nobody" else talker)
        voice = levelled(drawn("en", seed).open("en") if task.kind != "near" else open_named(name, "en"))
        needed = limits(self.trials, host, talker.speaker, names=self.everybody) if self.trials else IN_CALL
        people = {} if task.door == "own-voice" else {host: known[host]}
        who = Doors(task.door, WhoSpeaks(people, own_voice(voice), only_enrolled=True, limits=needed))
        events, length = run_virtual(_call(script, seed, voice, who))
        speaker = "" if task.kind == "nobody" else talker.speaker
        return _outcome(
            task, host, speaker, name, int(script.room.echo_db), events, who.spent / length if length else 0.0
        )


@dataclass(slots=True)
class Doors:
    """Who may come in: with `enrolled` whoever is known; with `own-voice` everybody but the agent; with `open` all."""

    door: str
    knows: WhoSpeaks
    spent: float = field(default=0.0)
    """Seconds of a core."""

    @property
    def only_enrolled(self) -> bool:
        return self.door != "open"

    def who(self, sound: Samples) -> Spoken:
        begun = time.thread_time()
        spoken = self.knows.who(sound)
        self.spent += time.thread_time() - begun
        if self.door == "own-voice" and spoken.name != ME:
            return Spoken("somebody", spoken.nearest, spoken.similarity, spoken.threshold, spoken.seconds, sure=True)
        return spoken


def _script(draw: random.Random, talker: Recording | None) -> Script:
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


async def _call(script: Script, seed: int, voice: Voice, who: Who) -> tuple[list[Event], float]:
    line, meter = RoomLine(script, seed), VirtualMeter("fixed")
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
    return events, line.seconds


def _finished(line: RoomLine, seconds: float) -> bool:
    """Whether the talker has been silent for so long that everything is decided."""
    began = line.fired[0]
    return began is not None and seconds > (began + len(line.voices[0].dry)) / RATE + AFTER


def _won(events: list[Event]) -> bool:
    """Whether somebody got the floor."""
    return any(e.event == "agent.stopped" and e.data["reason"] == "interrupted" for e in events) or any(
        e.event == "user.said" for e in events
    )


def _outcome(
    task: Task, host: str, speaker: str, voice: str, echo_db: int, events: list[Event], cost: float
) -> Outcome:
    trail = tuple(
        {"t": round(e.t, 2), "event": e.event}
        | {k: v for k, v in {**e.data, **e.data.get("evidence", {})}.items() if k in TRAIL}
        for e in events
        if e.event in ("user.started", "user.rejected", "user.said", "agent.stopped")
    )
    looked = [str(each["nearest"]) for each in trail if "nearest" in each]
    return Outcome(
        **{name: getattr(task, name) for name in Task.__slots__},
        host=host,
        speaker=speaker,
        voice=voice,
        echo_db=echo_db,
        stopped=_won(events),
        ducks=sum(e.event == "agent.ducked" for e in events),
        reasons=tuple(str(e.data["reason"]) for e in events if e.event == "user.rejected"),
        nearest=looked[-1] if looked else "",
        cost=cost,
        trail=trail,
    )
