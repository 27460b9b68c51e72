"""Is a data set good enough to train on? Every recording measured, its words against the recogniser's."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rapidfuzz.distance import Levenshtein

from echoless.ears.door import Recogniser
from echoless.ears.voiceprint import ENROLLED, Encoder, VoiceprintError, similarity, speech_of, threshold
from echoless.frames import RATE
from echoless.workshop.voice.dataset import DataSet, Line
from echoless.workshop.voice.errors import WorkshopError
from echoless.workshop.voice.quality import Quality, measure
from echoless.workshop.voiceprint.sound import read

LEAST = 20.0
"""Seconds of speech under which a data set is not looked at any further."""
WRONG = 0.34
"""Word error rate from which on a recording is to be done again."""
CONSENT = "consent"
"""What the spoken consent goes by in a report: its words and its voice are looked at as well."""
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Row:
    """One recording and what was found. `errors` is its word error rate, None where nothing recognised it."""

    line: Line
    quality: Quality | None
    heard: str
    errors: float | None
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A whole data set."""

    rows: tuple[Row, ...]
    speech: float
    alike: float
    """The least similarity of a recording to the others, 1 where there is nothing to compare."""

    @property
    def again(self) -> list[Row]:
        return [row for row in self.rows if row.faults]

    def text(self) -> str:
        """For people: a table in markdown, and what to record again."""
        good = [row for row in self.rows if row.quality]
        count = sum(row.line.id != CONSENT for row in self.rows)
        head = f"{count} recordings, {self.speech / 60:.1f} minutes of speech"
        table = ["| id | s | level dBFS | peak | SNR dB | dies away s | WER % |", "|---|---|---|---|---|---|---|"]
        for row in good:
            q = row.quality
            assert q is not None
            errors = "-" if row.errors is None else f"{100 * row.errors:.0f}"
            figures = (f"{q.seconds:.1f}", f"{q.level:.0f}", f"{q.peak:.0f}", f"{q.snr:.0f}", f"{q.decay:.2f}", errors)
            table.append(f"| {row.line.id} | {' | '.join(figures)} |")
        again = [f'- {row.line.id} "{row.line.text}": {"; ".join(row.faults)}' for row in self.again]
        closing = (
            ["", "Record again (delete the WAV, run 'record' again):", *again]
            if again
            else ["", "Nothing to record again."]
        )
        return "\n".join([head, "", *table, *closing]) + "\n"


def check(data: DataSet, recogniser: Recogniser | None, tell: Tell = lambda what: None) -> Report:
    """Look at every recording. Raises WorkshopError where it is hopeless as a whole."""
    if not data.lines:
        raise WorkshopError(f"{data.folder} has no recordings yet: echoless voice record --out {data.folder}")
    encoder = Encoder()
    language = data.about.language
    rows, voices = [], []
    for number, line in enumerate(data.lines, 1):
        if number % 10 == 0:
            tell(f"{number} of {len(data.lines)}")
        row, voice = _one(line, data.wav(line), language, recogniser, encoder)
        rows.append(row)
        voices.append(voice)
    speech = sum(row.quality.speech for row in rows if row.quality)
    if not any(row.quality for row in rows):
        raise WorkshopError(f"none of the recordings of {data.folder} can be read: {rows[0].faults[0]}")
    if speech < 1.0:
        raise WorkshopError(f"{data.folder}: nobody speaks in any of the recordings; was the microphone on?")
    if speech < LEAST:
        raise WorkshopError(
            f"{data.folder} holds only {speech:.0f} s of speech: {LEAST:.0f} s at the very least, 30 minutes to train"
        )
    _language(data, rows)
    if data.about.consent:
        row, voice = _one(Line(CONSENT, data.about.consent), data.consent, language, recogniser, encoder)
        rows.append(row)
        voices.append(voice)
    rows, alike = _one_voice(rows, voices)
    return Report(tuple(rows), speech, alike)


def _one(line: Line, path: Path, language: str, recogniser: Recogniser | None, encoder: Encoder):  # type: ignore[no-untyped-def]
    try:
        sound = read(path)
    except VoiceprintError as error:
        return Row(line, None, "", None, (str(error),)), None
    quality = measure(sound)
    faults = quality.faults()
    heard, errors = "", None
    if recogniser and quality.speech >= 0.3:
        heard = recogniser.transcribe(sound[: 30 * RATE], language).text
        errors = word_errors(line.text, heard)
        if errors > WRONG:
            faults.append(f'heard as "{heard}"')
    speech = speech_of(sound)
    voice = encoder.embed(speech) if len(speech) >= RATE else None
    return Row(line, quality, heard, errors, tuple(faults)), (voice, len(speech) / RATE) if voice is not None else None


def _language(data: DataSet, rows: list[Row]) -> None:
    rates = [row.errors for row in rows if row.errors is not None]
    usual = float(np.median(rates)) if len(rates) >= 3 else 0.0
    if usual > 0.8:
        raise WorkshopError(
            f"{data.folder}: the words are not those of its texts (word error rate {100 * usual:.0f} %): wrong "
            f"language ({data.about.language} in about.json), or texts and WAVs mixed up"
        )


def _one_voice(rows: list[Row], voices: list):  # type: ignore[type-arg, no-untyped-def]
    """Marks recordings that do not sound like the others."""
    known = [voice for voice, _ in filter(None, voices)]
    if len(known) < 4:
        return rows, 1.0
    total, marked, least = np.sum(known, axis=0), [], 1.0
    for row, each in zip(rows, voices, strict=True):
        if each is not None:
            others = total - each[0]
            alike = similarity(each[0], (others / np.linalg.norm(others)).astype(np.float32))
            least = min(least, alike)
            if alike < threshold(each[1], ENROLLED):
                row = Row(row.line, row.quality, row.heard, row.errors, (*row.faults, f"another voice? ({alike:.2f})"))
        marked.append(row)
    return marked, least


def word_errors(said: str, heard: str) -> float:
    """Word error rate; character error rate where words are not written apart."""
    one, other = words(said), words(heard)
    return Levenshtein.distance(one, other) / max(1, len(one))


def words(text: str) -> list[str]:
    """What is counted: words in lower case without their marks, Han characters one by one."""
    text = unicodedata.normalize("NFKC", text).lower().replace("'", "")
    return re.findall(r"[一-鿿]|[^\W一-鿿]+", text)


def write(report: Report, folder: Path) -> Path:
    """check.md beside the data set. Raises WorkshopError."""
    path = folder / "check.md"
    try:
        path.write_text(report.text(), encoding="utf-8")
    except OSError as error:
        raise WorkshopError(f"{path} cannot be written: {error.strerror}") from None
    return path
