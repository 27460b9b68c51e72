"""Server-sent events, read the careful way: no I/O, any cut of the bytes gives the same events.

The format is WHATWG HTML, section 9.2.6. Real servers stray from it: bytes that are not UTF-8, a character cut
between two packets, `error:` lines (older llama.cpp), a last event without its empty line. None of that may hurt.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass

LONGEST_EVENT = 1_000_000
"""Characters that one event may have. A server that sends more is not a server of ours."""


class SseOverflow(ValueError):
    """One event was longer than `LONGEST_EVENT`."""


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event: `name` is `message` where the server gave none, `error` for an `error:` line."""

    data: str
    name: str = "message"


class SseParser:
    """Bytes in, events out. `garbage` counts lines that were not server-sent events at all."""

    def __init__(self) -> None:
        self.garbage = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._line: list[str] = []
        self._line_length = 0
        self._data: list[str] = []
        self._data_length = 0
        self._name = "message"
        self._after_return = False

    def feed(self, data: bytes) -> list[ServerEvent]:
        """The events that these bytes complete. Raises SseOverflow."""
        return self._take(self._decoder.decode(data))

    def finish(self) -> list[ServerEvent]:
        """What the end of the stream completes: servers that die forget the last empty line."""
        events = self._take(self._decoder.decode(b"", final=True))
        if self._line:
            self._end_line(events)
        self._dispatch(events)
        return events

    def _take(self, text: str) -> list[ServerEvent]:
        events: list[ServerEvent] = []
        if text and self._after_return:
            self._after_return = False
            text = text.removeprefix("\n")
        self._after_return = text.endswith("\r") or (self._after_return and not text)
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for number, line in enumerate(lines):
            if number:
                self._end_line(events)
            if line:
                self._line.append(line)
                self._line_length += len(line)
                if self._line_length + self._data_length > LONGEST_EVENT:
                    raise SseOverflow(f"an event of more than {LONGEST_EVENT} characters")
        return events

    def _end_line(self, events: list[ServerEvent]) -> None:
        line = "".join(self._line).removeprefix("\ufeff")
        self._line.clear()
        self._line_length = 0
        if not line:
            self._dispatch(events)
            return
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
            self._data_length += len(value) + 1
        elif field == "event":
            self._name = value or "message"
        elif field == "error":
            events.append(ServerEvent(value, "error"))
        elif field not in ("", "id", "retry"):
            self.garbage += 1

    def _dispatch(self, events: list[ServerEvent]) -> None:
        if self._data:
            events.append(ServerEvent("\n".join(self._data), self._name))
        self._data.clear()
        self._data_length = 0
        self._name = "message"
