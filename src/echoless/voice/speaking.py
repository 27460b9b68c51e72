"""Sentences of a reply → sound in the playback, one sentence ahead of what is being heard."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from functools import partial

import numpy as np

from echoless.frames import Chunk
from echoless.meter import Meter
from echoless.voice.door import Voice, VoiceError
from echoless.voice.normalise import normalise
from echoless.voice.playback import Playback
from echoless.voice.speakable import Speakable

Trouble = Callable[[str, str, str], None]
"""Told (part, what happened, what was done about it): the keys of a `failure` in the call record."""

_AHEAD = 4.0  # seconds of sound, beyond one sentence, that may wait behind what is being said


class Speaker:
    """Speaks through `voice` into `playback`; a voice that fails is replaced once, by what `fallback` makes.

    `deadline` is in seconds of audio time for one chunk. A sentence is said within the task that awaits `say`:
    cancelling it stops the synthesis.
    """

    def __init__(
        self,
        voice: Voice,
        playback: Playback,
        meter: Meter,
        fallback: Callable[[], Voice] | None = None,
        on_trouble: Trouble | None = None,
        deadline: float = 15.0,
    ) -> None:
        self.voice = voice
        self.playback = playback
        self.meter = meter
        self.on_trouble = on_trouble
        self._fallback = fallback
        self._part = "speak"
        self._deadline = round(deadline * playback.rate)
        self._due = 0
        self._step: asyncio.Future[Chunk] | None = None
        self._overdue = False
        self._taken = asyncio.Event()
        playback.on_take = self._on_take

    async def say(self, generation: int, sentence: str) -> bool:
        """Queue a sentence of a reply, as soon as there is room. False where its generation is over.

        Raises VoiceError when neither the voice nor its replacement can speak.
        """
        text = normalise(sentence, self._language(sentence))
        if not await self._room(generation):
            return False
        while text.original:
            try:
                await self._speak(generation, text)
                break
            except VoiceError as error:
                rest = self._break_off(generation, text)
                await self._replace(error)
                text = normalise(rest, self._language(rest))
        return self.playback.admits(generation)

    async def finish(self, generation: int) -> bool:
        """The reply has no more sentences. False where its generation is over."""
        return self.playback.finish(generation)

    def close(self) -> None:
        """Let go of the voice."""
        self.voice.close()

    def _language(self, text: str) -> str:
        """What `text` will be said in: a voice that knows several languages tells."""
        tell = getattr(self.voice, "language_of", None)
        return tell(text) if tell else self.voice.traits.language

    async def _room(self, generation: int) -> bool:
        while self.playback.admits(generation):
            other = generation != self.playback.generation
            if other or not self.playback.sentences_ahead or self.playback.queued < _AHEAD:
                return True
            self._taken.clear()
            await self._taken.wait()
        return False

    async def _speak(self, generation: int, text: Speakable) -> None:
        rate = self.voice.traits.rate
        if text.spoken.strip():
            async with contextlib.aclosing(self._chunks(text.spoken)) as chunks:
                async for chunk in chunks:
                    rate = chunk.rate
                    if not self._queue(generation, text, chunk):
                        return
        self._queue(generation, text, Chunk(np.zeros(0, np.float32), rate, ()), last=True)

    def _queue(self, generation: int, text: Speakable, chunk: Chunk, last: bool = False) -> bool:
        try:
            return self.playback.say(generation, text, chunk, last)
        except ValueError as error:
            raise VoiceError(f"the voice {self.voice.traits.name} is broken: {error}") from None

    async def _chunks(self, spoken: str) -> AsyncGenerator[Chunk, None]:
        """What the voice makes, each chunk within the deadline; whatever goes wrong is a VoiceError."""
        source = self.meter.stream(self._part, partial(self.voice.speak, spoken))
        try:
            while True:
                self._due = self.playback.position + self._deadline
                self._step = asyncio.ensure_future(anext(source))  # type: ignore[arg-type]
                try:
                    yield await self._step
                except StopAsyncIteration:
                    return
        except asyncio.CancelledError:
            self._abort()
            task = asyncio.current_task()
            if not self._overdue or (task and task.cancelling()):
                raise
            self._overdue, self._part = False, "speak.fallback"  # the worker of the old part may hang for good
            raise VoiceError(f"the voice {self.voice.traits.name} made no sound in time") from None
        except VoiceError:
            raise
        except Exception as error:
            name = self.voice.traits.name
            raise VoiceError(f"the voice {name} failed: {type(error).__name__}: {error}") from None
        finally:
            self._step = None
            with contextlib.suppress(Exception):
                await source.aclose()  # type: ignore[attr-defined]

    def _break_off(self, generation: int, text: Speakable) -> str:
        """End a sentence where its sound ends; the part of the text that was not synthesised."""
        done = self.playback.break_off(generation)
        return text.original[done:] if self.playback.admits(generation) else ""

    async def _replace(self, error: VoiceError) -> None:
        if self._fallback is None:
            raise error
        make, self._fallback = self._fallback, None
        with contextlib.suppress(Exception):
            self.voice.close()
        try:
            self.voice = await self.meter.run(self._part, make)
        except VoiceError as second:
            raise VoiceError(f"{error}; and in its place: {second}") from None
        if self.on_trouble:
            self.on_trouble("voice", str(error), "degraded")

    def _abort(self) -> None:
        abort = getattr(self.voice, "abort", None)
        if abort:
            abort()

    def _on_take(self) -> None:
        self._taken.set()
        if self._step and not self._step.done() and self.playback.position > self._due:
            self._overdue = True
            self._step.cancel()
