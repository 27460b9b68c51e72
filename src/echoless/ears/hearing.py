"""What is said, who says it, whether it sounds finished: asked of the engines, in the call's workers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from echoless.ears.backchannel import Said, kind
from echoless.ears.door import Recogniser, RecogniserError, TurnEnd
from echoless.ears.doorstep import Doorstep
from echoless.ears.evidence import Bands
from echoless.ears.heeded import Trouble
from echoless.ears.leaning import Leaning, leaning
from echoless.ears.manner import manner
from echoless.ears.polish import polished
from echoless.ears.turn import Known, Wish
from echoless.ears.turn_end import UNHEARD
from echoless.frames import RATE, Samples
from echoless.meter import Meter

DEADLINE = 6.0
"""Seconds that recognising may take."""
_CLEAREST = (Said.STOP, Said.BACKCHANNEL, Said.CONTENT, Said.NOTHING)
"""Of two hearings of one short word, the kind that is believed: what is on a list is seldom there by chance."""


class Hearing:
    """The engines behind the ears. `reopen` makes another recogniser for one that hangs; `on_recognising` is called
    before each recognition."""

    def __init__(
        self,
        recogniser: Recogniser,
        turn_end: TurnEnd,
        meter: Meter,
        doorstep: Doorstep,
        language: str | None = None,
        on_recognising: Callable[[], None] | None = None,
        reopen: Callable[[], Recogniser] | None = None,
    ) -> None:
        self.recogniser = recogniser
        self.turn_end = turn_end
        self._meter = meter
        self._doorstep = doorstep
        self._language = language
        self._on_recognising = on_recognising
        self._reopen = reopen
        self._part = "recognise"
        self._told: list[Trouble] = []

    async def recognise(self, wish: Wish, soon: Callable[[Known], None] = lambda known: None) -> Known:
        """What is said in `wish`; a recogniser that fails gets, or its successor gets, a second try. `soon` is told the
        words of a pause where the voice's answer takes longer."""
        if wish.again:
            return await self._look(wish, wish.again)
        if self._on_recognising:
            self._on_recognising()
        for once_more in (True, False):
            known = Known(wish)
            try:
                async with asyncio.timeout(DEADLINE):
                    await self._understand(known, soon)
                return known
            except RecogniserError as error:
                self._tell(str(error), "retried" if once_more else "gave_up")
            except TimeoutError:
                if not await self._replace():
                    break
        known.failed = True
        return known

    def abort(self) -> None:
        """Give up what is being recognised, where the recogniser can: something more urgent waits."""
        if abort := getattr(self.recogniser, "abort", None):
            abort()

    async def _understand(self, known: Known, soon: Callable[[Known], None]) -> None:
        """Fill in words, manner, speaker and, of a pause, whether the turn is complete. Raises RecogniserError."""
        if known.wish.pause is None:
            return await self._read(known)
        if known.wish.short:  # the agent holds its breath for these words: nothing beside them
            await self._read(known)
        sounding = asyncio.ensure_future(self._sound(known.wish))
        try:
            if not known.wish.short:
                await self._read(known)
            if not known.text:
                return
            if not sounding.done():
                by_words = self.turn_end.finished(UNHEARD, known.text, self._language)
                soon(replace(known, finished=by_words, voiced=False))
            known.finished = self.turn_end.finished(await sounding, known.text, self._language)
        finally:
            sounding.cancel()

    async def _read(self, known: Known) -> None:
        """Fill in words, manner and speaker. Raises RecogniserError."""
        wish = known.wish
        known.text, clear, known.leaning = await self._words(wish)
        known.manner = manner(clear[wish.word :]) if known.text and wish.pause is not None else None
        who = self._doorstep.who
        if who and self._doorstep.wants(wish.pause is not None, len(wish.voice)):
            known.spoken = await self._meter.run("voiceprint", partial(who.who, wish.voice))

    async def _words(self, wish: Wish) -> tuple[str, Samples, Leaning | None]:
        """What is said, its sound without what is left of the echo, and what a short word over the agent leans to.

        Where the recogniser cannot say that, the word is heard twice, so and as it came: either way something of it may
        be lost. That goes for nods as well: "wait" and "stop" are easily heard as "yes" and "uh" at first.
        """
        hear = partial(self._hear, wish.sound, wish.left, wish.short, over=wish.pause is not None)
        text, clear, leans = await self._meter.run(self._part, hear)
        once = leans or wish.pause is None or kind(text, self._language) is Said.STOP
        if once or not wish.short:
            return text, clear, leans
        again, _, _ = await self._meter.run(self._part, partial(self._hear, wish.sound[wish.word :]))
        return min(text, again, key=lambda each: _CLEAREST.index(kind(each, self._language))), clear, None

    def _hear(
        self, sound: Samples, left: Sequence[Bands | None] = (), short: bool = False, over: bool = True
    ) -> tuple[str, Samples, Leaning | None]:
        """A word that is not `over` yet is asked for what it leans to only where it would stop the agent at once."""
        clear = polished(sound, left)
        last = clear[-30 * RATE :]
        text = self.recogniser.transcribe(last, self._language).text.strip()
        asked = short and text and (over or kind(text, self._language) is Said.STOP)
        return text, clear, leaning(self.recogniser, last) if asked else None

    async def _look(self, wish: Wish, known: Known) -> Known:
        """What is known, with what the voice says now; as it was where that takes too long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DEADLINE):
                finished = self.turn_end.finished(await self._sound(wish), known.text, self._language)
                return replace(known, wish=wish, finished=finished)
        return known

    async def _sound(self, wish: Wish) -> float:
        """How finished the voice sounds."""
        return await self._meter.run("turn_end", partial(self.turn_end.sounds_finished, wish.sound))

    async def _replace(self) -> bool:
        """Leave a recogniser that hangs in its worker, which nobody can end, and go on with another; whether it can."""
        what = f"the recogniser gave no answer in {DEADLINE:.0f} s"
        if self._reopen is None:
            self._tell(what, "gave_up")
            return False
        self._meter.retire(self._part, self.recogniser.close)
        self._part = f"recognise.{int(self._part.partition('.')[2] or 1) + 1}"
        try:
            self.recogniser = await self._meter.run(self._part, self._reopen)
        except RecogniserError as error:
            self._tell(f"{what}; and another: {error}", "gave_up")
            return False
        self._tell(what, "restarted")
        return True

    def _tell(self, what: str, action: str) -> None:
        self._told.append(Trouble("recogniser", what, action))

    def troubles(self) -> list[Trouble]:
        """What failed since this was last asked."""
        told, self._told = self._told, []
        return told

    def close(self) -> None:
        """Let go of the engines."""
        self.recogniser.close()
        self.turn_end.close()
