"""Who speaks? Speaker embeddings on the ears' own sound, without torch.

The network is Resemblyzer's encoder (Apache-2.0; generalised end-to-end loss: Wan et al., ICASSP 2018) as ONNX, see
voiceprint.md; `workshop.voiceprint.export` made it. Its mel front-end is done here in numpy. What is measured of it,
thresholds included, comes from `echoless voiceprint calibrate` and stands in docs/your-own-voice.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft

from echoless.ears.onnx import one_thread
from echoless.ears.vad import CHUNK, VoiceActivity
from echoless.frames import RATE, Samples

Embedding = NDArray[np.float32]
"""float32 (256,), length 1, no element negative: so that similarities lie in 0..1."""

MODEL = Path(__file__).parent / "voiceprint.onnx"
ME = "me"
"""The name that the agent's own voice goes by; no person may have it."""
WINDOW = 160
"""Mel frames (1.6 s) of one pass through the network, as it was trained."""
SHORTEST = 0.4
"""Seconds of speech under which nobody can be told."""
_STEP = 77
"""Frames between two windows: 1.3 a second, as Resemblyzer does it."""
_FFT, _HOP, _BANDS = 400, 160, 40
_LOUDNESS = 10 ** (-24 / 20)
_SPEECH = 0.5


class VoiceprintError(Exception):
    """No voiceprint can be made or kept. One line that says what to do."""


# --- the front-end ----------------------------------------------------------------------------------------------


def mel(sound: Samples) -> NDArray[np.float32]:
    """Power mel spectrogram, (1 + samples // 160, 40): 25 ms Hann windows, 10 ms apart, centred; no logarithm.

    The same as `librosa.feature.melspectrogram(n_fft=400, hop_length=160, n_mels=40)`: Slaney's scale and area.
    """
    padded = np.pad(sound.astype(np.float32), _FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::_HOP]
    spectrum = np.asarray(rfft(frames * _window(), axis=1))
    power = spectrum.real**2 + spectrum.imag**2
    return (power @ _filters()).astype(np.float32)


@cache
def _window() -> NDArray[np.float32]:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FFT) / _FFT)).astype(np.float32)


@cache
def _filters() -> NDArray[np.float32]:
    """Triangles on Slaney's mel scale (linear to 1 kHz, then logarithmic), each of unit area: (201, 40)."""
    top = _to_mel(RATE / 2)
    corners = _to_hertz(np.linspace(0.0, top, _BANDS + 2))
    hertz = np.linspace(0, RATE / 2, _FFT // 2 + 1)
    rise = (hertz[:, None] - corners[None, :-2]) / np.diff(corners)[None, :-1]
    fall = (corners[None, 2:] - hertz[:, None]) / np.diff(corners)[None, 1:]
    triangles = np.maximum(0, np.minimum(rise, fall))
    return (triangles * (2.0 / (corners[2:] - corners[:-2]))).astype(np.float32)


def _to_mel(hertz: float) -> float:
    return 15 + 27 * np.log(hertz / 1000) / np.log(6.4)


def _to_hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mels < 15, mels * 200 / 3, 1000 * np.exp((mels - 15) * np.log(6.4) / 27))


def speech_of(sound: Samples) -> Samples:
    """Only the speech of `sound`, float32 at 16 kHz: chunks of 32 ms that Silero hears speech in, and their neighbours.

    Silence makes voiceprints alike: the equal error rate at 1 s more than doubles with it.
    """
    hears = VoiceActivity()
    whole = sound[: len(sound) // CHUNK * CHUNK].reshape(-1, CHUNK).astype(np.float32)
    voiced = np.array([hears(chunk) > _SPEECH for chunk in whole], bool)
    near = voiced.copy()
    near[1:] |= voiced[:-1]
    near[:-1] |= voiced[1:]
    return whole[near].reshape(-1)


# --- the network ------------------------------------------------------------------------------------------------


class Encoder:
    """Sound → embedding. One thread; not reentrant."""

    def __init__(self) -> None:
        try:
            self._session = one_thread(MODEL)
        except Exception as error:  # onnxruntime's own kinds
            raise VoiceprintError(f"{MODEL.name} cannot be loaded: install echoless again ({error})") from None

    def embed(self, speech: Samples) -> Embedding:
        """The embedding of `speech`, float32 mono at 16 kHz, silence cut out before (`speech_of`).

        The mean over windows of 1.6 s, 1.3 a second. Raises VoiceprintError under `SHORTEST` seconds.
        """
        if len(speech) < SHORTEST * RATE:
            raise VoiceprintError(f"there is only {len(speech) / RATE:.1f} s of speech: {SHORTEST} s are needed")
        speech = level(speech)
        starts = _starts(len(speech))
        missing = (starts[-1] + WINDOW) * _HOP - len(speech)
        bands = mel(np.pad(speech, (0, max(0, missing))))
        windows = np.stack([bands[at : at + WINDOW] for at in starts])
        return _unit(self._session.run(None, {"mels": windows})[0].mean(axis=0))


def level(speech: Samples) -> Samples:
    """Brought to -24 dBFS. Resemblyzer only raises what is under -30: then a voice is another one when it is louder."""
    found = float(np.sqrt(np.mean(np.square(speech, dtype=np.float64)))) + 1e-9
    return (speech * np.float32(_LOUDNESS / found)).astype(np.float32)


def _starts(samples: int) -> list[int]:
    """First frames of the windows; a last one that is less than three quarters full is left out."""
    frames = int(np.ceil((samples + 1) / _HOP))
    starts = list(range(0, max(1, frames - WINDOW + _STEP + 1), _STEP))
    full = (samples - starts[-1] * _HOP) / (WINDOW * _HOP)
    return starts[:-1] if full < 0.75 and len(starts) > 1 else starts


def _unit(vector: NDArray[np.float32]) -> Embedding:
    return (vector / max(1e-9, float(np.linalg.norm(vector)))).astype(np.float32)


def mean(embeddings: Sequence[Embedding]) -> Embedding:
    """One embedding for what several utterances have in common."""
    return _unit(np.mean(np.stack(embeddings), axis=0))


def similarity(one: Embedding, other: Embedding) -> float:
    """Cosine, 0..1."""
    return float(np.clip(one @ other, 0.0, 1.0))


# --- decisions --------------------------------------------------------------------------------------------------

ENROLLED = ((0.5, 0.574), (1.0, 0.646), (2.0, 0.732), (3.0, 0.751), (6.0, 0.793))
"""(seconds of speech, similarity) from which on it is the person who enrolled: where both errors are equal."""
PAIR = ((0.5, 0.702), (1.0, 0.650), (2.0, 0.671), (3.0, 0.697), (6.0, 0.789))
"""The same for two stretches of speech, by the shorter of them."""
LATEST = 3.0
"""Seconds of a turn that are listened to: its last ones; more is hardly surer, and must be paid for."""


def threshold(seconds: float, limits: Sequence[tuple[float, float]] = ENROLLED) -> float:
    """The similarity that `seconds` of speech need, between the lengths that were calibrated."""
    return float(np.interp(seconds, *np.transpose(limits)))


@dataclass(frozen=True, slots=True)
class Limits:
    """What a voice needs that is heard across a room, as in a call: (seconds of speech, similarity)."""

    known: tuple[tuple[float, float], ...]
    """Where both errors are equal: for when there will be no more speech."""
    sure: tuple[tuple[float, float], ...]
    """Where one stranger of 300 passes: for while the person still speaks, and each further look is another chance."""


IN_CALL = Limits(
    known=((0.5, 0.493), (1.0, 0.586), (1.5, 0.677), (2.0, 0.718), (2.5, 0.728), (3.0, 0.744)),
    sure=((1.0, 0.671), (1.5, 0.745), (2.0, 0.761), (2.5, 0.761), (3.0, 0.782)),
)


@dataclass(frozen=True, slots=True)
class Spoken:
    """Who spoke: `name` is None for a stranger, and where there is too little speech to tell (`seconds`)."""

    name: str | None
    nearest: str = ""
    similarity: float = 0.0
    threshold: float = 0.0
    seconds: float = 0.0
    sure: bool = False
    """So like `name` that no more speech need be heard."""

    def evidence(self) -> dict[str, Any]:
        """For the call record."""
        about: dict[str, Any] = {"nearest": self.nearest, "similarity": round(self.similarity, 3)}
        return about | {"threshold": round(self.threshold, 3), "speech_seconds": round(self.seconds, 2)}


@dataclass(slots=True)
class WhoSpeaks:
    """Names the speaker of a turn among known people and the agent itself (`ME`).

    `only_enrolled`: whoever is not known shall not have the floor. Blocking and not reentrant: a call runs it in a
    worker. 3 s of speech take about 20 ms.
    """

    people: Mapping[str, Embedding]
    me: Embedding | None = None
    only_enrolled: bool = False
    limits: Limits = IN_CALL
    _encoder: Encoder = field(default_factory=Encoder)

    def who(self, sound: Samples) -> Spoken:
        """Who speaks in `sound`, float32 at 16 kHz, silence included; only its end counts."""
        speech = speech_of(sound[-round(2 * LATEST * RATE) :])[-round(LATEST * RATE) :]
        seconds = len(speech) / RATE
        known = dict(self.people) if self.me is None else {**self.people, ME: self.me}
        if seconds < SHORTEST or not known:
            return Spoken(None, seconds=seconds)
        heard = self._encoder.embed(speech)
        nearest, alike = max(((name, similarity(heard, each)) for name, each in known.items()), key=lambda at: at[1])
        needed = threshold(seconds, self.limits.known)
        sure = seconds >= self.limits.sure[0][0] and alike >= max(needed, threshold(seconds, self.limits.sure))
        return Spoken(nearest if alike >= needed else None, nearest, alike, needed, seconds, sure)

    def welcome(self, spoken: Spoken | None) -> bool:
        """Whether somebody may have the floor: everybody, or with `only_enrolled` people who are known."""
        return not self.only_enrolled or bool(spoken and spoken.name and spoken.name != ME)
