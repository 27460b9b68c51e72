"""Files that are whole or not there: written beside, then renamed; and a full disk said in one line."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from echoless.workshop.mind.errors import MindError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def told(folder: Path, safe: str) -> Iterator[None]:
    """Turn what goes wrong with files of `folder` into one line; `safe` says what is not lost. Raises MindError."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise MindError(f"the disk of {folder} is full: {safe}") from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise MindError(f"{error.filename or folder} may not be written or read: {error.strerror}") from None
        raise


def private_folder(folder: Path) -> None:
    """Make a folder that only its owner can read. Raises MindError where a file is in the way."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise MindError(f"{folder} is a file: --out takes a folder") from None
    if not any(folder.iterdir()):
        folder.chmod(0o700)


def write_whole(path: Path, text: str) -> None:
    """Write a small file so that it is never half there."""
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8", errors="replace") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
