"""How quick a recorded call was: measured on its sound where there is some, else told by its events."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from echoless.recall import HOP, Recalled

Levels = NDArray[np.float32]
QUIET = -55.0
"""dBFS: below it nothing counts as speech, however quiet the room."""
ABOVE_NOISE = 12.0
"""dB over the tenth percentile of a track that count as speech."""
GONE = 20.0
"""dB by which the agent must have fallen to count as silent."""
PATIENCE = 1.5
"""Seconds before its notice in which the beginning of an interruption is looked for."""


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took from `begin` to `end`, in seconds of the call."""

    begin: float
    end: float

    @property
    def milliseconds(self) -> float:
        return 1000 * (self.end - self.begin)


@dataclass(frozen=True, slots=True)
class Timing:
    """`responses`: from the user's last sound to the agent's first. `silences`: from the user's first sound while
    the agent spoke until the agent was 20 dB down."""

    responses: tuple[Span, ...]
    silences: tuple[Span, ...]


def timing(call: Recalled) -> Timing:
    """Measure a call. Raises RecordError where a track cannot be read."""
    user = _levels(call, "clean" if "clean" in call.tracks else "mic")
    agent = _levels(call, "speaker")
    return Timing(tuple(_responses(call, user, agent)), tuple(_silences(call, user, agent)))


def percentiles(spans: tuple[Span, ...]) -> tuple[float, float] | None:
    """Median and 95th percentile in milliseconds."""
    if not spans:
        return None
    p50, p95 = np.percentile([span.milliseconds for span in spans], (50, 95))
    return float(p50), float(p95)


def _levels(call: Recalled, track: str) -> Levels | None:
    return call.levels(track) if track in call.tracks else None


def _responses(call: Recalled, user: Levels | None, agent: Levels | None) -> list[Span]:
    spans, stopped, began = [], None, 0.0
    for event in call.of("user.started", "user.stopped", "agent.started"):
        if event.event == "user.started":
            began = event.t
        elif event.event == "user.stopped":
            stopped = event.t
        elif stopped is not None:
            first = _first_over(agent, event.t - 0.1, event.t + 1.0, _threshold(agent), event.t)
            last = _last_over(user, max(0.0, began - 0.5), min(first, stopped), _threshold(user), stopped)
            if first > last:
                spans.append(Span(last, first))
            stopped = None
    return spans


def _silences(call: Recalled, user: Levels | None, agent: Levels | None) -> list[Span]:
    spans, ducked, started = [], None, 0.0
    for event in call.of("agent.started", "agent.ducked", "agent.resumed", "agent.stopped"):
        if event.event == "agent.started":
            started = event.t
        elif event.event == "agent.ducked":
            ducked = event.t
        elif event.event == "agent.resumed":
            ducked = None
        elif event.data.get("reason") == "interrupted":
            noticed = event.t if ducked is None else ducked
            began = max(started, _run_before(user, noticed, _threshold(user)))
            spans.append(Span(began, noticed if agent is None else _gone(agent, began, event.t)))
            ducked = None
    return spans


def _threshold(levels: Levels | None) -> float:
    if levels is None or not len(levels):
        return QUIET
    return max(QUIET, float(np.percentile(levels, 10)) + ABOVE_NOISE)


def _first_over(levels: Levels | None, begin: float, end: float, threshold: float, otherwise: float) -> float:
    over = _over(levels, begin, end, threshold)
    return otherwise if over is None or not len(over) else float(over[0]) * HOP


def _last_over(levels: Levels | None, begin: float, end: float, threshold: float, otherwise: float) -> float:
    over = _over(levels, begin, end, threshold)
    return otherwise if over is None or not len(over) else float(over[-1] + 1) * HOP


def _over(levels: Levels | None, begin: float, end: float, threshold: float) -> NDArray[np.intp] | None:
    if levels is None:
        return None
    first = max(0, int(begin / HOP))
    return first + np.flatnonzero(levels[first : max(first, round(end / HOP))] > threshold)


def _run_before(levels: Levels | None, at: float, threshold: float) -> float:
    """Where the sound that reaches up to `at` began, pauses of 100 ms inside it forgiven; at most 1.5 s before."""
    if levels is None:
        return at
    index, quiet, began = min(round(at / HOP), len(levels)) - 1, 0, at
    for back in range(index, max(-1, index - round(PATIENCE / HOP)), -1):
        if levels[back] > threshold:
            quiet, began = 0, back * HOP
        elif (quiet := quiet + 1) > 0.1 / HOP:
            break
    return began


def _gone(agent: Levels, began: float, stopped: float) -> float:
    """When the agent had fallen 20 dB below its usual level, for good."""
    spoken = agent[agent > _threshold(agent)]
    limit = float(np.median(spoken)) - GONE if len(spoken) else QUIET
    first = round(began / HOP)
    loud = np.flatnonzero(agent[first : round((stopped + 0.3) / HOP)] > limit)
    return began if not len(loud) else float(first + loud[-1] + 1) * HOP
