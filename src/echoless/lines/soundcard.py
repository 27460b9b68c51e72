"""A call over this machine's sound card.

Callbacks copy samples into rings (`card`, `rings`), the call takes them out in blocks of 16 ms, and `align` says
which part of what was played goes with each. Where one piece of hardware does both directions there is one
full-duplex stream, else there are two, aligned by their converters' time stamps.

A sound card is other people's: it can be missing, busy, pulled out, or hang. Whatever may block runs in a daemon
thread with a deadline; a card that falls silent for two seconds is closed and opened again until it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from echoless.frames import RATE, Block, Samples
from echoless.lines.card import Card
from echoless.lines.door import LineError, LineTraits, checked

T = TypeVar("T")
_STUCK = 10.0
"""Seconds that opening may take."""


@dataclass(frozen=True, slots=True)
class Health:
    """What went wrong so far. `dropped`: samples of the agent's speech that were not played to catch up."""

    underruns: int = 0
    overflows: int = 0
    dropped: int = 0
    jumps: int = 0
    reopened: int = 0


class SoundCardLine:
    """The loudspeaker and the microphone of this machine.

    Devices are indices, names or unique parts of names (None: the default). `latency` is what PortAudio is asked
    for, in seconds each way. `on_trouble` hears one line for each loss and return of the card. Audio time stands
    still while it is away, the block after it says in `lost` for how long; after `patience` seconds the far end
    counts as gone. With `monitor`, other sound of this machine (music, a video) joins the reference where a sound
    server offers it; off by default, since on a busy machine it made the reference late (docs/log/lines.md).
    Raises LineError from `open`.
    """

    def __init__(
        self,
        device_in: int | str | None = None,
        device_out: int | str | None = None,
        *,
        rate: int | None = None,
        latency: float = 0.03,
        monitor: bool = False,
        patience: float = 600.0,
        on_trouble: Callable[[str], None] = lambda line: None,
    ) -> None:
        if rate is not None and (rate < RATE or rate % 1000):
            raise LineError(f"A sound card cannot be used at {rate} Hz: a multiple of 1000 from 16000 on is needed.")
        self._make = lambda rate: Card(device_in, device_out, rate, latency, monitor)
        self._traits = LineTraits("sound card", rate=rate or 48_000)
        self._asked_rate, self._patience, self._on_trouble = rate, patience, on_trouble
        self._card: Card | None = None
        self._closed = True
        self._past = Health()
        self._index = self._lost = 0
        self._came = asyncio.Event()

    @property
    def traits(self) -> LineTraits:
        """Known for good after `open`."""
        return self._traits

    @property
    def health(self) -> Health:
        past, card = self._past, self._card
        if card is None:
            return past
        return replace(
            past,
            underruns=past.underruns + card.playback.underruns,
            overflows=past.overflows + card.capture.overflows,
            dropped=past.dropped + card.playback.dropped,
            jumps=past.jumps + card.reader.jumps,
        )

    async def open(self) -> None:
        self._closed = False
        try:
            await self._start(self._asked_rate)
        except BaseException:
            self._closed = True
            raise

    async def _start(self, rate: int | None) -> None:
        card = await _bounded(lambda: self._make(rate), _STUCK, too_late=Card.close)
        if self._closed:  # while it was opening
            await _bounded(card.close, 3.0)
            raise LineError("The call has ended.")
        self._card = card
        self._traits = LineTraits("sound card", rate=card.rate, latency=card.latency)

    async def exchange(self, loudspeaker: Samples) -> Block | None:
        out = checked(loudspeaker, self._traits)
        if self._closed:
            return None
        await asyncio.sleep(0)  # while catching up there is no other wait, and others want their turn
        if self._card is not None:
            self._card.push(out)
        while (card := self._card) is None or not card.ready:
            if self._closed or ((card is None or not card.alive) and not await self._back()):
                return None
            await self._more()
        microphone, reference, lost = card.take()
        block = Block(self._index, microphone, reference, lost + self._lost)
        self._index += 1
        self._lost = 0
        return block

    async def _more(self) -> None:
        """Until there is a block, or something may be wrong."""
        card, loop, came = self._card, asyncio.get_running_loop(), self._came
        if card is None:
            return

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has been closed
                loop.call_soon_threadsafe(came.set)

        came.clear()
        card.when_ready(wake)
        try:
            if not card.ready:
                await asyncio.wait_for(came.wait(), 0.25)
        except TimeoutError:
            pass
        finally:
            card.when_ready(None)

    async def _back(self) -> bool:
        """The card is gone: wait for it. False when patience or the call ended first."""
        gone_at = self._card.seen if self._card is not None else time.monotonic()
        self._on_trouble("The sound card is gone: waiting for it to come back.")
        await self._let_go()
        pause = 0.25
        while not self._closed and time.monotonic() - gone_at < self._patience:
            try:
                await self._start(self._traits.rate)
            except LineError:
                await asyncio.sleep(pause)
                pause = min(2 * pause, 4.0)
                continue
            self._lost += round((time.monotonic() - gone_at) * RATE)
            self._past = replace(self._past, reopened=self._past.reopened + 1)
            self._on_trouble("The sound card is back.")
            return True
        if not self._closed:
            self._on_trouble("The sound card did not come back.")
        await self.aclose()
        return False

    def flush(self) -> int:
        return self._card.flush() if self._card is not None else 0

    async def aclose(self) -> None:
        self._closed = True
        self._came.set()
        await self._let_go()

    async def _let_go(self) -> None:
        self._past, card, self._card = self.health, self._card, None
        if card is not None:
            with contextlib.suppress(LineError):  # it hangs: its daemon thread is left to itself
                await _bounded(card.close, 3.0)


async def _bounded(work: Callable[[], T], seconds: float, too_late: Callable[[T], None] | None = None) -> T:
    """The result of blocking work in a daemon thread of its own: it can hang neither the call nor the exit.

    A result that nobody waits for any more goes to `too_late`. Raises LineError after `seconds`.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def deliver(result: T | None, error: BaseException | None) -> None:
        if not done.done():
            done.set_exception(error) if error is not None else done.set_result(result)  # type: ignore[arg-type]
        elif error is None and too_late is not None:
            threading.Thread(target=too_late, args=(result,), daemon=True).start()

    def run() -> None:
        outcome: tuple[Any, BaseException | None]
        try:
            outcome = (work(), None)
        except BaseException as e:
            outcome = (None, e)
        try:
            loop.call_soon_threadsafe(deliver, *outcome)
        except RuntimeError:  # the loop has been closed
            if outcome[1] is None and too_late is not None:
                too_late(outcome[0])

    threading.Thread(target=run, name="echoless-sound-card", daemon=True).start()
    try:
        return await asyncio.wait_for(done, seconds)
    except TimeoutError as e:
        raise LineError(f"The sound card did not answer within {seconds:.0f} s: unplug it, or pick another.") from e
