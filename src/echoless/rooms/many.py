"""Many pieces of work in processes of their own, within a budget of time."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from math import inf
from multiprocessing import get_context, parent_process
from typing import Any, TypeVar

J = TypeVar("J")
R = TypeVar("R")


def run_all(
    work: Callable[[J], R],
    jobs: Iterable[J],
    workers: int,
    budget: float = inf,
    *,
    prepare: Callable[..., None] | None = None,
    given: tuple[Any, ...] = (),
) -> Iterator[tuple[J, R | BaseException]]:
    """Each job as it ends, with its result or why it failed. `prepare(*given)` is called first in every process.

    After `budget` seconds, less what the longest job so far took, no other begins, so that all that began can end.
    Workers are new processes now and then, so that nothing that a native library leaks can grow for hours.
    """
    _quiet()  # before the workers start: libraries read it when they are loaded
    begun, longest, waiting = time.monotonic(), 0.0, iter(jobs)
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin, (prepare, given), max_tasks_per_child=40) as pool:
        running: dict[Future[R], tuple[J, float]] = {}
        try:
            while True:
                while len(running) < workers + 2 and time.monotonic() - begun < budget - 1.2 * longest:
                    if (job := next(waiting, None)) is None:
                        break
                    running[pool.submit(work, job)] = job, time.monotonic()
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    job, since = running.pop(future)
                    longest = max(longest, time.monotonic() - since)
                    problem = future.exception()
                    yield job, problem if problem is not None else future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _begin(prepare: Callable[..., None] | None, given: tuple[Any, ...]) -> None:
    """First of all in a worker: it ends with its parent, even where that was killed and could not say so."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if prepare:
        prepare(*given)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent:
        parent.join()
        os._exit(1)


def _quiet() -> None:
    """One thread a worker: the cores are shared by jobs, not within one."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
