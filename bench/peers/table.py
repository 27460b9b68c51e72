"""From judged calls to a table: one row an agent and echo level, as Markdown and as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from echoless.rooms.scorer import Scores

HEADSET = -60


@dataclass(frozen=True, slots=True)
class Judged:
    """One call: how it was run (run.json) and what our scorer says of its sound; None where no call came about."""

    agent: str
    level: float
    seed: int
    run: Mapping[str, Any]
    scores: Scores | None
    other: Mapping[str, Any] | None = None
    """What the other scorer says of it, where it is at hand."""

    @property
    def valid(self) -> bool:
        return self.scores is not None and bool(self.run.get("valid"))


@dataclass(frozen=True, slots=True)
class Row:
    """Figures of one agent at one echo level, over its valid calls. Seconds; None where nothing could be measured."""

    agent: str
    level: float
    runs: int
    valid: int
    minutes: float
    self_answers_a_minute: float | None
    other_self_answers_a_minute: float | None
    unprompted: int
    asked: int
    answered: int
    latency_p50: float | None
    cut_in: int
    noticed: int
    silence_p50: float | None
    false_stops: int
    cores: float | None


def rows(calls: Iterable[Judged], order: Sequence[str]) -> list[Row]:
    """One row for each agent and level that was tried, agents in `order`, levels from quiet to loud."""
    groups: dict[tuple[str, float], list[Judged]] = {}
    for call in calls:
        groups.setdefault((call.agent, call.level), []).append(call)
    return [_row(*key, groups[key]) for key in sorted(groups, key=lambda k: (order.index(k[0]), k[1]))]


def _row(agent: str, level: float, calls: Sequence[Judged]) -> Row:
    good = [c for c in calls if c.valid]
    scores = [c.scores for c in good if c.scores is not None]
    bursts = [b for s in scores for b in s.bursts]
    talkers = [t for s in scores for t in s.talkers]
    asked = [t for t in talkers if t.get("answered") is not None]
    cut_in = [t for t in talkers if t["kind"] == "interrupt" and "noticed" in t]
    noticed = [t for t in cut_in if t["noticed"]]
    minutes = sum(s.seconds for s in scores) / 60
    itself = sum(b["kind"] == "self_answer" for b in bursts)
    replies = [b for b in bursts if b["kind"] == "reply" and not b["over_user"]]
    other = [c.other for c in good if c.other is not None]
    return Row(
        agent,
        level,
        len(calls),
        len(good),
        round(minutes, 2),
        round(itself / minutes, 1) if minutes else None,
        round(sum(int(o["self_answers"]) for o in other) / minutes, 1) if minutes and len(other) == len(good) else None,
        sum(b["kind"] == "unprompted" for b in bursts),
        len(asked),
        sum(bool(t["answered"]) for t in asked),
        _middle(b["latency"] for b in replies),
        len(cut_in),
        len(noticed),
        _middle(t.get("stopped") for t in noticed),
        sum(len(s.self_interruptions) for s in scores),
        _middle(c.run.get("cpu_share") for c in good),
    )


def _middle(values: Iterable[Any]) -> float | None:
    known = [float(v) for v in values if v is not None]
    return round(statistics.median(known), 2) if known else None


_HEAD = (
    "agent", "echo", "n (valid)", "self-answers a minute", "by the other scorer", "answered",
    "last sample → first audible, p50", "interruptions noticed", "interruption → silence, p50", "false stops",
)  # fmt: skip


def markdown(table: Sequence[Row], labels: Mapping[str, str]) -> str:
    """The table, a dash where nothing could be measured."""
    lines = [_line(_HEAD), _line(["---"] * len(_HEAD))]
    lines += [_line(_cells(row, labels.get(row.agent, row.agent))) for row in table]
    return "\n".join(lines) + "\n"


def _cells(row: Row, label: str) -> list[str]:
    echo = "headset" if row.level <= HEADSET else f"{row.level:+g} dB"
    seen = row.valid > 0
    return [
        label,
        echo,
        f"{row.runs} ({row.valid})",
        _number(row.self_answers_a_minute, 1),
        _number(row.other_self_answers_a_minute, 1),
        f"{row.answered} of {row.asked}" if seen else "–",
        _number(row.latency_p50, 2, " s"),
        f"{row.noticed} of {row.cut_in}" if seen else "–",
        _number(row.silence_p50, 2, " s"),
        str(row.false_stops) if seen else "–",
    ]


def _number(value: float | None, digits: int, unit: str = "") -> str:
    return "–" if value is None else f"{value:.{digits}f}{unit}"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def as_json(table: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows for a machine."""
    return [asdict(row) for row in table]
