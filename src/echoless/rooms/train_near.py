"""Trains the judge of near-end speech (`ears/near.npz`) in simulated rooms, by hand in numpy, in minutes on one core.

    python -m echoless.rooms.train_near --out src/echoless/ears/near.npz

One gated recurrent unit (Cho et al. 2014) behind one layer, back-propagation through 4 s, Adam (Kingma and Ba 2015).
Scenes come from `mixtures.training_cast`; the features of each are kept in --cache and made only once.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from echoless.ears.canceller import Canceller
from echoless.ears.guard import EchoGuard
from echoless.frames import BLOCK, RATE
from echoless.rooms.mixtures import Cast, Mixture, mixture, training_cast
from echoless.rooms.people import People

Array = NDArray[np.float32]
Weights = dict[str, Array]

LAYER, UNITS = 32, 24
WINDOW = 250
"""Blocks of one training stretch (4 s)."""
BATCH = 32
ONSET, ONSET_WEIGHT = 25, 3.0
"""Blocks at the beginning of speech that count more: there the agent must fall silent."""


def features(scene: Mixture, handicap: float = 0.0) -> Array:
    """What the guard's judge sees of a scene: float32 (blocks, features).

    `handicap` 0..1: over 0.75 the canceller is much too short, over 0.5 it starts with far too much doubt. A judge
    that has only heard good cancellers takes what a bad one leaves for a person.
    """
    guard = EchoGuard(scene.cancels_echo)
    if handicap > 0.75:
        guard.canceller = Canceller(partitions=2 + round(24 * (handicap - 0.75)))
    elif handicap > 0.5:
        canceller = Canceller()
        forget = canceller.forget_path
        canceller.forget_path = lambda microphone=None: forget()  # type: ignore[method-assign]
        guard.canceller = canceller
    rows = []
    for at in range(0, len(scene.microphone), BLOCK):
        guard.hear(scene.microphone[at : at + BLOCK], scene.reference[at : at + BLOCK])
        rows.append(guard.features)
    return np.array(rows, np.float32)


def collect(cast: Cast, first: int, count: int, cache: Path) -> tuple[Array, Array]:
    """Features (scenes, blocks, features) and truth (scenes, blocks) of `count` scenes, made where they are missing."""
    cache.mkdir(parents=True, exist_ok=True)
    seen, truth = [], []
    begun = time.monotonic()
    for seed in range(first, first + count):
        path = cache / f"{cast.name}-{seed:05d}.npz"
        if not path.exists():
            scene = mixture(cast, seed)
            handicap = float(np.random.default_rng(seed).random())
            made = path.with_suffix(".part.npz")
            np.savez(made, seen=features(scene, handicap).astype(np.float16), near=scene.near)
            made.rename(path)
            if seed % 20 == 0:
                print(f"scene {seed}: {time.monotonic() - begun:.0f} s", flush=True)
        with np.load(path) as kept:
            seen.append(kept["seen"].astype(np.float32))
            truth.append(kept["near"].astype(np.float32))
    return np.array(seen), np.array(truth)


def start(inputs: int, rng: np.random.Generator) -> Weights:
    """Random weights."""

    def dense(rows: int, columns: int) -> Array:
        return (rng.standard_normal((rows, columns)) / np.sqrt(rows)).astype(np.float32)

    squares = [np.linalg.qr(rng.standard_normal((UNITS, UNITS)))[0] for _ in range(3)]
    return {
        "inside": dense(inputs, LAYER),
        "inside_bias": np.zeros(LAYER, np.float32),
        "given": dense(LAYER, 3 * UNITS),
        "given_bias": np.zeros(3 * UNITS, np.float32),
        "kept": np.hstack(squares).astype(np.float32),
        "kept_bias": np.zeros(3 * UNITS, np.float32),
        "out": dense(UNITS, 1)[:, 0],
        "out_bias": np.zeros(1, np.float32),
    }


def forward(w: Weights, x: Array) -> tuple[Array, tuple[Array, ...]]:
    """Log odds (time, batch) for normalised features (time, batch, inputs), and what `backward` needs."""
    size = len(w["out"])
    inside = np.tanh(x @ w["inside"] + w["inside_bias"])
    given = inside @ w["given"] + w["given_bias"]
    states = np.zeros((len(x) + 1, x.shape[1], size), given.dtype)
    gates = np.empty((len(x), x.shape[1], 4 * size), given.dtype)
    for t, state in enumerate(states[:-1]):
        kept = state @ w["kept"] + w["kept_bias"]
        switches = expit(given[t][:, : 2 * size] + kept[:, : 2 * size])
        update, reset = switches[:, :size], switches[:, size:]
        fresh = np.tanh(given[t][:, 2 * size :] + reset * kept[:, 2 * size :])
        states[t + 1] = update * state + (1 - update) * fresh
        gates[t] = np.hstack((switches, fresh, kept[:, 2 * size :]))
    return states[1:] @ w["out"] + w["out_bias"], (x, inside, states, gates)


def backward(w: Weights, kept: tuple[Array, ...], slope: Array) -> Weights:
    """Gradients of all weights; `slope` is the loss's by each log odds (time, batch)."""
    x, inside, states, gates = kept
    size = len(w["out"])
    by_given, by_kept = np.empty_like(gates[..., : 3 * size]), np.empty_like(gates[..., : 3 * size])
    down = np.zeros_like(states[0])
    for t in range(len(x) - 1, -1, -1):
        down = down + slope[t][:, None] * w["out"]
        update, reset, fresh, recurrent = np.split(gates[t], 4, axis=1)
        by_update = down * (states[t] - fresh) * update * (1 - update)
        by_fresh = down * (1 - update) * (1 - fresh * fresh)
        by_reset = by_fresh * recurrent * reset * (1 - reset)
        by_given[t] = np.hstack((by_update, by_reset, by_fresh))
        by_kept[t] = np.hstack((by_update, by_reset, by_fresh * reset))
        down = down * update + by_kept[t] @ w["kept"].T
    by_inside = (by_given @ w["given"].T) * (1 - inside * inside)

    def product(left: Array, right: Array) -> Array:
        return left.reshape(-1, left.shape[-1]).T @ right.reshape(-1, right.shape[-1])

    def total(x: Array) -> Array:
        return x.reshape(-1, x.shape[-1]).sum(axis=0)

    return {
        "inside": product(x, by_inside),
        "inside_bias": total(by_inside),
        "given": product(inside, by_given),
        "given_bias": total(by_given),
        "kept": product(states[:-1], by_kept),
        "kept_bias": total(by_kept),
        "out": product(states[1:], slope[..., None])[:, 0],
        "out_bias": np.array([slope.sum()]),
    }


def train(seen: Array, truth: Array, epochs: float, rng: np.random.Generator, rate: float = 4e-3) -> Weights:
    """Weights with their normalisation, from features (scenes, blocks, inputs) and truth (scenes, blocks)."""
    flat = seen.reshape(-1, seen.shape[-1])
    mean, scale = flat.mean(axis=0), 1 / (flat.std(axis=0) + 1e-3)
    x = (seen - mean) * scale
    weight = 1 + (ONSET_WEIGHT - 1) * onsets(truth)
    w = start(seen.shape[-1], rng)
    first, second = ({name: np.zeros_like(value) for name, value in w.items()} for _ in range(2))
    steps = max(1, int(epochs * truth.size / (BATCH * WINDOW)))
    loss, begun = 0.7, time.monotonic()
    for step in range(1, steps + 1):
        rows = rng.integers(0, len(x), BATCH)
        # three in ten begin with the call, so that the cold start is learnt as well
        begins = np.where(rng.random(BATCH) < 0.3, 0, rng.integers(0, x.shape[1] - WINDOW + 1, BATCH))
        part = np.stack([x[row, at : at + WINDOW] for row, at in zip(rows, begins, strict=True)], axis=1)
        target = np.stack([truth[row, at : at + WINDOW] for row, at in zip(rows, begins, strict=True)], axis=1)
        counted = np.stack([weight[row, at : at + WINDOW] for row, at in zip(rows, begins, strict=True)], axis=1)
        counted[:10, begins > 0] = 0
        odds, kept = forward(w, part)
        guess = expit(odds)
        likelihood = target * np.log(guess + 1e-7) + (1 - target) * np.log(1 - guess + 1e-7)
        loss += 0.02 * (-(counted * likelihood).sum() / counted.sum() - loss)
        slopes = backward(w, kept, ((guess - target) * counted / counted.sum()).astype(np.float32))
        norm = float(np.sqrt(sum((slope**2).sum() for slope in slopes.values())))
        speed = rate * min(1, step / 50) * (0.5 + 0.5 * np.cos(np.pi * step / steps) + 0.01)
        for name, slope in slopes.items():
            slope = slope * min(1.0, 0.5 / norm)
            first[name] += 0.1 * (slope - first[name])
            second[name] += 0.01 * (slope**2 - second[name])
            move = first[name] / (1 - 0.9**step) / (np.sqrt(second[name] / (1 - 0.99**step)) + 1e-8)
            w[name] -= (speed * (move + 1e-4 * w[name])).astype(np.float32)
        if step % max(1, steps // 10) == 0:
            print(f"step {step} of {steps}: loss {loss:.4f}, {time.monotonic() - begun:.0f} s", flush=True)
    return w | {"mean": mean.astype(np.float32), "scale": scale.astype(np.float32)}


def onsets(truth: Array) -> Array:
    """1 in the first `ONSET` blocks of each stretch of speech, 0 elsewhere; shaped as `truth`."""
    before = np.pad(truth, ((0, 0), (ONSET, 0)))[:, :-ONSET]
    recent = np.cumsum(np.diff(truth, axis=1, prepend=0) > 0, axis=1)
    return ((truth > 0) & ((before == 0) | (recent != np.pad(recent, ((0, 0), (ONSET, 0)))[:, :-ONSET]))).astype(
        np.float32
    )


def judge_all(w: Weights, seen: Array) -> Array:
    """Probabilities (scenes, blocks) for features (scenes, blocks, inputs)."""
    return expit(forward(w, ((seen - w["mean"]) * w["scale"]).transpose(1, 0, 2))[0]).T


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=400)
    parser.add_argument("--first", type=int, default=0, help="seed of the first scene")
    parser.add_argument("--epochs", type=float, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path("out/near"))
    parser.add_argument("--out", type=Path, help="where the weights go; without it only features are made")
    asked = parser.parse_args()
    seen, truth = collect(training_cast(People()), asked.first, asked.scenes, asked.cache)
    if asked.out:
        np.savez(asked.out, **train(seen, truth, asked.epochs, np.random.default_rng(asked.seed)))  # type: ignore[arg-type]
        minutes = truth.size * BLOCK / RATE / 60
        print(f"{asked.out}: learnt from {minutes:.0f} minutes, {truth.mean():.0%} of them near-end speech")


if __name__ == "__main__":
    main()
