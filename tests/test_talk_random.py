"""The wired call under random orders of events: what is heard is always the reply that has the floor, nothing else.

Each reply is spoken as a tone of its own pitch, so that the loudspeaker itself tells which reply it plays.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from echoless.ears.ears import Ears
from echoless.ears.recognisers.fake import FakeRecogniser
from echoless.ears.turn_end import FakeTurnEnd
from echoless.frames import Chunk, Event, Samples, Turn
from echoless.lines.fake import ScriptedLine
from echoless.mind.door import MindError, MindTraits
from echoless.rooms.virtual import VirtualMeter, run_virtual
from echoless.talk import Call, Manners
from echoless.voice.door import VoiceTraits
from echoless.voice.playback import Playback
from echoless.voice.speaking import Speaker
from tests.test_talk import RATE, LoudIsNear, quiet, talk

LOWEST, STEP = 200.0, 25.0
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


class PitchVoice:
    """Says "reply two five" as half a second of the tone of reply 25; what is not a reply is a low hum."""

    traits = VoiceTraits("pitch", RATE)

    def speak(self, text: str) -> Iterator[Chunk]:
        digits = [str(WORDS.index(word)) for word in text.lower().strip(".").split() if word in WORDS]
        pitch = LOWEST + STEP * int("".join(digits)) if digits else 100.0
        for _ in range(5):
            at = np.arange(RATE // 10) / RATE
            yield Chunk((0.3 * np.sin(2 * np.pi * pitch * at)).astype(np.float32), RATE, ())

    def close(self) -> None: ...


class NumberedMind:
    """Its n-th reply says its number, three times over, slowly or not at all."""

    traits = MindTraits("numbered", prefills=True)

    def __init__(self, delays: Sequence[float]) -> None:
        self.delays = delays
        self.replies = 0
        self.running = 0

    async def reply(self, turns: Sequence[Turn]) -> AsyncIterator[str]:
        self.replies += 1
        number = " ".join(WORDS[int(digit)] for digit in str(self.replies))
        delay = self.delays[self.replies % len(self.delays)]
        self.running += 1
        try:
            for _ in range(3):
                await asyncio.sleep(delay)
                if delay > 0.9:
                    raise MindError("gone")
                yield f"Reply {number}. "
        finally:
            self.running -= 1

    async def prefill(self, turns: Sequence[Turn]) -> None:
        await asyncio.sleep(0.3)

    async def aclose(self) -> None: ...


ACTS = st.one_of(
    st.tuples(st.just("talk"), st.floats(0.1, 1.5)),
    st.tuples(st.just("quiet"), st.floats(0.05, 3.0)),
    st.tuples(st.sampled_from(["type", "stop", "mute", "unmute", "press", "release"]), st.just(0.016)),
)
TEXTS = st.lists(st.sampled_from(["hello there", "uh-huh", "", "stop", "what do you mean"]), min_size=1, max_size=6)


def pitch(sound: Samples) -> float:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 8 * len(sound)))
    return float(np.argmax(spectrum)) * RATE / (8 * len(sound))


def floor_holders(events: Sequence[Event]) -> Iterator[tuple[float, float, int]]:
    """(from, to, generation) of each stretch in which a reply had the floor."""
    begun: dict[int, float] = {}
    for event in events:
        if event.event == "agent.started":
            begun[event.data["generation"]] = event.t
        elif event.event == "agent.stopped" and event.data["generation"] in begun:
            yield begun.pop(event.data["generation"]), event.t, event.data["generation"]


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    acts=st.lists(ACTS, min_size=3, max_size=14),
    texts=TEXTS,
    delays=st.lists(st.sampled_from([0.0, 0.05, 0.4, 1.2]), min_size=1, max_size=4),
    finished=st.sampled_from([0.1, 0.6, 0.98]),
)
def test_only_the_reply_that_has_the_floor_is_heard(
    acts: list[tuple[str, float]], texts: list[str], delays: list[float], finished: float
) -> None:
    mind = NumberedMind(delays)
    meter = VirtualMeter("fixed")
    playback = Playback(RATE, 256)
    recogniser = FakeRecogniser(lambda sound: texts[len(recogniser.heard) % len(texts)])
    ears = Ears(LoudIsNear(), recogniser, FakeTurnEnd(finished), meter, language="en")
    questions: dict[int, int] = {}

    def script() -> Iterator[Samples]:
        for act, length in acts:
            match act:
                case "type":
                    call.type("typed words")
                case "stop":
                    call.stop()
                case "mute" | "unmute":
                    call.mute(act == "mute")
                case "press" | "release":
                    call.push_to_talk(act == "press")
            yield talk(length) if act == "talk" else quiet(length)
        call.push_to_talk(False)
        yield quiet(2)

    line = ScriptedLine(script())
    speaker = Speaker(PitchVoice(), playback, meter)
    call = Call(line, ears, mind, speaker, playback, meter, manners=Manners(linger=5))
    events: list[Event] = []

    def note(event: Event) -> None:
        events.append(event)
        if event.event == "agent.thinking":
            questions[event.data["generation"]] = len(questions) + 1

    call.subscribe(note)

    async def main() -> None:
        await line.open()
        await call.run()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others, "a call leaves no task behind"

    run_virtual(main())
    assert mind.running == 0
    assert not [event for event in events if event.event == "failure" and event.data["part"] == "floor"]
    holders = list(floor_holders(events))
    played = line.played
    allowed = np.zeros(len(played), bool)
    for begun, ended, generation in holders:
        a, b = round((begun - 0.05) * RATE), round((ended + 0.06) * RATE)
        allowed[max(0, a) : b] = True
        for at in range(round(begun * RATE), round(ended * RATE) - 1600, 1600):
            window = played[at : at + 1600]
            if generation in questions and np.abs(window).min(initial=1.0) < 1e-9 and np.abs(window).max() < 0.05:
                continue
            if np.sqrt(np.mean(window**2)) > 0.15:
                heard = pitch(window)
                own = LOWEST + STEP * questions.get(generation, 0)
                assert abs(heard - own) < STEP / 2 or heard < 120, (heard, own, generation)
    assert not np.abs(played[~allowed]).max(initial=0.0) > 0.01, "sound outside any reply that has the floor"
    says = [event.data["generation"] for event in events if event.event == "agent.said"]
    assert says == sorted(set(says)), "each reply ends once, in order"
