"""Takes recordings over a line: a sentence is shown, the voice is waited for, and its end is heard by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from echoless.ears.vad import VoiceActivity
from echoless.frames import BLOCK_SECONDS, RATE, Samples
from echoless.lines.door import Line, LineError
from echoless.workshop.voice.dataset import DataSet
from echoless.workshop.voice.dataset import Line as Row
from echoless.workshop.voice.errors import WorkshopError
from echoless.workshop.voice.quality import Quality, measure

LONGEST = 25.0
"""Seconds of one take."""
PATIENCE = 12.0
"""Seconds that the first word is waited for."""
PAUSE = 1.1
"""Seconds of silence that end a take."""
KEEP_BEFORE, KEEP_AFTER = 0.25, 0.35
CONSENT = {
    "en": "I agree that a synthetic voice is made from these recordings of mine.",
    "zh": "我同意用我的这些录音制作合成语音。",
}


@dataclass(frozen=True, slots=True)
class Take:
    """One recording, float32 at 16 kHz, its ends trimmed."""

    sound: Samples
    quality: Quality


class Studio:
    """Records over `line`, which is open. `level` is told the microphone's peak (0..1) each block."""

    def __init__(self, line: Line, level: Callable[[float], None] = lambda peak: None) -> None:
        self.line, self._level = line, level
        self._quiet = np.zeros(line.traits.block, np.float32)

    async def take(self, longest: float = LONGEST, pause: float = PAUSE) -> Take:
        """Wait for a voice, and record it until it falls silent. Raises LineError, WorkshopError."""
        hears = VoiceActivity()
        blocks: list[Samples] = []
        first = last = None
        while len(blocks) * BLOCK_SECONDS < longest + (PATIENCE if first is None else 0.0):
            block = await self.line.exchange(self._quiet)
            if block is None or (getattr(self.line, "ended", False) and last is None and blocks):
                break
            blocks.append(block.microphone)
            self._level(float(np.abs(block.microphone).max()))
            if len(blocks) % 2:
                continue
            if hears(np.concatenate(blocks[-2:])) > 0.5:
                first, last = len(blocks) - 2 if first is None else first, len(blocks)
            elif (len(blocks) - (last or 0)) * BLOCK_SECONDS > (PATIENCE if last is None else pause):
                break
        if first is None or last is None:
            raise WorkshopError("nothing was heard: is the microphone on, and the right one (--device)?")
        begin = max(0, first - round(KEEP_BEFORE / BLOCK_SECONDS))
        sound = np.concatenate(blocks[begin : last + round(KEEP_AFTER / BLOCK_SECONDS)])
        return Take(sound, measure(sound))


Choose = Callable[[Row, Take, list[str]], str]
"""What becomes of a take with these faults: `keep`, `again`, `skip` or `quit`."""
Show = Callable[[str, int, int], None]
"""A sentence to read, its number, and how many there are."""


async def record(data: DataSet, prompts: list[str], studio: Studio, show: Show, choose: Choose) -> int:
    """Record what of `prompts` is not there yet; how many were kept. Raises LineError, WorkshopError."""
    kept = 0
    language = data.about.language
    if not data.consent.exists():
        sentence = CONSENT.get(language, CONSENT["en"])
        show(sentence, 0, len(prompts))
        take = await studio.take()
        save(data.consent, take.sound)
        data.about.consent = sentence
        data.about.steps.append("recorded over a line at 16 kHz")
        data.save()
    there = {each.id for each in data.lines if data.wav(each).is_file()}
    for number, prompt in enumerate(prompts, 1):
        row = Row(f"{language}{number:04d}", prompt)
        if row.id in there:
            continue
        answer = "again"
        while answer == "again":
            show(prompt, number, len(prompts))
            try:
                take = await studio.take()
            except WorkshopError:
                if getattr(studio.line, "ended", False):
                    return kept
                raise
            answer = choose(row, take, take.quality.faults())
        if answer == "quit":
            return kept
        if answer == "keep":
            save(data.wav(row), take.sound)
            data.add(row)
            kept += 1
    return kept


def save(path: Path, sound: Samples, rate: int = RATE) -> None:
    """A 16-bit WAV, whole or not at all. Raises WorkshopError."""
    part = path.with_name(path.name + ".part")
    try:
        soundfile.write(part, sound, rate, subtype="PCM_16", format="WAV")
        part.replace(path)
    except (OSError, RuntimeError) as error:  # libsndfile's errors are RuntimeErrors
        part.unlink(missing_ok=True)
        raise WorkshopError(f"{path} cannot be written ({error}): is the disk full?") from None


def read_prompts(name: str) -> list[str]:
    """The sentences of a script: `en`, `zh`, or a text file with one a line. Raises WorkshopError."""
    ours = Path(__file__).with_name("scripts") / f"{name}.txt"
    path = ours if ours.is_file() else Path(name).expanduser()
    try:
        rows = [row.strip() for row in path.read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        raise WorkshopError(f"--script {name}: it is en, zh, or a text file with one sentence a line") from None
    except (OSError, UnicodeDecodeError) as error:
        raise WorkshopError(f"{path} cannot be read as text: {error}") from None
    prompts = [row for row in rows if row and not row.startswith("#")]
    if not prompts or max(map(len, prompts)) > 400:
        raise WorkshopError(f"{path}: one sentence of at most 400 characters a line is wanted")
    return prompts


async def listen(line: Line, seconds: float) -> Samples:
    """Just so many seconds of the microphone, float32 at 16 kHz. Raises LineError."""
    quiet = np.zeros(line.traits.block, np.float32)
    blocks = []
    for _ in range(round(seconds / BLOCK_SECONDS)):
        block = await line.exchange(quiet)
        if block is None:
            raise LineError("the microphone went away while it was recorded: plug it in again")
        blocks.append(block.microphone)
    return np.concatenate(blocks)
