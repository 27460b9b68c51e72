"""Open-loop mixtures, made from seeds: an agent that talks, a room, people who cut in, things that fall over.

Nobody reacts here: the agent goes on talking (or pauses by chance, as if ducked). That is what the judge of near-end
speech is trained on, and what tells how a guard fares at each echo level before a whole call is rehearsed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from scipy.signal import lfilter, oaconvolve

from echoless.frames import BLOCK, RATE, Samples
from echoless.mind.scripted import bank
from echoless.rooms import far_end
from echoless.rooms.acoustics import EchoPath, Noise, Places, impulse
from echoless.rooms.cast import open_named
from echoless.rooms.clutter import clutter
from echoless.rooms.faults import ReferenceFeed
from echoless.rooms.levels import AGENT_DBFS, USER_DBFS, active_level, factor, read_wav
from echoless.rooms.people import People
from echoless.rooms.script import RoomSettings
from echoless.rooms.talkers import trim

SECONDS = 16.0
ROOMS = 120
"""Different rooms a cast."""
_OFTEN = {
    "static": 0.22,
    "jumps": 0.11,
    "drift": 0.13,
    "late": 0.06,
    "gaps": 0.05,
    "lost": 0.05,
    "slips": 0.05,
    "volume": 0.04,
    "moved": 0.05,
    "browser": 0.06,
    "network": 0.08,
    "reverberant": 0.04,
    "cheap": 0.04,
    "headset": 0.02,
}
KINDS = tuple(_OFTEN)


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


_FLITE = ("slt", "awb", "kal16")
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
            *_flite(people),
            *(f"wav:{path}" for path in read),
        ),
        tuple(path for path in wavs if path not in read),
        tuple(f"espeak:{name}" for name in users),
        vary=True,
        first_room=1000,
    )


def _flite(people: People) -> Iterator[str]:
    """The program's voices, or what was rendered with them beforehand: `flite_VOICE/*.wav` among the recordings."""
    for name in _FLITE:
        rendered = people.folder / f"flite_{name}"
        yield f"wav:{rendered}" if rendered.is_dir() else f"flite:{name}"


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
    cancels_echo: bool = False
    """Whether the far end says that it takes out the echo by itself."""


def mixture(
    cast: Cast, seed: int, *, kind: str | None = None, echo_db: float | None = None, users: bool = True
) -> Mixture:
    """Scene number `seed` with `cast`. What is not given is drawn."""
    rng = np.random.default_rng([seed, cast.first_room])
    kind = kind or str(rng.choice(KINDS, p=list(_OFTEN.values())))
    level = float(rng.uniform(-12, 18)) if echo_db is None else echo_db
    if kind == "headset":
        level = -60.0
    number = cast.first_room + int(rng.integers(ROOMS))
    room = _room(kind, level, number, rng)
    length = int(SECONDS * RATE) // BLOCK * BLOCK
    path, feed = EchoPath(room, number), ReferenceFeed(room, seed)
    spans: list[tuple[float, float]] = []
    user, active = np.zeros(length, np.float32), np.zeros(length // BLOCK, bool)
    if users and rng.random() < (0.85 if cast.vary else 1.0):
        _add_users(cast, user, active, spans, path.places, room, rng)
    played = _held(_agent(cast, length, rng), spans, rng)
    echo, reference = _echo(kind, played, path, feed, rng)
    noise = Noise(room, seed)
    others = clutter(length, rng) + np.concatenate([noise.block() for _ in range(length // BLOCK)])
    microphone = echo + user + others
    cancels = kind == "browser" or (kind == "network" and rng.random() < 0.6)
    if kind in ("browser", "network"):
        microphone = far_end.sent_up(microphone, rng) if kind == "network" else far_end.browser(microphone, played, rng)
        way = int(rng.uniform(0.05, 0.6) * RATE) // BLOCK * BLOCK
        microphone, echo, user = (_later(x, way) for x in (microphone, echo, user))
        active = _later(active, way // BLOCK)
        spans = [(begin + way / RATE, end + way / RATE) for begin, end in spans]
    microphone = np.clip(microphone, -1, 1).astype(np.float32)
    return Mixture(kind, level, microphone, reference, echo, user, active, tuple(spans), room, cancels)


def _echo(
    kind: str, played: Samples, path: EchoPath, feed: ReferenceFeed, rng: np.random.Generator
) -> tuple[Samples, Samples]:
    """The echo at the microphone and the reference as the ears get it."""
    drive = float(rng.uniform(1, 5)) if rng.random() < 0.3 else 0.0
    sounds = far_end.sent_down(played, rng) if kind == "network" else played
    echo, reference = np.empty_like(played), np.empty_like(played)
    for at in range(0, len(played), BLOCK):
        block = sounds[at : at + BLOCK]
        echo[at : at + BLOCK] = path.play(np.tanh(drive * block) / drive if drive else block)
        known = played[at : at + BLOCK] if drive or kind == "network" else path.played
        reference[at : at + BLOCK] = feed(known)
    return echo, reference


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
    "reverberant": lambda rng: {"rt60": round(float(rng.uniform(0.7, 1.1)), 2), "size": (7.0, 6.0, 3.2)},
    "network": lambda rng: {"delay_ms": float(rng.uniform(10, 250))},
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
    return np.clip(out, -1, 1)


def _held(played: Samples, spans: list[tuple[float, float]], rng: np.random.Generator) -> Samples:
    """Now and then the playback stops for a moment, with a short fade: for nothing, or for somebody who cuts in."""
    moments = list(rng.uniform(1, SECONDS - 2, int(rng.integers(0, 4))))
    moments += [begin + rng.uniform(0.1, 0.7) for begin, _ in spans if rng.random() < 0.4]
    for moment in moments:
        begin, fade = int(max(1.0, moment) * RATE), int(rng.uniform(0.005, 0.03) * RATE)
        played[begin - fade : begin] *= np.linspace(1, 0, fade, dtype=np.float32)
        played[begin : begin + int(rng.uniform(0.1, 1.2) * RATE)] = 0
    return played


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
    speed, tilt = float(rng.uniform(0.84, 1.2)), float(rng.uniform(-0.5, 0.5))
    voice = cast.synthetic[int(rng.integers(len(cast.synthetic)))] if synthetic else ""
    at = rng.uniform(0.5, 5)
    while at < SECONDS - 1:
        speech = _says(voice, rng) if synthetic else _recorded(cast.users[int(rng.integers(len(cast.users)))])
        if cast.vary:
            speech = soxr.resample(speech, RATE, RATE * speed).astype(np.float32)
            speech = lfilter([1, tilt], [1], speech).astype(np.float32)
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
