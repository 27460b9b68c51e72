"""A call over two WAV files: what the user said goes in, what the agent said comes out."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

from echoless.frames import BLOCK, BLOCK_SECONDS, RATE, Block, Samples
from echoless.lines.door import LineError, LineTraits, checked
from echoless.lines.resample import Resampler, to_ears
from echoless.lines.wav import WavReader, WavWriter

_LINE_RATES = (16_000, 24_000, 32_000, 48_000)


def line_rate(file_rate: int) -> int:
    """The loudspeaker side's rate for a file: the next one up, so that nothing the file can hold is lost."""
    return next((rate for rate in _LINE_RATES if rate >= file_rate), _LINE_RATES[-1])


class FileLine:
    """Microphone from a WAV, loudspeaker into a WAV of the same rate; sample 0 of both is the same moment.

    After the input's end `ended` is True and silence goes on for as long as the caller wants it. There is no room,
    hence no echo. `pace` is `real` (by the loop's clock, without drift) or `fast` (other tasks get their turn each
    block). Where the files are not at 16 kHz the ears get the reference 2 ms late, by the converter's filter.
    """

    def __init__(self, microphone: Path, loudspeaker: Path, pace: Literal["real", "fast"] = "real") -> None:
        self._in, self._out = Path(microphone), Path(loudspeaker)
        self._real = pace == "real"
        self._traits = LineTraits("files", live=self._real)
        self._reader: WavReader | None = None
        self._writer: WavWriter | None = None
        self._to_ears: Resampler = to_ears(RATE)
        self._index = 0
        self._begun: float | None = None

    @property
    def traits(self) -> LineTraits:
        """Known for good after `open`: the rate follows the file's."""
        return self._traits

    @property
    def ended(self) -> bool:
        """True once the microphone file has been heard to its end."""
        return self._reader is not None and self._reader.ended

    async def open(self) -> None:
        if self._out.exists() and self._in.exists() and self._out.samefile(self._in):
            raise LineError(f"{self._out} is both microphone and loudspeaker: name another file for the loudspeaker.")
        self._reader = WavReader(self._in, RATE)
        rate = line_rate(self._reader.source_rate)
        try:
            self._writer = WavWriter(self._out, self._reader.source_rate, rate)
        except LineError:
            self._reader.close()
            raise
        self._traits = LineTraits("files", rate=rate, live=self._real)
        self._to_ears = to_ears(rate)

    async def exchange(self, loudspeaker: Samples) -> Block | None:
        out = checked(loudspeaker, self._traits)
        await self._wait()
        if self._reader is None or self._writer is None:
            return None
        self._writer.write(out)
        block = Block(self._index, self._reader.read(BLOCK), self._to_ears(out))
        self._index += 1
        return block

    async def _wait(self) -> None:
        """Until the moment at which a sound card would have this block. Deadlines do not add up errors."""
        now = asyncio.get_running_loop().time()
        if self._begun is None:
            self._begun = now
        due = self._begun + (self._index + 1) * BLOCK_SECONDS if self._real else now
        await asyncio.sleep(max(0.0, due - now))

    def flush(self) -> int:
        return 0  # what was handed over is in the file

    async def aclose(self) -> None:
        reader, self._reader = self._reader, None
        writer, self._writer = self._writer, None
        if reader is not None:
            reader.close()
        if writer is not None:
            writer.close()
