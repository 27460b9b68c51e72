"""Bars for what takes more than two seconds; on stderr, gone when it is done, nothing where nobody looks."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn


class Bar:
    """One bar at a time: what is done, how much of it, a note."""

    def __init__(self) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"))
        self._progress = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
        self._task: TaskID | None = None

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()

    def begins(self, name: str, size: int | None) -> None:
        """A part of `size` steps begins; None where nobody knows."""
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(name, total=size, note="")

    def advances(self, count: int) -> None:
        """So many steps were done."""
        if self._task is not None:
            self._progress.advance(self._task, count)

    def says(self, note: str) -> None:
        """A word about it."""
        if self._task is not None:
            self._progress.update(self._task, note=note)
