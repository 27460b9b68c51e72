"""What is read: files, members of archives, the same in whatever encoding; with bounds on everything."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from echoless.workshop.mind.collect.encoding import detect
from echoless.workshop.mind.errors import MindError
from echoless.workshop.mind.form import LONGEST_LINE, Talk

HEAD = 2**18
"""Bytes that decide what a file is."""
SWELLS = 200
"""An archive that grows more than so many times is no text."""
_SMALL = 64 * 2**20
_GZIP = b"\x1f\x8b"


class SourceError(MindError):
    """A source cannot be read. One line that says what to do."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked for: who is the assistant, by what licence, from how long a pause on (seconds) a chat is a
    new dialogue."""

    me: str = ""
    licence: str = ""
    pause: float = 3 * 3600.0


@dataclass(frozen=True, slots=True)
class Passed:
    """A piece of a source that is no dialogue: `why` it was passed over, and `where` it is."""

    why: str
    where: str = ""


Item = Talk | Passed
"""What a reader yields."""


@dataclass(slots=True)
class Source:
    """A file, or a member of an archive. `seen` counts the bytes of the file on disk that were read so far."""

    name: str
    path: Path
    member: str = ""
    seen: int = 0
    damaged: int = 0
    encoding: str = ""
    _advance: Callable[[int], None] = field(default=lambda count: None)

    @property
    def size(self) -> int:
        """Bytes to read: of the file, or of the member unpacked."""
        if self.member:
            with zipfile.ZipFile(self.path) as archive:
                return archive.getinfo(self.member).file_size
        return self.path.stat().st_size

    @property
    def suffix(self) -> str:
        """`.json` and the like, small letters, without what says that it is packed."""
        name = Path(self.member or self.path.name)
        return Path(name.stem if name.suffix.lower() == ".gz" else name.name).suffix.lower()

    def on_progress(self, advance: Callable[[int], None]) -> None:
        """Call `advance` with the bytes read since the last call."""
        self._advance = advance

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The unpacked bytes. Raises SourceError where the archive is broken or swells without bounds."""
        self.seen = 0
        try:
            with _opened(self) as file:
                yield file
        except (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise SourceError(f"{self.name} is a broken archive: {error}") from None
        except RuntimeError as error:
            if "password" in str(error) or "encrypted" in str(error):
                raise SourceError(f"{self.name} is locked with a password: unpack it first") from None
            raise

    def head(self) -> bytes:
        """The first bytes, unpacked."""
        with self.open() as file:
            return file.read(HEAD)

    @contextmanager
    def text(self) -> Iterator[IO[str]]:
        """The text in whatever encoding it is; bytes that are none become U+FFFD. Raises SourceError."""
        if not self.encoding:
            found = detect(self.head())
            if found is None:
                raise SourceError(f"{self.name} is no text in any known encoding")
            self.encoding = found
        with self.open() as file:
            wrapped = io.TextIOWrapper(file, self.encoding, errors="replace", newline=None)
            try:
                yield wrapped
            finally:
                with suppress(ValueError):
                    wrapped.detach()

    def lines(self, longest: int = LONGEST_LINE) -> Iterator[tuple[int, str | None]]:
        """Number and text of each line; None for one longer than `longest` characters, which is never held whole."""
        with self.text() as file:
            number = 0
            while line := file.readline(longest + 1):
                number += 1
                if len(line) > longest and not line.endswith("\n"):
                    while (rest := file.readline(2**20)) and not rest.endswith("\n"):
                        pass
                    yield number, None
                    continue
                self.damaged += line.count("\ufffd")
                yield number, line.rstrip("\n")


class _Counted(io.RawIOBase):
    """Tells how far a file was read."""

    def __init__(self, file: IO[bytes], source: Source) -> None:
        self._file, self._source = file, source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._file.read(len(buffer))
        buffer[: len(block)] = block
        self._source.seen += len(block)
        self._source._advance(len(block))
        return len(block)


class _Bounded(io.RawIOBase):
    """Unpacked bytes, held against the packed ones that they came from."""

    def __init__(self, file: IO[bytes], packed: Callable[[], int], name: str) -> None:
        self._file, self._packed, self._name, self._out = file, packed, name, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._file.read(len(buffer))
        buffer[: len(block)] = block
        self._out += len(block)
        if self._out > _SMALL and self._out > SWELLS * max(1, self._packed()):
            raise SourceError(
                f"{self._name} grows more than {SWELLS}-fold when unpacked: no text does that, it is not read"
            )
        return len(block)


@contextmanager
def _opened(source: Source) -> Iterator[IO[bytes]]:
    if source.member:
        with zipfile.ZipFile(source.path) as archive, archive.open(source.member) as member:
            packed = archive.getinfo(source.member).compress_size
            yield io.BufferedReader(_Bounded(_buffered(member, source), lambda: packed, source.name))
        return
    with source.path.open("rb") as file:
        packed_file = _buffered(file, source)
        if packed_file.peek(2)[:2] != _GZIP:
            yield packed_file
            return
        with gzip.GzipFile(fileobj=packed_file) as unpacked:
            yield io.BufferedReader(_Bounded(cast(IO[bytes], unpacked), lambda: source.seen, source.name))


def _buffered(file: IO[bytes], source: Source) -> io.BufferedReader:
    return io.BufferedReader(_Counted(file, source), 2**16)


def members(path: Path) -> list[str]:
    """The files in an archive, but for folders and what systems leave there. Raises SourceError."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
    except zipfile.BadZipFile as error:
        raise SourceError(f"{path} is a broken archive: {error}") from None
    return [name for name in names if not name.startswith("__MACOSX/") and not Path(name).name.startswith(".")]
