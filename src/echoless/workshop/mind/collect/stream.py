"""JSON too large to hold: the elements of its lists one at a time, decoded by the standard library at its own speed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import IO, Any

from echoless.workshop.mind.collect.source import Source, SourceError
from echoless.workshop.mind.form import finite, no_constant

BLOCK = 2**19
"""Characters read at once."""
LONGEST = 32 * 2**20
"""Characters of an element."""
_BETWEEN = re.compile(r"[\s,]*")


def elements(source: Source, name: str = "") -> Iterator[tuple[int, Any]]:
    """The elements of every list called `name`, each with the number of its list; without a name those of the list
    that the file is. Raises SourceError where that is no JSON (NaN is none), is cut off, or too large to be talk."""
    with source.text() as file:
        window = _Window(file, source.name)
        lists = 0
        while window.find(re.compile(rf'"{name}"\s*:\s*\[') if name else re.compile(r"[\s\ufeff]*\[")):
            while (element := window.element()) is not _END:
                yield lists, element
            lists += 1
            if not name:
                return


_END = object()


class _Window:
    """A stretch of a text that moves along it."""

    def __init__(self, file: IO[str], name: str) -> None:
        self._file, self._name = file, name
        self._text, self._at, self._eof, self._count = "", 0, False, 0
        self._decoder = json.JSONDecoder(parse_constant=no_constant, parse_float=finite)

    def _more(self) -> bool:
        """Take in as much again as is waiting, so that what is decoded twice is no more than what is decoded once."""
        waiting = self._text[self._at :]
        if len(waiting) > LONGEST:
            raise SourceError(
                f"{self._name}: one of its objects is larger than {LONGEST >> 20} MB, which is no dialogue"
            )
        new = self._file.read(max(BLOCK, len(waiting)))
        self._text, self._at, self._eof = waiting + new, 0, not new
        return bool(new)

    def find(self, pattern: re.Pattern[str]) -> bool:
        """Go past the next place where the pattern stands; False where there is none."""
        while True:
            if found := pattern.search(self._text, self._at):
                self._at = found.end()
                return True
            self._at = max(self._at, len(self._text) - 200)
            if not self._more():
                return False

    def element(self) -> Any:
        """The next element of the list we are in; _END behind its last."""
        while True:
            between = _BETWEEN.match(self._text, self._at)
            self._at = between.end() if between else self._at
            if self._text[self._at : self._at + 1] == "]":
                self._at += 1
                return _END
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated") or error.pos > len(self._text) - 16
                if cut and self._more():
                    continue
                raise self._wrong("cut off" if cut else error.msg) from None
            except ValueError as error:
                raise self._wrong(str(error)) from None
            except RecursionError:
                raise self._wrong("nested too deeply") from None
            if end == len(self._text) and self._more():
                continue  # a number might go on
            self._at, self._count = end, self._count + 1
            return value

    def _wrong(self, what: str) -> SourceError:
        return SourceError(f"{self._name} is not JSON after {self._count} elements: {what}")
