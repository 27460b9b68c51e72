"""How quick a conversation is, on the embedded defaults, over files at real pace, with recorded people.

    python -m echoless.bench.talk [--turns 12] [--seed 0] [--virtual] [--json FILE] [-- any setting as NAME=VALUE]

With --virtual the same ears, floor and playback in virtual time, every engine charged a fixed price, with a scripted
mind and espeak-ng: it repeats exactly, and a busy machine does not matter.

Each question is followed by ten seconds for the answer; every third answer is cut into. Times are read off the two
sound files; only the split of the wait into its parts comes from inside. Compare runs on one machine, at one time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from echoless import steps
from echoless.bench.script import Said, compose
from echoless.catalogue import pulled
from echoless.frames import Chunk, Event, Samples, Turn
from echoless.house import Prepared, open_call, open_ears, open_line, spoken_in, wire
from echoless.mind.scripted import ScriptedMind
from echoless.rooms.cast import EACH, FIRST
from echoless.rooms.rehearse import kept_recogniser
from echoless.rooms.virtual import VirtualMeter, run_virtual
from echoless.settings import Settings, load
from echoless.talk import Call
from echoless.voice.choose import open_voice

AUDIBLE_DB = -50.0


@dataclass
class Figures:
    """What one run measured; times in milliseconds."""

    response: list[float] = field(default_factory=list)
    turn_end: list[float] = field(default_factory=list)
    recognise: list[float] = field(default_factory=list)
    first_token: list[float] = field(default_factory=list)
    first_audio: list[float] = field(default_factory=list)
    silence: list[float] = field(default_factory=list)
    unanswered: int = 0
    unnoticed: int = 0
    hesitations: int = 0
    cut_off: int = 0
    answers: list[steps.Answer] = field(default_factory=list)
    start_to_listening: float = 0.0
    cpu_seconds_a_minute: float = 0.0
    peak_megabytes: float = 0.0


class Stopwatch:
    """Times from a request to its first result, by part."""

    def __init__(self) -> None:
        self.first: dict[str, list[float]] = {"token": [], "audio": []}

    def mind(self, reply: Callable[[Sequence[Turn]], AsyncIterator[str]]) -> Callable[..., AsyncIterator[str]]:
        async def timed(turns: Sequence[Turn]) -> AsyncIterator[str]:
            begun = time.perf_counter()
            waiting = True
            async with contextlib.aclosing(reply(turns)) as pieces:  # type: ignore[type-var]
                async for piece in pieces:
                    if waiting:
                        self.first["token"].append(1000 * (time.perf_counter() - begun))
                        waiting = False
                    yield piece

        return timed

    def voice(self, speak: Callable[[str], Iterator[Chunk]]) -> Callable[[str], Iterator[Chunk]]:
        def timed(text: str) -> Iterator[Chunk]:
            begun = time.perf_counter()
            for number, chunk in enumerate(speak(text)):
                if number == 0:
                    self.first["audio"].append(1000 * (time.perf_counter() - begun))
                yield chunk

        return timed


def audible(sound: Samples, rate: int) -> np.ndarray:
    """Whether each 10 ms frame is over -50 dBFS."""
    frame = rate // 100
    frames = sound[: len(sound) // frame * frame].reshape(-1, frame)
    return 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12) > AUDIBLE_DB


def measure(said: Sequence[Said], out: Path, events: Sequence[Event], figures: Figures) -> None:
    """Read the latencies off the agent's side of the call."""
    sound, rate = soundfile.read(out, dtype="float32")
    heard = audible(sound, rate)
    for number, each in enumerate(said):
        until = said[number + 1].begin if number + 1 < len(said) else len(heard) / 100
        if each.cuts_in:
            _silence(each, heard, figures)
        for begin, end in each.pauses:
            figures.hesitations += 1
            figures.cut_off += bool(heard[round(begin * 100) + 2 : round(end * 100)].any())
        answer = np.flatnonzero(heard[round(each.end * 100) : round(until * 100)])
        if not len(answer):
            figures.unanswered += 1
            continue
        figures.response.append(10.0 * float(answer[0]))
        ends = [e.t for e in events if e.event == "user.said" and each.end < e.t < until]
        if ends:
            figures.turn_end.append(1000 * (ends[0] - each.end))


def _silence(each: Said, heard: np.ndarray, figures: Figures) -> None:
    """From the first sound of an interruption until the agent is silent for half a second."""
    at = round(each.begin * 100)
    if not heard[max(0, at - 60) : at].any():
        return  # the agent had finished already: nothing to cut into
    for frame in range(at, min(at + 300, len(heard) - 50)):
        if not heard[frame : frame + 50].any():
            figures.silence.append(10.0 * (frame - at))
            return
    figures.unnoticed += 1


@asynccontextmanager
async def live(settings: Settings) -> AsyncIterator[Call]:
    """The embedded defaults, as they are."""
    async with open_call(settings, tell=lambda line: print(line, file=sys.stderr)) as call:
        yield call


@asynccontextmanager
async def virtual(settings: Settings) -> AsyncIterator[Call]:
    """The same in virtual time: a scripted mind, espeak-ng, and the rehearsals' fixed prices."""
    with ExitStack() as stack:
        meter = VirtualMeter("fixed", local=("think",))
        line = open_line(settings, lambda what: None)
        await line.open()
        ears = open_ears(settings, meter, line, prepared=Prepared(kept_recogniser(spoken_in(settings))))
        stack.callback(ears.close)
        mind = ScriptedMind(0, language=settings.language, first=FIRST, pace=EACH)
        voice = open_voice("espeak", settings.language, settings.voice_speed, pulled)
        call = wire(settings, line, ears, mind, voice, meter, lambda *what: print(*what, file=sys.stderr))
        stack.callback(call.speaker.close)
        yield call
        await line.aclose()


Opened = Callable[[Settings], AbstractAsyncContextManager[Call]]


async def hold(said: Sequence[Said], mic: Path, out: Path, settings: dict[str, Any], opened: Opened = live) -> Figures:
    """One conversation over files; its figures."""
    figures = Figures()
    begun = time.perf_counter()
    loaded = load({"microphone": mic, "loudspeaker": out, "pace": "real", **settings})
    events: list[Event] = []
    async with opened(loaded.settings) as call:
        figures.start_to_listening = time.perf_counter() - begun
        watch = Stopwatch()
        _instrument(call, watch)
        call.subscribe(events.append)
        await call.run()
        figures.recognise = [1000 * seconds for seconds in call.meter.spent["recognise"]]
    figures.first_token, figures.first_audio = watch.first["token"], watch.first["audio"]
    measure(said, out, events, figures)
    until = [*(each.begin for each in said[1:]), soundfile.info(out).duration]
    figures.answers = steps.answers(((each.end, at) for each, at in zip(said, until, strict=True)), events)
    return figures


def _instrument(call: Call, watch: Stopwatch) -> None:
    call.mind.reply = watch.mind(call.mind.reply)  # type: ignore[method-assign]
    voice = call.speaker.voice
    voice.speak = watch.voice(voice.speak)  # type: ignore[method-assign,assignment]


def cpu_seconds() -> float:
    """CPU time of this process and of those it has ended, in seconds."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def table(figures: Figures) -> str:
    """The figures as Markdown."""
    rows = ["| | p50 | p95 | n |", "|---|---|---|---|"]
    names = {
        "response": "last sample → first audible sample, ms",
        "turn_end": "· of it until the turn had ended, ms",
        "recognise": "· one recognition, ms",
        "first_token": "· first token, ms",
        "first_audio": "· first audio of a sentence, ms",
        "silence": "interruption → silence, ms",
    }
    for name, title in names.items():
        values = getattr(figures, name)
        p50, p95 = np.percentile(values, [50, 95]) if values else (np.nan, np.nan)
        rows.append(f"| {title} | {p50:.0f} | {p95:.0f} | {len(values)} |")
    share = f"{figures.cut_off} of {figures.hesitations}"
    rows += [
        f"| hesitations cut off | {share} | | |",
        f"| unanswered, interruptions unnoticed | {figures.unanswered}, {figures.unnoticed} | | |",
        f"| start to listening, s | {figures.start_to_listening:.1f} | | |",
        f"| CPU seconds a minute of conversation | {figures.cpu_seconds_a_minute:.1f} | | |",
        f"| peak memory, MB (largest process) | {figures.peak_megabytes:.0f} | | |",
    ]
    return "\n".join(rows)


def main() -> None:
    """Compose, hold, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=12, help="questions to ask")
    parser.add_argument("--seed", type=int, default=0, help="which recordings, which pauses")
    parser.add_argument("--virtual", action="store_true", help="in virtual time, at fixed prices")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    parser.add_argument("settings", nargs="*", help="settings as NAME=VALUE, see 'echoless config'")
    given = parser.parse_args()
    settings = dict(each.split("=", 1) for each in given.settings)
    with tempfile.TemporaryDirectory(prefix="echoless-bench-") as folder:
        mic, out = Path(folder) / "mic.wav", Path(folder) / "out.wav"
        said = compose(given.turns, given.seed, mic)
        before = cpu_seconds()
        if given.virtual:
            figures = run_virtual(hold(said, mic, out, settings, virtual))
        else:
            figures = asyncio.run(hold(said, mic, out, settings))
        minutes = soundfile.info(mic).duration / 60
        figures.cpu_seconds_a_minute = (cpu_seconds() - before) / minutes
    usage = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    figures.peak_megabytes = max(usage) / (1024 * 1024 if sys.platform == "darwin" else 1024)
    print(table(figures), steps.table(figures.answers), sep="\n\n")
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(asdict(figures), indent=1), "utf-8")


if __name__ == "__main__":
    main()
