"""Trains what tells commands from nods (`ears/recognisers/short_words.npz`): minutes on one core, by hand in numpy.

    python -m echoless.rooms.train_short clips --seed 1 --count 4000 --out out/short
    python -m echoless.rooms.train_short fit out/short

Synthetic people say a short word in a room, over what a canceller leaves of somebody else's speech until the speaker
is held. None of the suite's people and agents speaks here (a test holds that). A layer of rectified units over the
principal axes of what Moonshine's encoder makes of it; cross-entropy, Adam (Kingma and Ba 2015), dropout (Srivastava
et al. 2014).
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import numpy as np
import soxr
import typer
from numpy.typing import NDArray
from scipy.signal import fftconvolve, istft, stft

from echoless.ears.leaning import COMMANDS, NODS, listed
from echoless.ears.recognisers.moonshine import Moonshine
from echoless.ears.recognisers.short_words import FILE, pooled
from echoless.frames import RATE, Samples
from echoless.rooms.cast import Drawn
from echoless.rooms.people import cough, nod
from echoless.rooms.talkers import trim
from echoless.rooms.throats import NODS as SUITE_NODS
from echoless.rooms.throats import SHORT

Array = NDArray[np.float32]
Weights = dict[str, Array]

TIMBRES = (
    *("f1", "f2", "f4", "f5", "m1", "m2", "m4", "m5", "m6", "m7", "Henrique", "Reed", "announcer", "antonio"),
    *("belinda", "benjamin", "boris", "grandma", "grandpa", "gustave", "iven", "iven3", "john", "kaukovalta"),
    *("klatt", "klatt3", "klatt6", "marcelo", "michel", "norbert", "pablo", "quincy"),
)
ACCENTS = ("en-us", "en-gb", "en-gb-x-rp", "en-029", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd")
OTHERS = listed(
    "louder; why; next; seven; go back; again; tell me more; what about music; play jazz; and then; who; where",
    "how much; maybe; tomorrow; the second one; say it again; slower; turn it up; Monday; I like that; what time is it",
    "blue; chess; four; ten; lights off; call my mother; water; read it; skip; more; thanks; help; yesterday",
    "not that one; the other; London; what; which one; speak up; the name; for a minute; stopping; weighted; nowhere",
    "know it; whale; top; weight room; note; holding; minutes; back; go; none; one; two; three; zero",
)
SPOKEN = (
    "The rent takes half, the bus pass very little, and what remains is enough for one concert or two modest dinners.",
    "Marching bands, church songs and dance halls all shared the same few streets, and nobody asked who came first.",
)
"""What the echo is made of."""
KINDS = ("command", "nod", "other")
_HARD = 0.15
"""Share of clips of the last kind that hold no word at all: what is left of the echo, or a cough."""
_HELD_OUT = ("klatt3", "Reed", "norbert", "m5", "f4")
"""Timbres that `fit` judges by."""
AXES, UNITS, BATCH = 128, 48, 128

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__, rich_markup_mode=None)


class Clips:
    """Draws short sounds. Every one follows from the seed."""

    def __init__(self, seed: int) -> None:
        self.draw, self.rng = random.Random(seed), np.random.default_rng(seed)
        self._echoes = [self._voice().says(text, "en") for text in SPOKEN for _ in range(6)]

    def __iter__(self) -> Iterator[tuple[int, str, Samples]]:
        """Kind, timbre and sound, float32 at 16 kHz, without end; each word twice, with another echo."""
        while True:
            kind = self.draw.choices(range(3), (4, 4, 2))[0]
            timbre, word = self._word(kind)
            for _ in range(2):
                yield kind, timbre, self._over_echo(word)

    def _voice(self) -> Drawn:
        accent, timbre = self.draw.choice(ACCENTS), self.draw.choice(TIMBRES)
        speed, pitch = self.draw.choice((0.8, 0.9, 1.0, 1.1, 1.25)), self.draw.choice((25, 35, 45, 55, 65, 75))
        return Drawn(f"espeak:{accent}+{timbre}", speed, pitch)

    def _word(self, kind: int) -> tuple[str, Samples]:
        """A timbre, and what it says in a room, at about 0 dBFS while it lasts."""
        who = self._voice()
        timbre = who.name.partition("+")[2]
        if KINDS[kind] == "other" and self.draw.random() < _HARD:
            coughs = self.draw.random() < 0.5
            return timbre, _even(cough(self.draw.randrange(10**6))) if coughs else np.zeros(6000, np.float32)
        if KINDS[kind] == "nod" and self.draw.random() < 0.15:
            sound = nod(self.draw.randrange(10**6))
        else:
            sound = trim(who.says(self.draw.choice(_texts(kind)), "en"))
        sound = soxr.resample(sound, RATE, RATE * self.draw.choice((0.85, 0.92, 1.0, 1.0, 1.08, 1.18)))
        whole = fftconvolve(sound, self._room())
        return timbre, _even(whole[: len(sound) + int(RATE * self.draw.uniform(0, 0.25))])

    def _room(self) -> Samples:
        """Direct sound, and a tail that decays as a room's does."""
        count = int(RATE * self.draw.uniform(0.15, 0.9))
        tail = self.rng.standard_normal(count) * np.exp(-6.9 * np.arange(count) / count)
        tail *= self.draw.uniform(0.02, 0.12)
        tail[0] = 1
        return tail.astype(np.float32)

    def _over_echo(self, word: Samples) -> Samples:
        """`word` with some sound before and after it, what is left of an echo until it is held, and noise."""
        draw = self.draw
        before, after = (int(RATE * draw.uniform(low, high)) for low, high in ((0.05, 0.35), (0.05, 0.3)))
        sound = np.pad(word, (before, after)).astype(np.float32)
        held = before + int(RATE * draw.uniform(0.05, 0.5))
        fading = np.maximum(np.arange(len(sound)) - held, 0) / RATE / draw.uniform(0.02, 0.15)
        left = (self._left(len(sound)) * 10 ** (-fading / 2 - draw.uniform(-2, 25) / 20)).astype(np.float32)
        noise = self.rng.standard_normal(len(sound)) * 10 ** (-draw.uniform(15, 50) / 20)
        sound = (sound + left + noise).astype(np.float32)
        if draw.random() < 0.5:
            sound = _subtracted(sound, left, draw.uniform(1, 3))
        return (sound * 10 ** (draw.uniform(-34, -18) / 20)).astype(np.float32)

    def _left(self, count: int) -> Samples:
        """What a canceller might leave: parts of somebody's speech, their phases shaken."""
        echo = self.draw.choice(self._echoes)
        at = self.draw.randrange(len(echo) - count)
        _, _, bins = stft(echo[at : at + count], nperseg=512, noverlap=384)
        coarse = self.rng.random((len(bins) // 8 + 1, bins.shape[1] // 6 + 1)) ** self.draw.uniform(1, 4)
        gains = np.kron(coarse, np.ones((8, 6)))[: len(bins), : bins.shape[1]]
        shaken = np.exp(1j * self.draw.uniform(0, 3) * self.rng.standard_normal(bins.shape))
        return _even(istft(bins * gains * shaken, nperseg=512, noverlap=384)[1][:count])


def _texts(kind: int) -> tuple[str, ...]:
    """What is said: everything that is listed, and more often what is said most."""
    if KINDS[kind] == "command":
        return (*COMMANDS, *(4 * SHORT["en"][:3]), *SHORT["en"], "no no", "stop stop", "stop please", "quiet")
    return (*NODS, *(2 * SUITE_NODS["en"]), "hmm", "mm-hmm") if KINDS[kind] == "nod" else OTHERS


def _even(sound: Samples) -> Samples:
    """At 0 dBFS where it is heard."""
    heard = sound[np.square(sound) > 1e-4 * np.square(sound).max()]
    return (sound / (np.sqrt(np.mean(np.square(heard))) + 1e-9)).astype(np.float32)


def _subtracted(sound: Samples, left: Samples, over: float) -> Samples:
    """Power subtraction as in `ears/polish.py`, only less well informed."""
    _, _, bins = stft(sound, nperseg=512, noverlap=384)
    echo = np.square(np.abs(stft(left, nperseg=512, noverlap=384)[2]))
    usual = np.apply_along_axis(np.convolve, 1, echo, np.ones(5) / 5, "same")
    gains = np.sqrt(np.maximum(1 - over * usual / (np.square(np.abs(bins)) + 1e-12), 0.04))
    return istft(bins * gains, nperseg=512, noverlap=384)[1][: len(sound)]


@app.command("clips")
def clips_(
    out: Annotated[Path, typer.Option(help="Folder for what the encoder makes of them.")],
    seed: Annotated[int, typer.Option(help="Another one, other clips.")] = 1,
    count: Annotated[int, typer.Option(min=2, help="How many.")] = 4000,
) -> None:
    """Draw clips and keep what the network sees of them: OUT/clips-SEED.npz. Several seeds can run at once."""
    engine, begun, rows = Moonshine(), time.monotonic(), []
    for kind, timbre, sound in islice(Clips(seed), count):
        rows.append((kind, timbre, pooled(engine.encoded(sound))))
        if len(rows) % 500 == 0:
            print(f"{len(rows)} of {count} clips, {time.monotonic() - begun:.0f} s", flush=True)
    kinds, timbres, seen = (np.array(each) for each in zip(*rows, strict=True))
    out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out / f"clips-{seed}.npz", kind=kinds, timbre=timbres, seen=seen.astype(np.float16))


@app.command()
def fit(
    folder: Annotated[Path, typer.Argument(help="Where the clips are.")],
    passes: Annotated[int, typer.Option(help="Over all clips.")] = 30,
    out: Annotated[Path, typer.Option(help="Where the weights go.")] = FILE,
) -> None:
    """Learn from the clips; then how well timbres that were held out are told."""
    files = sorted(folder.glob("clips-*.npz"))
    if not files:
        raise SystemExit(f"no clips-*.npz in {folder}: python -m echoless.rooms.train_short clips --out {folder}")
    kept = [np.load(file) for file in files]
    kind, timbre, seen = (np.concatenate([each[name] for each in kept]) for name in ("kind", "timbre", "seen"))
    held = np.isin(timbre, _HELD_OUT)
    judged = learn(seen[~held].astype(np.float32), kind[~held], passes)
    guess = forward(judged, along(judged, seen[held].astype(np.float32)))[1]
    for each, name in enumerate(KINDS):
        told = np.bincount(guess[kind[held] == each].argmax(axis=1), minlength=3)
        print(f"{name}: " + ", ".join(f"{part} told {to}" for part, to in zip(told, KINDS, strict=True)))
    w = learn(seen.astype(np.float32), kind, passes)
    np.savez_compressed(out, **{name: value.astype(np.float16) for name, value in w.items()})  # type: ignore[arg-type]
    print(f"{out}: learnt from {len(kind)} clips")


def learn(seen: Array, kind: NDArray[np.int64], passes: int, seed: int = 0) -> Weights:
    """Weights, from what is seen (clips, 1441) and kinds 0..2 (clips,)."""
    rng = np.random.default_rng(seed)
    mean, spread = seen.mean(axis=0), seen.std(axis=0) + 1e-3
    even = (seen - mean) / spread
    _, lengths, axes = np.linalg.svd(even[rng.permutation(len(even))[:4000]], full_matrices=False)
    w = {"mean": mean, "axes": (axes[:AXES].T / spread[:, None] / lengths[:AXES] * np.sqrt(min(len(even), 4000)))}
    x = along(w, seen)
    for name, inputs, outputs in (("inside", AXES, UNITS), ("out", UNITS, len(KINDS))):
        w |= {name: rng.standard_normal((inputs, outputs)) / np.sqrt(inputs), f"{name}_bias": np.zeros(outputs)}
    w = {name: value.astype(np.float32) for name, value in w.items()}
    learnt = ("inside", "inside_bias", "out", "out_bias")
    first, second = ({name: np.zeros_like(w[name]) for name in learnt} for _ in range(2))
    steps = passes * len(x) // BATCH
    for step in range(1, steps + 1):
        rows = rng.integers(0, len(x), BATCH)
        drops = ((rng.random((BATCH, size)) < keep) / keep for size, keep in ((AXES, 0.8), (UNITS, 0.7)))
        slopes = _slopes(w, x[rows], kind[rows], *(each.astype(np.float32) for each in drops))
        speed = 2e-3 * (0.5 + 0.5 * np.cos(np.pi * step / steps) + 0.01)
        for name, slope in slopes.items():
            first[name] += 0.1 * (slope - first[name])
            second[name] += 0.001 * (slope**2 - second[name])
            move = first[name] / (1 - 0.9**step) / (np.sqrt(second[name] / (1 - 0.999**step)) + 1e-8)
            w[name] -= (speed * (move + 0.01 * w[name])).astype(np.float32)
    return w


def along(w: Weights, seen: Array) -> Array:
    """What is seen (clips, 1441) along the axes: (clips, AXES)."""
    return ((seen - w["mean"]) @ w["axes"]).astype(np.float32)


def forward(w: Weights, x: Array, drop: Array | float = 1.0) -> tuple[Array, Array]:
    """Units (clips, UNITS) and probabilities (clips, 3) for what is seen along the axes."""
    inside = np.maximum(x @ w["inside"] + w["inside_bias"], 0) * drop
    odds = inside @ w["out"] + w["out_bias"]
    return inside, np.exp(odds - np.logaddexp.reduce(odds, axis=1, keepdims=True))


def _slopes(w: Weights, x: Array, kind: NDArray[np.int64], drop: Array, drop_inside: Array) -> Weights:
    """The loss's gradients, labels softened by 0.05."""
    x = x * drop
    inside, guess = forward(w, x, drop_inside)
    wanted = np.full_like(guess, 0.05 / len(KINDS))
    wanted[np.arange(len(kind)), kind] += 0.95
    error = (guess - wanted) / len(kind)
    down = (error @ w["out"].T) * drop_inside * (inside > 0)
    return {"inside": x.T @ down, "inside_bias": down.sum(0), "out": inside.T @ error, "out_bias": error.sum(0)}


if __name__ == "__main__":
    app()
