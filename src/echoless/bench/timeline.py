"""Where the time of one answer goes, read off the call's events: a row for each, milliseconds after the user's last
sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from echoless.bench.script import Said
from echoless.frames import Event

STEPS = {
    "silent": "the ears noticed the silence",
    "words": "words known",
    "begun": "the reply that was heard begun",
    "token": "its first token",
    "sound": "its first sound made",
    "ended": "the turn taken to have ended",
    "audible": "audible",
}
"""Steps of an answer, in the order in which they come where nothing waits for anything."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Milliseconds after the user's last sample at which each step was reached; a step that was not is left out."""

    text: str
    at: dict[str, float]


def answers(said: Sequence[Said], events: Sequence[Event], end: float) -> list[Answer]:
    """The steps of the first answer to each thing said. `events` are the call's, with `bench.token` and `bench.sound`
    where the reply's first token and first sound came; `end` is the call's length in seconds."""
    found = []
    for number, each in enumerate(said):
        until = said[number + 1].begin if number + 1 < len(said) else end
        within = [event for event in events if each.end < event.t < until]
        started = next((event for event in within if event.event == "agent.started"), None)
        if started:
            found.append(_answer(each, [event for event in within if event.t <= started.t], started))
    return found


def _answer(said: Said, events: Sequence[Event], started: Event) -> Answer:
    begun = [e for e in events if e.event == "agent.thinking" and e.data["generation"] == started.data["generation"]]
    since = begun[0].t if begun else said.end
    first = {
        "silent": _first(events, "user.stopped"),
        "words": _first(events, "user.partial"),
        "begun": since if begun else None,
        "token": _first(events, "bench.token", since),
        "sound": _first(events, "bench.sound", since),
        "ended": _first(events, "user.said"),
        "audible": started.t,
    }
    text = next((event.data["text"] for event in events if event.event == "user.said"), "")
    return Answer(text, {step: 1000 * (t - said.end) for step, t in first.items() if t is not None})


def _first(events: Sequence[Event], name: str, since: float = 0.0) -> float | None:
    return next((event.t for event in events if event.event == name and event.t >= since), None)


def table(found: Sequence[Answer]) -> str:
    """The steps as Markdown: median and 95th percentile over the answers."""
    rows = ["| after the user's last sample, ms | p50 | p95 | n |", "|---|---|---|---|"]
    for step, title in STEPS.items():
        values = [each.at[step] for each in found if step in each.at]
        if values:
            p50, p95 = np.percentile(values, [50, 95])
            rows.append(f"| {title} | {p50:.0f} | {p95:.0f} | {len(values)} |")
    return "\n".join(rows)
