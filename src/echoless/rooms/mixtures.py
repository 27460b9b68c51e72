"""Open-loop mixtures, made from seeds: an agent that talks, a room, people who cut in, things that fall over.

Nobody reacts here: the agent goes on talking (or pauses by chance, as if ducked). That is what the judge of near-end
speech is trained on, and what tells how a guard fares at each echo level before a whole call is rehearsed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from scipy.signal import butter, lfilter, oaconvolve

from echoless.frames import BLOCK, RATE, Samples
from echoless.mind.scripted import bank
from echoless.rooms.acoustics import EchoPath, Noise, Places, impulse
from echoless.rooms.cast import open_named
from echoless.rooms.faults import ReferenceFeed
from echoless.rooms.levels import AGENT_DBFS, USER_DBFS, active_level, factor, read_wav
from echoless.rooms.people import People, cough, music
from echoless.rooms.script import RoomSettings
from echoless.rooms.talkers import trim

SECONDS = 16.0
ROOMS = 40
"""Different rooms a cast; impulse responses are dear."""
KINDS = ("static", "jumps", "drift", "late", "gaps", "lost", "slips", "volume", "moved", "browser", "cheap", "headset")
_OFTEN = (0.27, 0.13, 0.16, 0.07, 0.05, 0.05, 0.05, 0.04, 0.05, 0.06, 0.04, 0.03)


@dataclass(frozen=True, slots=True)
class Cast:
    """Who may appear: voices of the agent (`rooms.cast` names or WAVs), WAVs and voices of people."""

    name: str
    agents: tuple[str, ...]
    users: tuple[Path, ...]
    synthetic: tuple[str, ...] = ()
    vary: bool = False
    """Resample users at random (pitch and speed), so that few people stand for many."""
    first_room: int = 0


_READERS = ("1867", "5652", "6531")
"""People of the training set who play the agent."""


def training_cast(people: People) -> Cast:
    """Voices to learn from: nobody of the suite's judges (`people.JUDGES`), no voice of the test cast's agents."""
    wavs = [r.path for r in people.recordings if r.folder in ("librispeech_train_clean", "zh_misc", "words_moonshine")]
    agents = ("en-us", "en-us+f2", "en-us+m7", "en-gb+f4", "en-gb-scotland+m5", "en-029+m2", "cmn+f2", "en-us+f5")
    read = [path for path in wavs if path.stem.split("-")[0] in _READERS]
    users = ("en-us+m6", "en-gb+f1", "en-gb-x-rp+m4", "en-029+f5", "cmn+m1", "cmn+f4")
    return Cast(
        "training",
        (
            *(f"espeak:{name}" for name in agents),
            "flite:slt",
            "flite:awb",
            "flite:kal16",
            *(f"wav:{path}" for path in read),
        ),
        tuple(path for path in wavs if path not in read),
        tuple(f"espeak:{name}" for name in users),
        vary=True,
        first_room=1000,
    )


def unseen_cast(people: People) -> Cast:
    """Other people, other agent voices (two of them people), other rooms."""
    agents = (
        "espeak:en-us+f3",
        "espeak:en-us+m3",
        "espeak:en-gb+m1",
        "espeak:cmn+m3",
        "flite:rms",
        "espeak:en-gb-x-gbcwmd+f1",
    )
    users = tuple(r.path for r in people.phrases if r.folder != "ljspeech")
    return Cast("unseen", (*agents, f"wav:{people.folder / 'ljspeech'}"), users, first_room=5000)


@dataclass(frozen=True, slots=True)
class Mixture:
    """One scene. Signals are float32 at 16 kHz, all of one length; `near` says block by block where a person speaks."""

    kind: str
    echo_db: float
    microphone: Samples
    reference: Samples
    echo: Samples
    user: Samples
    near: np.ndarray
    spans: tuple[tuple[float, float], ...]
    """Seconds in which each phrase begins and ends."""
    room: RoomSettings

    @property
    def cancels_echo(self) -> bool:
        return self.kind == "browser"


def mixture(
    cast: Cast, seed: int, *, kind: str | None = None, echo_db: float | None = None, users: bool = True
) -> Mixture:
    """Scene number `seed` with `cast`. What is not given is drawn."""
    rng = np.random.default_rng([seed, cast.first_room])
    kind = kind or str(rng.choice(KINDS, p=_OFTEN))
    level = float(rng.uniform(-12, 18)) if echo_db is None else echo_db
    if kind == "headset":
        level = -60.0
    number = cast.first_room + int(rng.integers(ROOMS))
    room = _room(kind, level, number, rng)
    length = int(SECONDS * RATE) // BLOCK * BLOCK
    played = _agent(cast, length, rng)
    path, feed = EchoPath(room, number), ReferenceFeed(room, seed)
    drive = float(rng.uniform(1, 5)) if rng.random() < 0.3 else 0.0
    echo, reference = np.empty(length, np.float32), np.empty(length, np.float32)
    for at in range(0, length, BLOCK):
        block = played[at : at + BLOCK]
        echo[at : at + BLOCK] = path.play(np.tanh(drive * block) / drive if drive else block)
        reference[at : at + BLOCK] = feed(path.played if not drive else block)
    spans: list[tuple[float, float]] = []
    user, active = np.zeros(length, np.float32), np.zeros(length // BLOCK, bool)
    if users and rng.random() < (0.85 if cast.vary else 1.0):
        _add_users(cast, user, active, spans, path.places, room, rng)
    noise = Noise(room, seed)
    others = _others(length, rng) + np.concatenate([noise.block() for _ in range(length // BLOCK)])
    microphone = echo + user + others
    if kind == "browser":
        microphone = _browser(microphone, played, rng)
        network = int(rng.uniform(0.05, 0.6) * RATE) // BLOCK * BLOCK
        microphone, echo, user = (_later(x, network) for x in (microphone, echo, user))
        active = _later(active, network // BLOCK)
        spans = [(begin + network / RATE, end + network / RATE) for begin, end in spans]
    microphone = np.clip(microphone, -1, 1).astype(np.float32)
    return Mixture(kind, level, microphone, reference, echo, user, active, tuple(spans), room)


def _later(x: np.ndarray, by: int) -> np.ndarray:
    return np.concatenate((np.zeros(by, x.dtype), x))[: len(x)]


def _room(kind: str, echo_db: float, number: int, rng: np.random.Generator) -> RoomSettings:
    still = np.random.default_rng(number)
    keys: dict[str, Any] = {
        "rt60": round(float(still.uniform(0.15, 0.7)), 2),
        "size": tuple(round(float(still.uniform(low, high)), 1) for low, high in ((2.6, 6.5), (2.4, 5.5), (2.3, 3.2))),
        "speaker_distance": round(float(10 ** still.uniform(-1, 0.1)), 2),
        "user_distance": round(float(still.uniform(0.35, 1.8)), 2),
        "echo_db": echo_db,
        "delay_ms": float(rng.uniform(0, 300) if rng.random() < 0.7 else rng.uniform(0, 800)),
        "nonlinear": float(rng.uniform(0, 0.5) if rng.random() < 0.8 else rng.uniform(0.5, 1)),
        "noise_db": float(rng.uniform(-72, -45)),
    }
    return RoomSettings(**(keys | _TROUBLES.get(kind, lambda _: {})(rng)))


_TROUBLES: dict[str, Callable[[np.random.Generator], dict[str, Any]]] = {
    "jumps": lambda rng: {
        "delay_ms": float(rng.uniform(150, 400)),
        "delay_jumps": tuple(
            (float(s), float(rng.choice([80, -60, 200, -150, 30, rng.uniform(-150, 250)])))
            for s in rng.uniform(2, 14, 2)
        ),
    },
    "drift": lambda rng: {"drift_ppm": float(rng.choice([-1, 1]) * 10 ** rng.uniform(1.3, 2.7))},
    "late": lambda rng: {"delay_ms": float(rng.uniform(0, 50)), "reference_late": ((0.0, float(rng.uniform(10, 80))),)},
    "gaps": lambda rng: {"reference_gaps": tuple((float(s), 200.0) for s in np.arange(rng.uniform(1, 3), SECONDS, 3))},
    "lost": lambda rng: {"reference_loss": 0.05},
    "slips": lambda rng: {
        "delay_ms": 300.0,
        "delay_jumps": tuple((float(s), -20.0) for s in np.arange(rng.uniform(1, 4), SECONDS, 5)),
    },
    "volume": lambda rng: {"volume_changes": ((float(rng.uniform(3, 12)), float(rng.choice([-10, -6, 6]))),)},
    "moved": lambda rng: {"path_changes": ((float(rng.uniform(4, 12)), float(rng.uniform(0.1, 0.8))),)},
    "cheap": lambda rng: {"nonlinear": float(rng.uniform(0.6, 1)), "drift_ppm": float(rng.choice([-125, -75, 75]))},
}


@lru_cache(maxsize=512)
def _spoken(voice: str, text: str) -> Samples:
    speaker = open_named(voice, "zh" if ":cmn" in voice else "en")
    chunks = [soxr.resample(chunk.samples, chunk.rate, RATE) for chunk in speaker.speak(text)]
    speaker.close()
    return trim(np.concatenate(chunks).astype(np.float32))


@lru_cache(maxsize=512)
def _recorded(path: Path) -> Samples:
    return trim(read_wav(path))


def _says(voice: str, rng: np.random.Generator) -> Samples:
    if voice.startswith("wav:"):
        path = Path(voice.removeprefix("wav:"))
        wavs = sorted(path.glob("*.wav")) if path.is_dir() else [path]
        return _recorded(wavs[int(rng.integers(len(wavs)))])
    lines = bank("zh" if ":cmn" in voice else "en")
    return _spoken(voice, lines[int(rng.integers(len(lines)))])


def _agent(cast: Cast, length: int, rng: np.random.Generator) -> Samples:
    """Replies with pauses between them; now and then the playback stops for a moment, with a short fade."""
    out = np.zeros(length, np.float32)
    voice = cast.agents[int(rng.integers(len(cast.agents)))]
    at, level = int(rng.uniform(0.1, 1.5) * RATE), AGENT_DBFS + rng.uniform(-5, 3)
    while at < length - RATE // 2:
        speech = _says(voice, rng)
        speech = speech * np.float32(factor(level - active_level(speech)))
        piece = speech[int(rng.integers(len(speech) // 2)) :][: length - at]
        out[at : at + len(piece)] += piece
        at += len(piece) + int(rng.uniform(0.3, 2.5) * RATE)
    for _ in range(int(rng.integers(0, 4))):
        begin, fade = int(rng.uniform(1, SECONDS - 2) * RATE), int(rng.uniform(0.005, 0.03) * RATE)
        out[begin - fade : begin] *= np.linspace(1, 0, fade, dtype=np.float32)
        out[begin : begin + int(rng.uniform(0.3, 1.2) * RATE)] = 0
    return np.clip(out, -1, 1)


def _add_users(
    cast: Cast,
    user: Samples,
    active: np.ndarray,
    spans: list[tuple[float, float]],
    where: Places,
    room: RoomSettings,
    rng: np.random.Generator,
) -> None:
    response = impulse(where.size, room.rt60, where.user, where.microphone)
    response = response[max(0, int(np.argmax(np.abs(response))) - 16) :]
    synthetic = bool(cast.synthetic) and rng.random() < 0.3
    speed = float(rng.uniform(0.84, 1.2))
    voice = cast.synthetic[int(rng.integers(len(cast.synthetic)))] if synthetic else ""
    at = rng.uniform(0.5, 5)
    while at < SECONDS - 1:
        speech = _says(voice, rng) if synthetic else _recorded(cast.users[int(rng.integers(len(cast.users)))])
        if cast.vary:
            speech = soxr.resample(speech, RATE, RATE * speed).astype(np.float32)
        want = int(10 ** rng.uniform(-0.4, 0.6) * RATE)
        begin = int(rng.integers(max(1, len(speech) - want)))
        try:
            speech = trim(speech[begin : begin + want])
        except ValueError:
            continue
        speech = speech * np.float32(factor(USER_DBFS + rng.uniform(-5, 4) - active_level(speech)))
        wet = oaconvolve(speech, response)
        wet *= factor(active_level(speech) - active_level(wet.astype(np.float32)))
        first = int(at * RATE) // BLOCK * BLOCK
        wet = wet[: len(user) - first]
        user[first : first + len(wet)] += wet.astype(np.float32)
        _mark(active, speech[: len(user) - first], first // BLOCK)
        spans.append((first / RATE, min(len(user), first + len(speech)) / RATE))
        at += len(speech) / RATE + rng.uniform(1, 7)


def _mark(active: np.ndarray, speech: Samples, first: int) -> None:
    """Blocks within 22 dB of the active level, and pauses of up to 200 ms between them."""
    blocks = speech[: len(speech) // BLOCK * BLOCK].reshape(-1, BLOCK)
    loud = np.flatnonzero(np.mean(blocks**2, axis=1) > factor(active_level(speech) - 22) ** 2)
    for index in loud:
        active[first + index] = True
    for before, after in pairwise(loud):
        if after - before <= 12:
            active[first + before : first + after] = True


def _others(length: int, rng: np.random.Generator) -> Samples:
    """Coughs, knocks, beeps, sometimes music: sounds in the room that are no speech."""
    out = np.zeros(length, np.float32)
    for _ in range(int(rng.integers(0, 4))):
        sound = _noisemakers[int(rng.integers(len(_noisemakers)))](rng)
        sound *= np.float32(factor(USER_DBFS + rng.uniform(-10, 8)) / (np.sqrt(np.mean(sound**2)) + 1e-9))
        first = int(rng.uniform(0.2, SECONDS - 2) * RATE)
        out[first : first + len(sound)] += sound[: length - first]
    if rng.random() < 0.08:
        tune = music(int(rng.integers(50)), SECONDS + 1)[:length]
        out += tune * np.float32(factor(USER_DBFS + rng.uniform(-18, 0) - active_level(tune)))
    return out


def _knocks(rng: np.random.Generator) -> Samples:
    out = np.zeros(int(0.8 * RATE))
    time = np.arange(int(0.05 * RATE)) / RATE
    for _ in range(int(rng.integers(1, 6))):
        at = int(rng.integers(len(out) - len(time)))
        ring = np.sin(2 * np.pi * rng.uniform(150, 3000) * time) * np.exp(-time / rng.uniform(0.002, 0.012))
        out[at : at + len(time)] += ring + 0.3 * rng.standard_normal(len(time)) * np.exp(-time / 0.001)
    return out.astype(np.float32)


def _beep(rng: np.random.Generator) -> Samples:
    time = np.arange(int(rng.uniform(0.15, 1.2) * RATE)) / RATE
    ramp = np.minimum(1, np.minimum(time, time[::-1]) / 0.01)
    return (ramp * np.sin(2 * np.pi * rng.uniform(300, 2500) * time)).astype(np.float32)


def _hiss(rng: np.random.Generator) -> Samples:
    low = rng.uniform(200, 2000)
    band = butter(2, [low, low * rng.uniform(1.5, 3)], "bandpass", fs=RATE)
    noise = lfilter(*band, rng.standard_normal(int(rng.uniform(0.2, 1.5) * RATE)))
    return (noise * np.hanning(len(noise))).astype(np.float32)


_noisemakers: tuple[Callable[[np.random.Generator], Samples], ...] = (
    lambda rng: cough(int(rng.integers(10_000)) + 100).copy(),
    _knocks,
    _beep,
    _hiss,
)


def _browser(microphone: Samples, played: Samples, rng: np.random.Generator) -> Samples:
    """What a browser sends: its own canceller (WebRTC's AEC3) and noise suppression have been over it."""
    from livekit import rtc
    from livekit.rtc.apm import AudioProcessingModule

    apm = AudioProcessingModule(
        echo_cancellation=True,
        noise_suppression=bool(rng.random() < 0.7),
        high_pass_filter=True,
        auto_gain_control=bool(rng.random() < 0.3),
    )
    frame = RATE // 100
    out = np.zeros_like(microphone)

    def framed(x: Samples) -> Any:
        whole = np.rint(np.clip(x, -1, 1) * 32767).astype(np.int16)
        return rtc.AudioFrame(bytearray(whole.tobytes()), RATE, 1, frame)

    for at in range(0, len(out) - frame + 1, frame):
        apm.process_reverse_stream(framed(played[at : at + frame]))
        cleaned = framed(microphone[at : at + frame])
        apm.process_stream(cleaned)
        out[at : at + frame] = np.frombuffer(cleaned.data, np.int16) / np.float32(32768)
    return out
