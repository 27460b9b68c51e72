"""From sentences to sound: one ahead, cancelled at once, and a voice that fails is replaced."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from echoless.frames import Chunk
from echoless.meter import LiveMeter
from echoless.voice.door import VoiceError, VoiceTraits
from echoless.voice.fake import FakeVoice
from echoless.voice.playback import Heard, Playback, ReplyEnded
from echoless.voice.speaking import Speaker

RATE, BLOCK = 16_000, 256


class Scripted(FakeVoice):
    """The fake voice, with something to happen at a given chunk of a given text."""

    def __init__(self, at: int = 0, happens=None) -> None:
        super().__init__()
        self.said: list[str] = []
        self.closed = 0
        self.aborted = 0
        self._at, self._happens = at, happens

    def speak(self, text):
        self.said.append(text)
        try:
            for index, chunk in enumerate(super().speak(text)):
                if self._happens and index == self._at:
                    self._happens()
                yield chunk
        finally:
            self.closed += 1

    def abort(self) -> None:
        self.aborted += 1


def fails(error: Exception):
    def happen() -> None:
        raise error

    return happen


@pytest.fixture
async def meter():
    meter = LiveMeter()
    yield meter
    await meter.aclose()


async def drain(playback: Playback, speaking: asyncio.Task | None = None) -> Heard:
    """Take blocks until the reply has ended."""
    for _ in range(100_000):
        while speaking and not speaking.done() and playback.queued < 1:
            await asyncio.sleep(0.001)  # a real voice has a second for this
        playback.take()
        for event in playback.events():
            if isinstance(event, ReplyEnded):
                return event.heard
        await asyncio.sleep(0)
        if speaking and speaking.done():
            speaking.result()
    raise AssertionError("the reply does not end")


async def test_a_reply_is_spoken_normalised_and_heard_as_written(meter):
    voice, playback = Scripted(), Playback(RATE, BLOCK)
    speaker = Speaker(voice, playback, meter)
    assert await speaker.say(1, "I have **23** cats. 🙂")
    assert await speaker.say(1, "🙂")
    await speaker.finish(1)
    assert await drain(playback) == Heard(1, "I have **23** cats. 🙂 🙂", "")
    assert voice.said == ["I have twenty three cats. "] and voice.closed == 1
    assert [word.text for word in playback.words()] == ["I", "have", "twenty", "three", "cats."]


async def test_it_works_only_a_little_ahead_of_what_is_heard(meter):
    voice, playback = Scripted(), Playback(RATE, BLOCK)
    speaker = Speaker(voice, playback, meter)
    sentence = "one two three four five six seven eight nine ten eleven twelve."

    async def reply() -> None:
        for _ in range(5):
            await speaker.say(1, sentence)
        await speaker.finish(1)

    speaking = asyncio.create_task(reply())
    while len(voice.said) < 2 or playback.queued < 6:
        await asyncio.sleep(0.001)
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(voice.said) == 2
    heard = await drain(playback, speaking)
    assert len(voice.said) == 5 and heard.unheard == "" and playback.starved == 0


async def test_cancelling_stops_the_synthesis_and_the_next_reply_is_whole(meter):
    begun, go = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        go.wait(10)

    voice, playback = Scripted(2, hold), Playback(RATE, BLOCK)
    speaker = Speaker(voice, playback, meter)
    speaking = asyncio.create_task(speaker.say(1, "one two three four five six"))
    while not begun.is_set():
        await asyncio.sleep(0.001)
    speaking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await speaking
    assert voice.aborted == 1 and playback.stop().unheard == "one two three four five six"
    go.set()
    assert await speaker.say(2, "seven eight") and await speaker.finish(2)
    assert await drain(playback) == Heard(2, "seven eight", "") and voice.closed == 2


async def test_a_reply_that_is_over_is_not_spoken(meter):
    voice, playback = Scripted(), Playback(RATE, BLOCK)
    speaker = Speaker(voice, playback, meter)
    await speaker.say(3, "hello")
    playback.stop()
    assert not await speaker.say(3, "late") and not await speaker.finish(3)
    assert voice.said == ["hello"]


@pytest.mark.parametrize(
    "error", [VoiceError("it broke"), RuntimeError("native trouble"), MemoryError()], ids=lambda e: type(e).__name__
)
async def test_a_voice_that_fails_is_replaced_and_nothing_is_said_twice(meter, error):
    bad, good, told = Scripted(2, fails(error)), Scripted(), []
    playback = Playback(RATE, BLOCK)
    speaker = Speaker(bad, playback, meter, lambda: good, lambda *what: told.append(what))
    await speaker.say(1, "one two three four")
    await speaker.say(1, "five six")
    await speaker.finish(1)
    assert await drain(playback) == Heard(1, "one two three four five six", "")
    assert good.said == ["three four", "five six"] and speaker.voice is good
    assert [(part, action) for part, _, action in told] == [("voice", "degraded")]
    assert [word.text for word in playback.words()] == ["one", "two", "three", "four", "five", "six"]


async def test_two_voices_that_fail_are_one_clear_error(meter):
    playback = Playback(RATE, BLOCK)
    speaker = Speaker(Scripted(0, fails(VoiceError("first"))), playback, meter)
    with pytest.raises(VoiceError, match="first"):
        await speaker.say(1, "hello there")
    replaced = Speaker(
        Scripted(0, fails(VoiceError("first"))), playback, meter, lambda: Scripted(0, fails(VoiceError("second")))
    )
    with pytest.raises(VoiceError, match="second"):
        await replaced.say(2, "hello there")


async def test_a_voice_that_hangs_is_left_behind_after_the_deadline_in_audio_time(meter):
    go = threading.Event()
    hung, good, told = Scripted(1, lambda: go.wait(30)), Scripted(), []
    playback = Playback(RATE, BLOCK)
    speaker = Speaker(hung, playback, meter, lambda: good, lambda *what: told.append(what), deadline=2.0)
    speaking = asyncio.create_task(speaker.say(1, "one two three"))
    while not told:
        playback.take()
        await asyncio.sleep(0.0005)
    assert await speaking and good.said == ["two three"] and "in time" in told[0][1]
    assert playback.position / RATE >= 2.0
    go.set()


async def test_a_voice_that_breaks_its_contract_is_a_voice_error(meter):
    class Broken(FakeVoice):
        def speak(self, text):
            yield Chunk(np.ones(500, np.float32), 16_000)
            yield Chunk(np.ones(500, np.float32), 44_100)

    speaker = Speaker(Broken(), Playback(RATE, BLOCK), meter)
    with pytest.raises(VoiceError, match="broken"):
        await speaker.say(1, "hello")
    assert isinstance(speaker.voice.traits, VoiceTraits)
