"""Silences of real people, as the ears get to hear them: where a turn ended, and where it only paused.

Every recording in `shared/speech` of a person who says sentences ends once and pauses as often as Silero hears it
pause (0.1 s or more, inside it). Each silence is followed by the recording's own background, so that whoever is asked
can be asked again as it grows. `noise` adds a kitchen at 15 dB, `echo` the agent's voice under the first 1.2 s.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

from echoless.ears.door import Recogniser
from echoless.ears.smart_turn import SmartTurn
from echoless.ears.vad import CHUNK, VoiceActivity
from echoless.ears.words import is_han
from echoless.frames import RATE, Samples

FOLDERS = ("librispeech_test_other", "librispeech_train_clean", "cmu_arctic", "jfk", "picovoice_barista", "aishell1",
           "zh_misc")  # fmt: skip
CONDITIONS = ("clean", "noise", "echo")
TAILS = (0.1, 0.4, 0.8)
"""Seconds of silence after which the voice is asked about."""
KEEP = 0.35
"""Silero's probability over which speech goes on, as in the listener."""
SHORTEST = 3 * CHUNK
MOST = 5
"""Pauses taken of one recording."""
UNDER = 10 ** (-15 / 20)


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence after speech. `pause` is its length in seconds, None where the turn ended; `late`: seconds after its
    beginning until Silero fell silent. `sounds`: Smart Turn's probability after each of `TAILS` seconds."""

    condition: str
    file: str
    person: str
    text: str
    pause: float | None
    late: float
    sounds: tuple[float, ...]

    @property
    def manner(self) -> str:
        """Orders said to a machine, texts read aloud, or Mandarin (read aloud)."""
        if self.person.startswith("pvb"):
            return "said to a machine"
        return "Mandarin, read" if is_han(self.text) else "read aloud"


def load(file: Path) -> list[Silence]:
    """What `gather` kept in `file`."""
    lines = file.read_text("utf-8").splitlines()
    return [Silence(**{**row, "sounds": tuple(row["sounds"])}) for line in lines for row in json.loads(line)]


def gather(
    shared: Path, condition: str, keep: Path, recogniser: Recogniser, voice: SmartTurn, budget: float = 1e9
) -> Iterator[tuple[int, int]]:
    """Add to `keep`, a line of JSON a recording, what is not in it yet; (done, of) after each. Stops after `budget`
    seconds: run it again to go on."""
    begun = time.monotonic()
    done = {row["file"] for line in _lines(keep) for row in json.loads(line) if row["condition"] == condition}
    rows = _rows(shared)
    order = np.random.default_rng(0).permutation(len(rows)).tolist()
    for number, place in enumerate(order):
        row = rows[place]
        if row["file"] in done:
            continue
        if time.monotonic() - begun > budget:
            return
        found = list(silences(shared, row, condition, np.random.default_rng(place), recogniser, voice))
        with keep.open("a", encoding="utf-8") as file:
            file.write(json.dumps([asdict(each) for each in found], ensure_ascii=False) + "\n")
        yield number + 1, len(rows)


def _lines(keep: Path) -> list[str]:
    return keep.read_text("utf-8").splitlines() if keep.is_file() else []


def _rows(shared: Path) -> list[dict[str, str]]:
    with (shared / "INDEX.tsv").open(encoding="utf-8", newline="") as index:
        rows = csv.DictReader(index, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [row for row in rows if row["file"].split("/")[0] in FOLDERS and float(row["seconds"]) > 1.5]


def read(file: Path) -> Samples:
    """A recording at 16 kHz."""
    sound, rate = sf.read(file, dtype="float32")
    return soxr.resample(sound, rate, RATE).astype(np.float32)


def silences(
    shared: Path,
    row: dict[str, str],
    condition: str,
    rng: np.random.Generator,
    recogniser: Recogniser,
    voice: SmartTurn,
) -> Iterator[Silence]:
    """The end of one recording and the pauses in it."""
    sound = read(shared / row["file"])
    first, last = speech(sound)
    hush = background(sound)
    ends: list[tuple[int, float | None]] = [(last, None), *pauses(sound, first, last)[:MOST]]
    for end, pause in ends:
        heard = np.concatenate([sound[:end], fill(hush, 3 * RATE, rng)])
        heard = heard + unwanted(shared, condition, heard[:end], len(heard), rng)
        silent = silent_from(heard, end)
        before = heard[: silent + round(TAILS[0] * RATE)]
        if row["language"] == "zh":  # no recogniser for it here: the share of the text that the share of time holds
            text = row["transcript"][: round(len(row["transcript"]) * (end - first) / (last - first))]
        else:
            text = recogniser.transcribe(before[-28 * RATE :]).text
        sounds = [voice.sounds_finished(heard[: silent + round(tail * RATE)]) for tail in TAILS]
        yield Silence(condition, row["file"], row["speaker_id"], text, pause, (silent - end) / RATE,
                      tuple(round(each, 4) for each in sounds))  # fmt: skip


def pauses(sound: Samples, first: int, last: int) -> list[tuple[int, float | None]]:
    """The silences that Silero hears between the samples `first` and `last`: sample and length in seconds."""
    activity = VoiceActivity()
    starts = range(0, len(sound) - CHUNK + 1, CHUNK)
    voiced = [activity(sound[at : at + CHUNK]) > KEEP for at in starts]
    found: list[tuple[int, float | None]] = []
    edge = 0
    for place, here in enumerate(voiced):
        begin, end = edge * CHUNK, place * CHUNK
        if here:
            if end - begin >= SHORTEST and begin > first + RATE // 2 and end < last:
                found.append((begin, (end - begin) / RATE))
            edge = place + 1
    return found


def unwanted(shared: Path, condition: str, spoken: Samples, length: int, rng: np.random.Generator) -> Samples:
    """What the microphone hears besides, 15 dB under `spoken`."""
    other = np.zeros(length, np.float32)
    if condition == "noise":
        name = str(rng.choice(["kitchen", "sc_doing_the_dishes", "sb_noise1"]))
        noise = read(shared / "noise" / f"{name}.wav")
        other = np.roll(np.resize(noise, max(length, len(noise))), int(rng.integers(len(noise))))[:length]
    elif condition == "echo":
        agent = read(shared / "ljspeech" / f"LJ001-00{rng.choice(['03', '18', '25'])}.wav")
        room = read(shared / "rir" / f"sb_rir{rng.choice([1, 2])}.wav")
        size = min(round(1.2 * RATE), length)
        at = int(rng.integers(len(agent) - size))
        other[:size] = np.convolve(agent[at : at + size], room)[:size]
    return (other * (_level(spoken) / (_level(other) + 1e-9) * UNDER)).astype(np.float32)


def _level(sound: Samples) -> float:
    """Root mean square of the loud part."""
    power = power_of(sound)
    return float(np.sqrt(np.mean(10 ** (power[power > power.max() - 25] / 10))))


def power_of(sound: Samples) -> np.ndarray:
    """dB of each 10 ms."""
    frames = sound[: len(sound) // 160 * 160].reshape(-1, 160).astype(np.float64)
    return np.asarray(10 * np.log10(np.mean(frames**2, axis=1) + 1e-10))


def speech(sound: Samples) -> tuple[int, int]:
    """First and last sample of speech: frames within 30 dB of the loud ones and 10 dB over the background."""
    power = power_of(sound)
    top, floor = np.percentile(power, 95), np.percentile(power, 2)
    loud = np.flatnonzero(power > max(top - 30, min(floor + 10, top - 12)))
    return int(loud[0]) * 160, int(loud[-1] + 1) * 160


def background(sound: Samples) -> Samples:
    """The quietest 0.2 s of a recording."""
    power = np.convolve(power_of(sound), np.ones(20), "valid")
    at = int(np.argmin(power)) * 160
    return sound[at : at + RATE // 5]


def fill(hush: Samples, samples: int, rng: np.random.Generator) -> Samples:
    """Background of any length: pieces of `hush`, each turned about or not, faded into each other."""
    fade = len(hush) // 4
    ramp = np.sqrt(np.linspace(0, 1, fade, dtype=np.float32))
    out = np.zeros(samples + 2 * len(hush), np.float32)
    for at in range(0, samples + fade, len(hush) - fade):
        piece = (hush[::-1] if rng.random() < 0.5 else hush).copy()
        piece[:fade] *= ramp
        piece[-fade:] *= ramp[::-1]
        out[at : at + len(hush)] += piece
    return out[fade : fade + samples]


def silent_from(sound: Samples, end: int) -> int:
    """The sample after the last chunk that Silero calls speech, at a silence that begins at `end`."""
    activity = VoiceActivity()
    last = end
    for at in range(0, len(sound) - CHUNK + 1, CHUNK):
        voiced = activity(sound[at : at + CHUNK]) > KEEP
        if voiced:
            last = at + CHUNK
        elif at > end and at - last >= 4 * CHUNK:
            break
    return last
