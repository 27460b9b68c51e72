"""What a run of the suite says: tables in Markdown, everything in JSON, curves and the worst calls as pictures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from echoless.rooms.collected import Call, badness, together
from echoless.rooms.measures import SHORT_UP_TO, Measure, failed, pool, rate

NOTICED = {-10: 0.99, 0: 0.99, 5: 0.98, 10: 0.97, 15: 0.93}
"""The goal for phrases of 1 s and more, by echo level."""
MEDIA = ("television", "music")
WORST = 3


# --- words ----------------------------------------------------------------------------------------------------


def word_errors(calls: Iterable[Call]) -> tuple[float | None, float | None, int]:
    """Word error rate of interrupting turns, the same without echo, and over how many words. Who speaks while somebody
    else does is not counted: a recogniser writes down what both say."""
    cut_in = [w for c in calls for w in c.words if w["over_agent"] and w["kind"] == "interrupt" and _alone(c, w)]
    count = sum(w["words"] for w in cut_in)
    if not count:
        return None, None, 0
    return sum(w["errors"] for w in cut_in) / count, sum(w["errors_without_echo"] for w in cut_in) / count, count


def _alone(call: Call, words: dict[str, Any]) -> bool:
    talkers: list[dict[str, Any]] = call.scores.talkers
    one = next(each for each in talkers if each["number"] == words["number"])
    return not any(each is not one and each["begin"] < one["end"] and one["begin"] < each["end"] for each in talkers)


# --- tables -----------------------------------------------------------------------------------------------------


def _figure(m: Measure) -> str:
    if m.value is None:
        return "-"
    if m.unit == "share":
        return f"{100 * m.value:.1f} % ({100 * (m.low or 0):.1f}-{100 * (m.high or 0):.1f}; {m.count:g} of {m.of:g})"
    if m.unit == "share of speech":
        return f"{100 * m.value:.2f} %"
    if m.unit == "per hour":
        return f"{m.value:.2f} ({m.low:.2f}-{m.high:.2f}; {m.count:g} in {m.of:.2f} h)"
    return f"{m.value:.2f} s ({m.count:g})"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def _goals(runs: Mapping[str, list[Call]]) -> str:
    pooled = {name: pool(c.scores for c in calls if c.family not in MEDIA) for name, calls in runs.items()}
    first = next(iter(pooled.values()))
    rows = []
    for key, m in first.items():
        rows.append([key, m.goal, *(_figure(figures[key]) for figures in pooled.values())])
    errors = [word_errors(calls) for calls in runs.values()]
    rows.append(
        ["word errors of interruptions", "<= 1.5 x"]
        + ["-" if e is None or b is None else f"{100 * e:.1f} % against {100 * b:.1f} % ({n})" for e, b, n in errors]
    )
    rows.append(["false ducks by the agent's own record", "", *(_claimed(calls) for calls in runs.values())])
    for name, told in (
        ("self-answers that were one reply, held, by its own record", "went_on"),
        ("turns of nobody that were answered, by its own record", "to_nobody"),
    ):
        counts = (sum(len(getattr(c, told)) for c in calls if c.family not in MEDIA) for calls in runs.values())
        rows.append([name, "", *map(str, counts)])
    return _table(["measure", "goal", *runs], rows)


def _claimed(calls: Iterable[Call]) -> str:
    judged = [c for c in calls if c.family not in MEDIA]
    speech = sum(c.scores.agent_speech for c in judged)
    return f"{100 * sum(c.claimed_ducks for c in judged) / speech:.2f} %" if speech else "-"


def levels(calls: Sequence[Call]) -> dict[float, dict[str, Measure]]:
    """Measures by echo level."""
    return {
        level: pool(c.scores for c in calls if c.level == level and c.family not in MEDIA)
        for level in sorted({c.level for c in calls})
    }


def _by_level(calls: Sequence[Call]) -> str:
    rows = []
    for level, m in levels(calls).items():
        goal = f"{100 * NOTICED[int(level)]:.0f} %" if int(level) in NOTICED else "-"
        keys = ("noticed", "noticed_short", "self_answers", "self_interruptions", "stopped_p95")
        rows.append([f"{level:+g} dB", goal, *(_figure(m[key]) for key in keys)])
    head = ["echo", "goal", "noticed", "short ones", "self-answers an hour", "self-interruptions", "stopped p95"]
    return _table(head, rows)


def _by_family(calls: Sequence[Call]) -> str:
    rows = []
    for family in sorted({c.family for c in calls}):
        m = pool(c.scores for c in calls if c.family == family)
        keys = ("self_answers", "self_interruptions", "false_ducks", "noticed", "answered")
        rows.append([family, *(_figure(m[key]) for key in keys)])
    return _table(["family", "self-answers", "self-interruptions", "false ducks", "noticed", "answered"], rows)


def _by_word(calls: Sequence[Call]) -> str:
    """What became of each short word and nod, up to +5 dB of echo and over it."""
    found: dict[tuple[str, str], list[list[bool]]] = {}
    for call in calls:
        for t in call.scores.talkers:
            key = {"short": "noticed", "backchannel": "stops_agent"}.get(str(t["kind"]))
            if key is not None and key in t:
                cells = found.setdefault((str(t["kind"]), str(t.get("text", "(a hum)"))), [[], []])
                cells[call.level > SHORT_UP_TO].append(bool(t[key]))
    rows = [
        [word, "noticed" if kind == "short" else "stops it", *(f"{sum(c)} of {len(c)}" if c else "-" for c in cells)]
        for (kind, word), cells in sorted(found.items())
    ]
    return _table(["word", "", "up to +5 dB", "over it"], rows)


def _worst(calls: Sequence[Call]) -> tuple[str, list[Call]]:
    bad = sorted((c for c in calls if any(badness(c))), key=badness, reverse=True)
    rows = [[c.folder.name, *(str(n) for n in badness(c)), ", ".join(failed(pool([c.scores])))] for c in bad[:15]]
    return _table(["call", "self-answers", "self-interruptions", "missed", "which"], rows), bad


# --- the whole ----------------------------------------------------------------------------------------------------


def write(sources: Mapping[str, Sequence[Path]], out: Path) -> str:
    """Write report.md, report.json and the pictures into `out`; the path of report.md. Raises ValueError.

    `sources`: for each run to be laid side by side, folders and packed files that are counted together.
    """
    runs = {name: together(paths) for name, paths in sources.items()}
    for name, calls in runs.items():
        if not calls:
            raise ValueError(f"nothing was rehearsed in {', '.join(map(str, sources[name]))}")
    out.mkdir(parents=True, exist_ok=True)
    main_name, main = next(iter(runs.items()))
    hours = sum(c.scores.seconds for c in main) / 3600
    worst, bad = _worst(main)
    text = [
        f"# Rehearsals: {len(main)} calls, {hours:.2f} simulated hours\n",
        f"Made by `python -m echoless.rooms.suite`. Bounds are at 95 %. {_bound(main)}\n",
        "## Goals (without television and music)\n",
        _goals(runs),
        f"## By echo level: {main_name}\n",
        _by_level(main),
        "![noticed interruptions and self-answers against echo level](curves.png)\n",
        f"## By family: {main_name}\n",
        _by_family(main),
        f"## Short words and nods, one by one: {main_name}\n",
        _by_word(main),
        f"## The worst calls: {main_name}\n",
        worst if bad else "None missed anything.\n",
    ]
    if nobody := [
        [c.folder.name, f"{at:.1f}", text] for c in main if c.family not in MEDIA for at, text in c.to_nobody
    ]:
        text += [
            "Answered though nobody had spoken, by the agent's own record:\n",
            _table(["call", "at", "as"], nobody),
        ]
    text += [f"![{name}]({name})\n" for name in _draw_worst(bad, out)]
    curves(runs, out / "curves.png")
    (out / "report.md").write_text("\n".join(text))
    (out / "report.json").write_text(json.dumps(_json(runs), indent=1) + "\n")
    return str(out / "report.md")


def _bound(calls: Sequence[Call]) -> str:
    judged = [c for c in calls if c.family not in MEDIA]
    hours = sum(c.scores.seconds for c in judged) / 3600
    count = sum(b["kind"] == "self_answer" for c in judged for b in c.scores.bursts)
    _, _, high = rate(count, hours)
    return f"Self-answers: {count} in {hours:.2f} h, so under {high:.2f} an hour."


def _json(runs: Mapping[str, list[Call]]) -> dict[str, Any]:
    def figures(m: Mapping[str, Measure]) -> dict[str, Any]:
        return {key: asdict(value) for key, value in m.items()}

    return {
        name: {
            "calls": len(calls),
            "hours": sum(c.scores.seconds for c in calls) / 3600,
            "all": figures(pool(c.scores for c in calls if c.family not in MEDIA)),
            "levels": {f"{level:g}": figures(m) for level, m in levels(calls).items()},
            "families": {f: figures(pool(c.scores for c in calls if c.family == f)) for f in {c.family for c in calls}},
            "word_errors": word_errors(calls),
        }
        for name, calls in runs.items()
    }


def curves(runs: Mapping[str, list[Call]], path: Path) -> None:
    """Noticed interruptions and self-answers against echo level, a curve a run, with bounds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for shift, (name, calls) in enumerate(runs.items()):
        by_level = levels(calls)
        at = [level + 0.25 * shift for level in by_level]
        for axis, key, scale in ((left, "noticed", 100), (right, "self_answers", 1)):
            known = [(x, m[key]) for x, m in zip(at, by_level.values(), strict=True) if m[key].value is not None]
            xs = [x for x, _ in known]
            ys = [scale * (m.value or 0) for _, m in known]
            below = [y - scale * (m.low or 0) for y, (_, m) in zip(ys, known, strict=True)]
            above = [scale * (m.high or 0) - y for y, (_, m) in zip(ys, known, strict=True)]
            axis.errorbar(xs, ys, [below, above], marker="o", capsize=3, label=name)
    left.plot(list(NOTICED), [100 * g for g in NOTICED.values()], "k_", markersize=14, label="goal")
    left.set(xlabel="echo over user, dB", ylabel="interruptions noticed, %", ylim=(-3, 103))
    right.set(xlabel="echo over user, dB", ylabel="self-answers an hour")
    right.set_yscale("symlog", linthresh=1)
    right.set_ylim(bottom=0)
    for axis in (left, right):
        axis.grid(alpha=0.3)
    left.legend(fontsize=8)
    figure.savefig(path, dpi=110)


def _draw_worst(bad: Sequence[Call], out: Path) -> list[str]:
    """Pictures of the worst calls whose sound was kept."""
    names: list[str] = []
    for call in bad:
        if len(names) == WORST:
            break
        if all((call.folder / f"{track}.wav").is_file() for track in ("mic", "speaker", "clean")):
            from echoless.show import show

            name = f"worst{len(names) + 1}.png"
            try:
                show(call.folder, out / name)
            except Exception as wrong:  # a picture less is no reason to lose the report
                print(f"{call.folder.name} could not be drawn: {wrong}")
                continue
            names.append(name)
    return names
