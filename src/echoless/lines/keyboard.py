"""A conversation by keyboard: lines from a terminal, a pipe or a file, without a thread that could hang the exit."""

from __future__ import annotations

import asyncio
import codecs
import os
from collections.abc import AsyncIterator

from echoless.lines.door import LineError

LONGEST = 8_000
"""Characters of one line; what is longer comes in pieces, so that a stream without line ends stays harmless."""


async def typed(source: int = 0) -> AsyncIterator[str]:
    """The lines that come in on file descriptor `source` (standard input), stripped; empty ones are left out.

    UTF-8; what is none is replaced. Ends with Ctrl-D or the end of the pipe. Ctrl-C ends it from outside, as a
    cancellation. Nothing is read ahead of what is asked for beyond one system call. Raises LineError.
    """
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    rest, ended = "", False
    while not ended:
        data = await _read(source)
        ended = not data
        rest += decode(data, final=ended)
        *whole, rest = rest.replace("\r", "\n").split("\n")
        if len(rest) > LONGEST or ended:
            whole.append(rest)
            rest = ""
        for line in whole:
            for start in range(0, len(line), LONGEST):
                if piece := line[start : start + LONGEST].strip():
                    yield piece


async def _read(source: int) -> bytes:
    """The next bytes; none at the end. Waits in the event loop."""
    loop = asyncio.get_running_loop()
    there: asyncio.Future[None] = loop.create_future()

    def came() -> None:
        if not there.done():
            there.set_result(None)

    try:
        loop.add_reader(source, came)
    except PermissionError:  # a plain file: it never makes one wait
        await asyncio.sleep(0)
    except (OSError, ValueError, NotImplementedError) as e:
        raise LineError(f"There is no keyboard here ({e}): give the text through a pipe or a file.") from e
    else:
        try:
            await there
        finally:
            loop.remove_reader(source)
    try:
        return os.read(source, 4096)
    except BlockingIOError:  # somebody else took it
        return await _read(source)
    except OSError as e:
        raise LineError(f"The keyboard is gone: {e.strerror}.") from e
