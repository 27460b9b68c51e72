"""Trains the judge of near-end speech (`ears/near.npz`) in simulated rooms, by hand in numpy, in minutes on one core.

    python -m echoless.rooms.train_near --out src/echoless/ears/near.npz

The mean of three networks, each a gated recurrent unit (Cho et al. 2014) behind one layer; back-propagation through
4 s, Adam (Kingma and Ba 2015).
Scenes come from `mixtures.training_cast`; the features of each are kept in --cache and made only once.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
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

LAYER, UNITS = 48, 40
WINDOW = 250
"""Blocks of one training stretch (4 s)."""
BATCH = 32
ONSET, ONSET_WEIGHT = 16, 3.0
"""Blocks at the beginning of speech that count more: there the agent must fall silent."""


def features(scene: Mixture, handicap: float = 0.0) -> Array:
    """What the guard's judge sees of a scene: float32 (blocks, features).

    `handicap` 0..1: over 0.75 the canceller is much too short, over 0.5 it starts with far too much doubt. A judge
    that has only heard good cancellers takes what a bad one leaves for a person.
    """
    guard = EchoGuard(scene.cancels_echo)
    guard.judge = None
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


def collect(
    cast: Cast, first: int, count: int, cache: Path, jobs: int = 1, budget: float = np.inf
) -> tuple[Array, Array]:
    """Features (scenes, blocks, features) and truth (scenes, blocks) of up to `count` scenes, made where they are
    missing by `jobs` processes; none is begun after `budget` seconds."""
    cache.mkdir(parents=True, exist_ok=True)
    until = time.time() + budget  # the one clock that processes share
    work = [(cast, seed, cache, until) for seed in range(first, first + count)]
    if jobs == 1:
        paths = [_make(each) for each in work]
    else:
        with ProcessPoolExecutor(jobs) as pool:
            paths = list(pool.map(_make, work))
    kept = [np.load(path) for path in paths if path]
    if not kept:
        raise SystemExit(f"no scene was made in {budget:.0f} s: give --seconds more, or {cache} of an earlier run")
    seen = np.array([each["seen"].astype(np.float32) for each in kept])
    return seen, np.array([each["near"].astype(np.float32) for each in kept])


def _make(work: tuple[Cast, int, Path, float]) -> Path | None:
    """The features of one scene in a file; None where there was no time for them."""
    cast, seed, cache, until = work
    path = cache / f"{cast.name}-{seed:05d}.npz"
    if not path.exists():
        if time.time() > until:
            return None
        scene = mixture(cast, seed)
        handicap = float(np.random.default_rng(seed).random())
        made = path.with_suffix(f".{os.getpid()}.npz")
        np.savez(made, seen=features(scene, handicap).astype(np.float16), near=scene.near)
        made.rename(path)
        if seed % 20 == 0:
            print(f"scene {seed} made", flush=True)
    return path


def start(inputs: int, rng: np.random.Generator, layer: int = LAYER, units: int = UNITS) -> Weights:
    """Random weights."""

    def dense(rows: int, columns: int) -> Array:
        return (rng.standard_normal((rows, columns)) / np.sqrt(rows)).astype(np.float32)

    squares = [np.linalg.qr(rng.standard_normal((units, units)))[0] for _ in range(3)]
    return {
        "inside": dense(inputs, layer),
        "inside_bias": np.zeros(layer, np.float32),
        "given": dense(layer, 3 * units),
        "given_bias": np.zeros(3 * units, np.float32),
        "kept": np.hstack(squares).astype(np.float32),
        "kept_bias": np.zeros(3 * units, np.float32),
        "out": dense(units, 1)[:, 0],
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


def train(
    seen: Array,
    truth: Array,
    epochs: float,
    rng: np.random.Generator,
    rate: float = 4e-3,
    size: tuple[int, int] = (LAYER, UNITS),
    budget: float = np.inf,
) -> Weights:
    """Weights with their normalisation, from features (scenes, blocks, inputs) and truth (scenes, blocks).

    `size`: of the layer and of the recurrent one. As many steps as `epochs` ask for or go into `budget` seconds.
    """
    flat = seen.reshape(-1, seen.shape[-1])
    mean, scale = flat.mean(axis=0), 1 / (flat.std(axis=0) + 1e-3)
    x = (seen - mean) * scale
    weight = 1 + (ONSET_WEIGHT - 1) * onsets(truth)
    w = start(seen.shape[-1], rng, *size)
    first, second = ({name: np.zeros_like(value) for name, value in w.items()} for _ in range(2))
    steps = max(1, int(epochs * truth.size / (BATCH * WINDOW)))
    loss, begun = 0.7, time.monotonic()
    for step in range(1, 10**9):
        if step == 20:
            steps = max(20, int(min(steps, 19 * budget / (time.monotonic() - begun))))
        if step > steps:
            break
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


def joined(networks: list[Weights]) -> Weights:
    """One network whose log odds are the mean of those of several, which share their normalisation."""
    layer, units = (sum(w[name].shape[0] for w in networks) for name in ("given", "kept"))
    given, kept = np.zeros((layer, 3, units), np.float32), np.zeros((units, 3, units), np.float32)
    row, at = 0, 0
    for w in networks:
        inside, size = w["given"].shape[0], len(w["out"])
        given[row : row + inside, :, at : at + size] = w["given"].reshape(inside, 3, size)
        kept[at : at + size, :, at : at + size] = w["kept"].reshape(size, 3, size)
        row, at = row + inside, at + size

    def side(name: str) -> Array:
        return np.concatenate([w[name].reshape(3, -1) for w in networks], axis=1)

    return {
        "inside": np.hstack([w["inside"] for w in networks]),
        "inside_bias": np.concatenate([w["inside_bias"] for w in networks]),
        "given": given.reshape(layer, -1),
        "given_bias": side("given_bias").reshape(-1),
        "kept": kept.reshape(units, -1),
        "kept_bias": side("kept_bias").reshape(-1),
        "out": np.concatenate([w["out"] for w in networks]) / np.float32(len(networks)),
        "out_bias": np.mean([w["out_bias"] for w in networks], axis=0),
        "mean": networks[0]["mean"],
        "scale": networks[0]["scale"],
    }


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
    parser.add_argument("--seconds", type=float, default=np.inf, help="begin no scene after so many")
    parser.add_argument("--jobs", type=int, default=1, help="processes that make scenes")
    parser.add_argument("--epochs", type=float, default=40)
    parser.add_argument("--train-seconds", type=float, default=np.inf, help="as many epochs as go into so many")
    parser.add_argument("--units", type=int, default=UNITS, help="of the recurrent layer")
    parser.add_argument("--networks", type=int, default=3, help="whose mean is the judge; each has its own seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path("out/near"))
    parser.add_argument("--out", type=Path, help="where the weights go; without it only features are made")
    asked = parser.parse_args()
    cast = training_cast(People())
    seen, truth = collect(cast, asked.first, asked.scenes, asked.cache, asked.jobs, asked.seconds)
    print(f"{len(seen)} scenes", flush=True)
    if asked.out:
        networks = []
        for seed in range(asked.seed, asked.seed + asked.networks):
            rng, size = np.random.default_rng(seed), (LAYER, asked.units)
            networks.append(train(seen, truth, asked.epochs, rng, size=size, budget=asked.train_seconds))
        np.savez_compressed(asked.out, **joined(networks))  # type: ignore[arg-type]
        minutes = truth.size * BLOCK / RATE / 60
        print(f"{asked.out}: learnt from {minutes:.0f} minutes, {truth.mean():.0%} of them near-end speech")


if __name__ == "__main__":
    main()
