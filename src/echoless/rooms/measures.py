"""Rates with their 95 % confidence bounds, pooled over rehearsals, and the goals that they are held against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest, chi2

from echoless.rooms.scorer import Scores


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure: `count` of `of` (events, seconds or hours), its `value`, and bounds; None where nothing was seen."""

    value: float | None
    low: float | None
    high: float | None
    count: float
    of: float
    unit: str
    goal: str = ""
    met: bool | None = None


def share(count: int, of: int) -> tuple[float | None, float | None, float | None]:
    """A proportion with its Clopper-Pearson 95 % interval."""
    if of == 0:
        return None, None, None
    bounds = binomtest(count, of).proportion_ci(0.95, method="exact")
    return count / of, float(bounds.low), float(bounds.high)


def rate(count: int, hours: float) -> tuple[float | None, float | None, float | None]:
    """Events an hour with the exact Poisson 95 % interval (Garwood 1936); none in T hours: under 3/T, one-sided."""
    if hours <= 0:
        return None, None, None
    low = 0.0 if count == 0 else float(chi2.ppf(0.025, 2 * count)) / 2
    high = 2.996 if count == 0 else float(chi2.ppf(0.975, 2 * count + 2)) / 2
    return count / hours, low / hours, high / hours


def quantile(values: Sequence[float], q: float) -> tuple[float | None, float | None, float | None]:
    """A quantile with its distribution-free 95 % interval, as far as so many values allow one."""
    if not values:
        return None, None, None
    x = np.sort(np.asarray(values, float))
    n = len(x)
    spread = 1.96 * np.sqrt(n * q * (1 - q))
    low, high = int(max(0, np.floor(n * q - spread))), int(min(n - 1, np.ceil(n * q + spread)))
    return float(np.quantile(x, q)), float(x[low]), float(x[high])


SHORT_UP_TO = 5.0
"""Echo in dB up to which short words are to be noticed; over it they are counted apart."""
GOALS: dict[str, tuple[str, float]] = {
    "self_answers": ("<=", 0.0),
    "unprompted": ("<=", 0.0),
    "self_interruptions": ("<=", 1.0),
    "false_ducks": ("<=", 0.01),
    "noticed": (">=", 0.93),
    "noticed_short": (">=", 0.95),
    "ducked_p95": ("<=", 0.25),
    "stopped_p95": ("<=", 0.60),
    "backchannels_stop": ("<=", 0.05),
    "noises_stop": ("<=", 0.05),
    "quotes_through": (">=", 0.90),
    "answered": (">=", 0.95),
    "over_user": ("<=", 0.05),
    "latency_p95": ("<=", 3.0),
}
"""What each measure is to be. `noticed` by echo level: see `suite.NOTICED`."""


def _measure(name: str, figures: tuple[Any, Any, Any], count: float, of: float, unit: str) -> Measure:
    value, low, high = (None if f is None else round(f, 4) for f in figures)
    sign, goal = GOALS.get(name, ("", 0.0))
    met = None
    if sign and value is not None:
        met = value <= goal if sign == "<=" else value >= goal
    return Measure(value, low, high, count, round(of, 4), unit, f"{sign} {goal:g}" if sign else "", met)


def pool(all_scores: Iterable[Scores]) -> dict[str, Measure]:
    """Every measure over many rehearsals."""
    scores = list(all_scores)
    bursts = [b for s in scores for b in s.bursts]
    talkers = [t for s in scores for t in s.talkers]
    hours = sum(s.seconds for s in scores) / 3600
    speech = sum(s.agent_speech for s in scores)
    out: dict[str, Measure] = {}

    def events(name: str, count: int, over: float) -> None:
        out[name] = _measure(name, rate(count, over), count, over, "per hour")

    def part(name: str, of: list[dict[str, Any]], key: str) -> None:
        hits = sum(bool(t[key]) for t in of)
        out[name] = _measure(name, share(hits, len(of)), hits, len(of), "share")

    def middle(name: str, values: list[float], q: float) -> None:
        out[name] = _measure(name, quantile(values, q), len(values), len(values), "s")

    events("self_answers", sum(b["kind"] == "self_answer" for b in bursts), hours)
    events("unprompted", sum(b["kind"] == "unprompted" for b in bursts), hours)
    events("answers_to_nothing", sum(b["kind"] in ("to_backchannel", "to_noise") for b in bursts), hours)
    events("self_interruptions", sum(len(s.self_interruptions) for s in scores), speech / 3600)
    ducked = sum(length for s in scores for _, length in s.false_ducks)
    value = ducked / speech if speech else None
    out["false_ducks"] = _measure("false_ducks", (value, None, None), round(ducked, 2), speech, "share of speech")

    cut_in = [t for t in talkers if "noticed" in t and t["who"] == "user"]
    part("noticed", [t for t in cut_in if t["kind"] == "interrupt"], "noticed")
    short = [
        (t, float(s.tags.get("echo_db", 0)) > SHORT_UP_TO)
        for s in scores
        for t in s.talkers
        if t["kind"] == "short" and "noticed" in t
    ]
    part("noticed_short", [t for t, loud in short if not loud and _english(t)], "noticed")
    part("noticed_short_loud", [t for t, loud in short if loud and _english(t)], "noticed")
    part("noticed_short_zh", [t for t, loud in short if not loud and not _english(t)], "noticed")
    here = [t for s in scores if "network_ms" not in s.tags for t in s.talkers]
    noticed = [t for t in here if t.get("noticed") and t["who"] == "user"]
    for name in ("ducked", "stopped"):
        values = [float(t[name]) for t in noticed if t.get(name) is not None]  # type: ignore[arg-type]
        middle(f"{name}_p50", values, 0.5)
        middle(f"{name}_p95", values, 0.95)
    behind = [float(t["ducked"]) - float(t["clear"]) for t in noticed if "clear" in t]  # type: ignore[arg-type]
    middle("ducked_behind_p50", behind, 0.5)
    middle("ducked_behind_p95", behind, 0.95)
    nods = [t for t in talkers if t["kind"] == "backchannel" and "stops_agent" in t]
    part("backchannels_stop", [t for t in nods if _english(t)], "stops_agent")
    part("backchannels_stop_zh", [t for t in nods if not _english(t)], "stops_agent")
    part("noises_stop", [t for t in talkers if t["kind"] == "noise" and "stops_agent" in t], "stops_agent")
    asked = [t for t in talkers if t.get("answered") is not None]
    quotes = [t for t in asked if t["kind"] == "quote"]
    part("quotes_through", quotes, "answered")
    part("quotes_over", [t for t in quotes if t["over_agent"]], "answered")
    part("quotes_after", [t for t in quotes if not t["over_agent"]], "answered")
    part("answered", [t for t in asked if t["kind"] in ("turn", "interrupt")], "answered")
    replies = [b for b in bursts if b["kind"] == "reply"]
    part("over_user", replies, "over_user")
    waits = [float(b["latency"]) for b in replies if not b["over_user"]]  # type: ignore[arg-type]
    middle("latency_p50", waits, 0.5)
    middle("latency_p95", waits, 0.95)
    return out


def _english(talker: dict[str, Any]) -> bool:
    """Whether words are English, or none: the default recogniser knows no other language."""
    return talker.get("language", "en") == "en"


def as_json(measures: dict[str, Measure]) -> dict[str, object]:
    """For scores.json."""
    return {name: asdict(m) for name, m in measures.items()}


def failed(measures: dict[str, Measure]) -> list[str]:
    """Names of the measures that miss their goal."""
    return [name for name, m in measures.items() if m.met is False]
