"""Subtitles (srt, vtt, ass): what people say in films. Who says it is rarely written down, so turns are a guess."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from echoless.workshop.mind.collect.source import Item, Passed, Source, Wish
from echoless.workshop.mind.form import Message, Talk

KIND = "subtitles"
PAUSE = 8.0
"""Seconds without words after which a new dialogue begins."""
MOST = 30
"""Turns a dialogue."""
_TIMES = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{2})[,.](\d{1,3})\s*-->\s*(?:(\d+):)?(\d{1,2}):(\d{2})[,.](\d{1,3})")
_CLOCK = re.compile(r"(\d+):(\d{2}):(\d{2})[.:](\d{2})")
_VOICE = re.compile(r"<v(?:\.[^ >]*)? ([^>]+)>")
_TAGS = re.compile(r"<[^<>]{0,80}>|\{[^{}]{0,200}\}")
_NOISE = re.compile(r"\[[^\[\]]{0,80}\]|\([^()]{0,80}\)|（[^（）]{0,80}）|【[^【】]{0,80}】|[♪♫#].*?(?:[♪♫#]|$)")
_NAMED = re.compile(r"^([A-Z][A-Z .'-]{1,24}|[\u4e00-\u9fff·]{1,6}(?=：)):?：?\s+(?=\S)|^([\u4e00-\u9fff·]{1,6})：")
_DASH = re.compile(r"^\s*[-‐–—]\s*")
_CREDITS = re.compile(
    r"(?i)\b(?:subtitles?|captions?|synced|sync(?:hroni[sz]ed)?|translat(?:ed|ion)) by\b|字幕|www\.|https?:"
)
_ENDS = re.compile(r"[.!?…。！？~～][\"'”’」』）)]*$")


@dataclass(frozen=True, slots=True)
class Cue:
    """Words on the screen from `start` to `end`, in seconds; `speaker` where the file says."""

    start: float
    end: float
    text: str
    speaker: str = ""


def read(source: Source, wish: Wish) -> Iterator[Item]:
    """Dialogues of a film: a speaker's name or a dash begins a turn, else the end of a sentence does."""
    cues = _ass(source) if source.suffix in (".ass", ".ssa") else _srt(source)
    turns: list[Message] = []
    last = None
    for cue in cues:
        if turns and last is not None and (cue.start - last > PAUSE or cue.start < last - 60 or len(turns) >= MOST):
            yield from _dialogue(turns, source, wish)
            turns = []
        _add(turns, cue)
        last = cue.end
    yield from _dialogue(turns, source, wish)


def _add(turns: list[Message], cue: Cue) -> None:
    lines = [line for line in cue.text.split("\n") if line.strip()]
    dashed = sum(bool(_DASH.match(line)) for line in lines) > 0
    pieces = lines if dashed else [" ".join(lines)]
    for piece in pieces:
        text, speaker = _DASH.sub("", piece).strip(), cue.speaker
        if named := _NAMED.match(text):
            speaker, text = (named[1] or named[2]).strip(" :"), text[named.end() :].strip()
        if not any(c.isalnum() for c in text):
            continue
        goes_on = turns and (
            (speaker and turns[-1].speaker == speaker)
            or (not speaker and not dashed and not _ENDS.search(turns[-1].text))
        )
        if goes_on:
            turns[-1] = Message(turns[-1].role, f"{turns[-1].text} {text}", turns[-1].speaker)
        else:
            turns.append(Message("assistant" if len(turns) % 2 else "user", text, speaker))


def _dialogue(turns: list[Message], source: Source, wish: Wish) -> Iterator[Item]:
    if len(turns) > 1:
        yield Talk(tuple(turns), source.name, KIND, licence=wish.licence)
    elif turns:
        yield Passed("only one side speaks")


def _srt(source: Source) -> Iterator[Cue]:
    times, text = None, list[str]()
    for _, raw in source.lines():
        line = (raw or "").strip()
        if found := _TIMES.search(line):
            if text and text[-1].isdigit():
                text.pop()  # the number of this cue, where no empty line stands before it
            yield from _cue(times, text)
            times, text = (_seconds(*found.group(1, 2, 3, 4)), _seconds(*found.group(5, 6, 7, 8))), []
        elif line and times and len(text) < 20:
            text.append(line)
        elif not line:
            yield from _cue(times, text)
            times, text = None, []
    yield from _cue(times, text)


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str) -> float:
    return 3600 * int(hours or 0) + 60 * int(minutes) + int(seconds) + float(f"0.{fraction}")


def _cue(times: tuple[float, float] | None, text: list[str]) -> Iterator[Cue]:
    whole = "\n".join(text)
    if not times or not whole or _CREDITS.search(whole):
        return
    voice = _VOICE.search(whole)
    bare = _NOISE.sub("", _TAGS.sub("", whole)).strip()
    if bare:
        yield Cue(*times, bare, voice[1].strip() if voice else "")


def _ass(source: Source) -> Iterator[Cue]:
    columns = ["Layer", "Start", "End", "Style", "Name", "MarginL", "MarginR", "MarginV", "Effect", "Text"]
    events = False
    for _, raw in source.lines():
        line = (raw or "").strip()
        if line.startswith("["):
            events = line.lower() == "[events]"
        elif events and line.lower().startswith("format:"):
            columns = [name.strip() for name in line.partition(":")[2].split(",")]
        elif events and line.lower().startswith("dialogue:"):
            parts = line.partition(":")[2].strip().split(",", len(columns) - 1)
            row = dict(zip(columns, parts, strict=False))
            start, end = (_CLOCK.search(row.get(name, "")) for name in ("Start", "End"))
            text = row.get("Text", "").replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
            if start and end and "\\p1" not in text:
                times = (_seconds(*start.group(1, 2, 3, 4)), _seconds(*end.group(1, 2, 3, 4)))
                for cue in _cue(times, text.split("\n")):
                    yield Cue(cue.start, cue.end, cue.text, cue.speaker or row.get("Name", "").strip())


def begins(head: str) -> bool:
    """Whether a text begins with the times of a subtitle or the header of an ASS file."""
    return bool(_TIMES.search(head[:400])) or head.startswith("[Script Info]")
