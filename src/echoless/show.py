"""Draws a call record as one picture: both sides' sound, whose turn, ducks, interruptions, words, latencies."""

from __future__ import annotations

import math
import re
import textwrap
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from echoless import steps
from echoless.plain import plain
from echoless.recall import Recalled, recall
from echoless.timing import Timing, percentiles, timing

WIDTH, ROW_HEIGHT = 17.0, 2.9
"""Inches of the picture and of one row of it."""
DPI = 110
ROW_SECONDS = 24.0
MOST_ROWS = 50
"""Longer calls get longer rows instead of more."""
WORDY = 75.0
"""Seconds of a row above which words no longer fit."""

USER, CLEAN, AGENT, THINK, DUCK, CUT, REJECT, GREY = (
    "#7fb8dc", "#0b5c8f", "#2d8a57", "#f2d37c", "#b45fb0", "#cc2936", "#d9822b", "#8a8f98",
)  # fmt: skip
MODES = {"guarded": "#fff4d6", "half": "#ffe1dc"}
FONTS = ["DejaVu Sans", "Noto Sans CJK SC", "Noto Sans SC", "WenQuanYi Micro Hei", "PingFang SC", "Microsoft YaHei"]


def show(folder: Path, out: Path | None = None, every: bool = False) -> str:
    """Draw the record in `folder` into `out` (as a rule `folder`/call.png); what to tell about it, in a few lines, and
    where the time of its answers went, with `every` for each of them.

    Raises RecordError, and OSError where the picture cannot be written.
    """
    call = recall(folder)
    measured = timing(call)
    out = out or folder / "call.png"
    with warnings.catch_warnings(), mpl.rc_context({"font.family": FONTS, "font.size": 8, "text.parse_math": False}):
        warnings.filterwarnings("ignore", message="Glyph")  # no font here has it: a box is drawn
        mpl.logging.getLogger("matplotlib.font_manager").setLevel("ERROR")  # type: ignore[attr-defined]
        draw(call, measured).savefig(out, dpi=DPI)
    return "\n".join([*map(plain, (*summary(call, measured), *waits(call, measured, every))), str(out)])


def summary(call: Recalled, measured: Timing) -> list[str]:
    """A call in a few lines."""
    count = {name: sum(1 for _ in call.of(name)) for name in ("user.said", "agent.started", "agent.ducked", "failure")}
    ends = [event.data.get("reason") for event in call.of("agent.stopped")]
    rejected: dict[str, int] = {}
    for event in call.of("user.rejected"):
        reason = str(event.data.get("reason"))
        rejected[reason] = rejected.get(reason, 0) + 1
    lines = [
        f"{call.seconds:.1f} s, {count['user.said']} turns of the user, {count['agent.started']} replies: "
        f"{ends.count('interrupted')} interrupted, {ends.count('revoked')} taken back, {ends.count('failed')} failed; "
        f"{count['agent.ducked']} ducks",
    ]
    if rejected:
        lines.append("not answered: " + ", ".join(f"{number} {reason}" for reason, number in sorted(rejected.items())))
    for what, spans in (("response", measured.responses), ("interruption to silence", measured.silences)):
        if found := percentiles(spans):
            lines.append(f"{what}: p50 {found[0]:.0f} ms, p95 {found[1]:.0f} ms ({len(spans)})")
    if count["failure"]:
        lines.append(f"{count['failure']} failures: " + "; ".join(str(e.data.get("part")) for e in call.of("failure")))
    return lines


def waits(call: Recalled, measured: Timing, every: bool = False) -> list[str]:
    """Where the time of the answers went: a table, and with `every` a line for each answer before it."""
    found = steps.of_record(call, measured)
    if not found:
        return []
    return [*(steps.each(found).splitlines() if every else ()), *steps.table(found).splitlines()]


def draw(call: Recalled, measured: Timing) -> Figure:
    """The picture. Nothing is written."""
    rows = min(MOST_ROWS, max(1, math.ceil(call.seconds / ROW_SECONDS - 1e-6)))
    row = max(4.0, call.seconds / rows)
    height = rows * ROW_HEIGHT + 1.1
    figure = Figure(figsize=(WIDTH, height), dpi=DPI)
    renderer = FigureCanvasAgg(figure).get_renderer()
    axes = figure.subplots(rows, 1, squeeze=False)[:, 0]
    figure.subplots_adjust(left=0.055, right=0.99, top=1 - 0.85 / height, bottom=0.4 / height, hspace=0.16)
    _head(figure, call, measured, height)
    loudest = {track: _loudest(call, track) for track in call.tracks}
    for number, ax in enumerate(axes):
        _Row(ax, call, measured, number * row, row, loudest, renderer).draw()
    axes[-1].set_xlabel("seconds")
    return figure


def _head(figure: Figure, call: Recalled, measured: Timing, height: float) -> None:
    inch = 1 / height
    title = call.folder.resolve().name
    figure.text(0.055, 1 - 0.26 * inch, title, size=13, weight="bold", va="center")
    text = "   ·   ".join(summary(call, measured))
    figure.text(0.055, 1 - 0.52 * inch, textwrap.shorten(text, 270), size=8.5, color="#444", va="center")
    names = (("microphone", USER), ("echo cancelled", CLEAN), ("agent", AGENT), ("thinking", THINK), ("ducked", DUCK),
             ("cut in", CUT), ("not answered", REJECT))  # fmt: skip
    figure.legend(
        handles=[Patch(color=colour, label=name) for name, colour in names],
        loc="upper right", bbox_to_anchor=(0.99, 1 - 0.08 * inch), ncol=len(names), frameon=False, handlelength=1.2,
    )  # fmt: skip


def _loudest(call: Recalled, track: str) -> float:
    levels = call.levels(track)
    return max(10 ** (float(np.percentile(levels, 99.5)) / 20) * 3, 0.02) if len(levels) else 1.0


@dataclass(slots=True)
class _Row:
    """One stretch of the call: user above, whose turn in the middle, agent below."""

    ax: Axes
    call: Recalled
    measured: Timing
    begin: float
    seconds: float
    loudest: dict[str, float]
    renderer: Any

    # heights of the lanes
    USER_AT, AGENT_AT, HALF = 1.6, -1.6, 0.95
    TURN_USER, TURN_AGENT, TURN = 0.16, -0.46, 0.30
    WORDS_USER, WORDS_AGENT = 2.65, -2.65

    @property
    def end(self) -> float:
        return self.begin + self.seconds

    def draw(self) -> None:
        self.ax.set(xlim=(self.begin, self.end), ylim=(-3.9, 3.9), yticks=[1.6, -1.6], yticklabels=["user", "agent"])
        self.ax.tick_params(axis="y", length=0)
        self.ax.spines[["top", "right", "left"]].set_visible(False)
        self.ax.grid(axis="x", color="#eceef1", lw=0.7)
        self.ax.set_axisbelow(True)
        self._modes()
        self._wave("mic", USER, self.USER_AT)
        self._wave("clean", CLEAN, self.USER_AT)
        self._wave("speaker", AGENT, self.AGENT_AT)
        self._turns()
        self._latencies()
        if self.seconds <= WORDY:
            self._words()
        self._marks()

    def _wave(self, track: str, colour: str, middle: float) -> None:
        if track not in self.call.tracks:
            return
        samples = self.call.samples(track, self.begin, self.end)
        width = max(1, math.ceil(self.seconds * self.call.rate / 1800))
        count = len(samples) // width
        if not count:
            return
        pieces = samples[: count * width].reshape(count, width) / self.loudest[track]
        times = self.begin + (np.arange(count) + 0.5) * width / self.call.rate
        low, high = np.clip(pieces.min(axis=1), -1, 1), np.clip(pieces.max(axis=1), -1, 1)
        self.ax.fill_between(times, middle + low * self.HALF, middle + high * self.HALF, color=colour, lw=0.4)

    def _modes(self) -> None:
        mode, since = "full", 0.0
        for event in [*self.call.of("mode"), None]:
            until = event.t if event else self.call.seconds
            if mode in MODES and since < self.end and until > self.begin:
                self.ax.axvspan(max(since, self.begin), min(until, self.end), color=MODES[mode], zorder=0)
                self.ax.text(max(since, self.begin), 3.8, f" {mode} duplex", va="top", size=7, color=REJECT)
            if event:
                mode, since = str(event.data.get("duplex")), event.t

    def _turns(self) -> None:
        for opens, closes, at, colour in (
            (("user.started",), ("user.stopped", "user.rejected"), self.TURN_USER, CLEAN),
            (("agent.thinking",), ("agent.started", "agent.stopped"), self.TURN_AGENT, THINK),
            (("agent.started",), ("agent.stopped",), self.TURN_AGENT, AGENT),
            (("agent.ducked",), ("agent.resumed", "agent.stopped"), self.TURN_AGENT, DUCK),
        ):
            self._bars(self._spans(opens, closes), at, colour)

    def _spans(self, opens: tuple[str, ...], closes: tuple[str, ...]) -> list[tuple[float, float]]:
        spans, since = [], None
        for event in self.call.of(*opens, *closes):
            if event.event in opens:
                since = event.t if since is None else since
            elif since is not None:
                spans.append((since, event.t))
                since = None
        return spans if since is None else [*spans, (since, self.call.seconds)]

    def _bars(self, spans: list[tuple[float, float]], at: float, colour: str) -> None:
        seen = [(b, max(e - b, self.seconds / 800)) for b, e in spans if b < self.end and e > self.begin]
        self.ax.broken_barh(seen, (at, self.TURN), facecolors=colour, lw=0)

    def _latencies(self) -> None:
        for spans, at, colour, side in (
            (self.measured.responses, 0.72, "#333", "left"),
            (self.measured.silences, -0.72, CUT, "right"),
        ):
            for span in spans:
                if self.begin <= span.begin < self.end:
                    style = {"arrowstyle": "|-|,widthA=0.18,widthB=0.18", "color": colour, "lw": 0.9}
                    ends = (span.begin, at), (min(span.end, self.end), at)
                    self.ax.annotate("", ends[1], ends[0], arrowprops={**style, "shrinkA": 0, "shrinkB": 0})
                    x = span.end if side == "left" else span.begin
                    told = f" {span.milliseconds:.0f} ms "
                    self.ax.text(x, at, told, ha=side, va="center", size=7, color=colour, clip_on=True)

    def _words(self) -> None:
        above, below = _Words(self, self.WORDS_USER, up=True), _Words(self, self.WORDS_AGENT, up=False)
        begun, agent = None, 0.0
        for event in self.call.of("user.started", "agent.started", "user.said", "user.rejected", "agent.said"):
            text = str(event.data.get("text") or "")
            match event.event:
                case "user.started":
                    begun = event.t if begun is None else begun
                case "agent.started":
                    agent = event.t
                case "user.said":
                    above.put(event.t if begun is None else begun, [(text, CLEAN, False)])
                    begun = None
                case "user.rejected":
                    told = [(f"{event.data.get('reason')}: {text or '-'}", REJECT, False)]
                    told.append((_evidence(event.data.get("evidence")), GREY, False))
                    above.put(event.t if begun is None else begun, told)
                    begun = None
                case "agent.said":
                    below.put(agent, [(text, AGENT, False), (str(event.data.get("unheard") or ""), GREY, True)])
        above.draw()
        below.draw()

    def _marks(self) -> None:
        for event in self.call.of("agent.stopped", "user.rejected", "failure"):
            if not self.begin <= event.t < self.end:
                continue
            if event.event == "failure":
                told = f"▲ {event.data.get('part')}: {event.data.get('what')} ({event.data.get('action')})"
                self.ax.text(event.t, -3.85, textwrap.shorten(told, 70), size=7, color=CUT, clip_on=True)
            elif event.event == "user.rejected":
                self.ax.plot(event.t, self.TURN_USER + self.TURN / 2, "D", ms=4.5, color=REJECT, clip_on=True)
            elif event.data.get("reason") == "interrupted":
                self.ax.vlines(event.t, self.AGENT_AT - self.HALF, self.TURN_USER + self.TURN, color=CUT, lw=1.3)
            elif event.data.get("reason") != "finished":
                told = f"✕ {event.data.get('reason')}"
                self.ax.text(event.t, self.TURN_AGENT + 0.02, told, size=7, color=CUT, clip_on=True)


class _Words:
    """A band of wrapped words, each beginning under its sound, none over the next."""

    LINE, LINES = 0.36, 4

    def __init__(self, row: _Row, at: float, up: bool) -> None:
        self.row, self.at, self.up = row, at, up
        self.blocks: list[tuple[float, list[tuple[str, str, bool]]]] = []

    def put(self, begin: float, parts: list[tuple[str, str, bool]]) -> None:
        """Text, colour and whether it is struck out."""
        parts = [part for part in parts if part[0]]
        if parts and self.blocks and self.blocks[-1][0] == begin:
            self.blocks[-1][1].extend(parts)
        elif parts:
            self.blocks.append((begin, parts))

    def draw(self) -> None:
        row = self.row
        shown = [block for block in self.blocks if row.begin <= block[0] < row.end]
        for (begin, parts), after in zip(shown, [*(block[0] for block in shown[1:]), row.end], strict=False):
            fits, side, x = int((after - begin) / row.seconds * WIDTH * 15.5), "left", begin
            if fits < 40 and after == row.end:  # a turn that goes on in the next row
                fits, side, x = 60, "right", row.end
            fits = max(10, fits)
            lines = [(line, colour, struck) for text, colour, struck in parts for line in _wrap(text, fits)]
            if len(lines) > self.LINES:
                last = lines[self.LINES - 1]
                lines = [*lines[: self.LINES - 1], (last[0][: fits - 1] + "…", last[1], last[2])]
            top = self.at + (len(lines) - 1) * self.LINE if self.up else self.at
            for number, (line, colour, struck) in enumerate(lines):
                self._line(x, top - number * self.LINE, line, colour, struck, side)

    def _line(self, x: float, y: float, line: str, colour: str, struck: bool, side: str) -> None:
        ax = self.row.ax
        text = ax.text(x, y, line, ha=side, size=7.5, color=colour, va="center", clip_on=True)
        if struck:
            box = text.get_window_extent(self.row.renderer).transformed(ax.transData.inverted())
            ax.plot([box.x0, box.x1], [y, y], color=colour, lw=0.9, clip_on=True)


@cache
def _chinese_font() -> bool:
    """Whether this machine has a font for Chinese."""
    return any(each.name in FONTS[1:] for each in font_manager.fontManager.ttflist)


def _wrap(text: str, fits: int) -> list[str]:
    """Lines of at most `fits` columns; Chinese characters take two and need no spaces between words."""
    wide = sum(ord(each) > 0x2E7F for each in text)
    if wide and not _chinese_font():
        text = _pinyin(text)
        wide = 0
    if wide > len(text) / 3:
        step = max(4, fits // 2)
        return [text[at : at + step] for at in range(0, len(text), step)]
    return textwrap.wrap(" ".join(text.split()), fits)


def _pinyin(text: str) -> str:
    """Chinese for a machine that cannot draw its characters."""
    from pypinyin import Style, lazy_pinyin

    plain = text.translate(str.maketrans("。，、！？；：“”", '.,,!?;:""'))
    return re.sub(r" (?=[.,!?;:])", "", " ".join(lazy_pinyin(plain, style=Style.TONE)))


def _evidence(evidence: Any) -> str:
    """The first few numbers of what spoke against a turn."""
    if not isinstance(evidence, dict):
        return ""
    parts = []
    for name, value in list(evidence.items())[:4]:
        parts.append(f"{name} {value:.2f}" if isinstance(value, float) else f"{name} {value}")
    return textwrap.shorten(", ".join(parts), 60)
