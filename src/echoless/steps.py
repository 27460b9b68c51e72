"""Where the time of an answer goes, read off a call's events: milliseconds after the user's last sample.

`echoless show` prints it of a call record, `python -m echoless.bench.talk` and `make bench-livekit` of what they hold.
A call has `user.said` tell how long the silence was at each step that the ears took, and `agent.started` when the reply
had its first words and its first sound.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from echoless.frames import Event
from echoless.recall import Recalled
from echoless.timing import Timing

STEPS = {
    "voice": "voice activity fell silent",
    "paused": "taken for a pause",
    "words": "the words known",
    "begun": "the reply that was heard begun",
    "token": "its first words",
    "sound": "its first sound made",
    "ended": "the turn taken to have ended",
    "audible": "audible",
}
"""Steps of an answer, in the order in which they come where nothing waits for anything."""
HEAD = "| after the user's last sample, ms | p50 | p95 | n |\n|---|---|---|---|"


@dataclass(frozen=True, slots=True)
class Answer:
    """Milliseconds after the user's last sample, at `end` seconds, at which each step was reached; a step that was not
    is left out. `sure`: how likely the turn was complete, 0..1, each time that was known, and the silence then."""

    end: float
    text: str
    at: dict[str, float]
    sure: tuple[tuple[float, float], ...] = ()


def answers(ends: Iterable[tuple[float, float]], events: Sequence[Event]) -> list[Answer]:
    """The steps of the first answer to what was said up to each of `ends`: seconds of the call of its last sample, and
    those up to which an answer is an answer to it."""
    found = []
    for end, until in ends:
        within = [event for event in events if end < event.t <= until]
        started = next((event for event in within if event.event == "agent.started"), None)
        if started:
            found.append(_answer(end, [event for event in within if event.t <= started.t], started))
    return found


def of_record(call: Recalled, measured: Timing) -> list[Answer]:
    """The steps of a recorded call's answers."""
    return answers(((span.begin, span.end + 2.0) for span in measured.responses), call.events)


def _answer(end: float, events: Sequence[Event], started: Event) -> Answer:
    generation = started.data.get("generation")
    begun = next((e.t for e in events if e.event == "agent.thinking" and e.data.get("generation") == generation), None)
    said = next((event for event in events if event.event == "user.said"), None)
    at = {
        "paused": next((event.t for event in events if event.event == "user.stopped"), None),
        "begun": begun,
        "token": _number(started.data, "token"),
        "sound": _number(started.data, "sound"),
        "ended": said.t if said else None,
        "audible": started.t,
    }
    evidence = said.data.get("evidence") if said else None
    if said and isinstance(evidence, Mapping):
        silence, words = _number(evidence, "silence"), _number(evidence, "words")
        at["voice"] = None if silence is None else said.t - silence
        at["words"] = None if silence is None or words is None else said.t - silence + words
    sure = evidence.get("sure_at") if isinstance(evidence, Mapping) else None
    reached = {step: round(1000 * (t - end), 1) for step in STEPS if (t := at.get(step)) is not None}
    return Answer(end, str(said.data.get("text") or "") if said else "", reached, _pairs(sure))


def _number(data: Mapping[str, Any], name: str) -> float | None:
    value = data.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _pairs(value: Any) -> tuple[tuple[float, float], ...]:
    """Pairs of numbers as they come out of JSON; nothing where they are something else."""
    try:
        return tuple((float(silence), float(p)) for silence, p in value or ())
    except (TypeError, ValueError):
        return ()


def table(found: Sequence[Answer]) -> str:
    """The steps as Markdown: median and 95th percentile over the answers."""
    rows = [HEAD]
    for step, title in STEPS.items():
        values = [each.at[step] for each in found if step in each.at]
        if values:
            p50, p95 = np.percentile(values, [50, 95])
            rows.append(f"| {title} | {p50:.0f} | {p95:.0f} | {len(values)} |")
    return "\n".join(rows)


def each(found: Sequence[Answer]) -> str:
    """One line an answer: its steps in milliseconds, how sure the ears were at which silence, and what was said."""
    lines = ["answer at " + "".join(f"{step:>8}" for step in STEPS) + "  sure (at s of silence)  said"]
    for answer in found:
        steps = "".join(f"{answer.at[step]:8.0f}" if step in answer.at else f"{'-':>8}" for step in STEPS)
        sure = " ".join(f"{p:.2f} ({silence:.2f})" for silence, p in answer.sure)
        lines.append(f"{answer.end:7.2f} s {steps}  {sure:<22}  {answer.text[:60]}")
    return "\n".join(lines)
