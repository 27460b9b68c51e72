"""Pictures of the open loop: noticed interruptions by echo level, and one scene through the guard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from echoless.ears.guard import EchoGuard
from echoless.frames import BLOCK, RATE, Samples
from echoless.rooms.mixtures import Mixture
from echoless.rooms.tally import Tally, bounds


def by_level(results: Mapping[str, Mapping[float, Tally]], path: Path) -> None:
    """Share of phrases noticed at each echo level, one curve a guard, with 95 % bounds."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for guard, tallies in results.items():
        levels = sorted(tallies)
        share = np.array([tallies[x].noticed / max(1, tallies[x].phrases) for x in levels])
        reach = np.array([bounds(tallies[x].noticed, tallies[x].phrases) for x in levels])
        errors = np.clip(np.stack((share - reach[:, 0], reach[:, 1] - share)), 0, 1)
        axes.errorbar(levels, 100 * share, 100 * errors, marker="o", capsize=3, label=guard)
    axes.set(xlabel="echo level relative to the user, dB", ylabel="phrases noticed, %", ylim=(0, 103))
    axes.legend()
    _save(figure, path)


def scene(mixture: Mixture, path: Path) -> None:
    """Levels before and after the canceller, the judge's probability, and the tracked delay."""
    from matplotlib import pyplot as plt

    guard = EchoGuard(mixture.cancels_echo)
    heard = [
        guard.hear(mixture.microphone[at : at + BLOCK], mixture.reference[at : at + BLOCK])
        for at in range(0, len(mixture.microphone), BLOCK)
    ]
    time = np.arange(len(heard)) * BLOCK / RATE
    figure, axes = plt.subplots(3, 1, figsize=(9, 6), sharex=True, layout="constrained")
    clean = np.concatenate([one.clean for one in heard])
    for sound, name in ((mixture.microphone, "microphone"), (clean, "clean"), (mixture.user, "user alone")):
        axes[0].plot(time, _levels(sound), linewidth=0.8, label=name)
    axes[0].set(ylabel="dBFS", ylim=(-75, 0), title=f"{mixture.kind}, echo {mixture.echo_db:+.0f} dB")
    axes[1].fill_between(time, mixture.near[: len(heard)], alpha=0.2, step="post", label="a person speaks (truth)")
    axes[1].plot(time, [one.voice for one in heard], linewidth=0.6, label="voice (Silero on clean)")
    axes[1].plot(time, [one.near for one in heard], linewidth=1.2, label="near (judge)")
    axes[1].set(ylabel="probability")
    axes[2].plot(time, [one.evidence["delay_ms"] if one.evidence["delay_ms"] != -1 else np.nan for one in heard])
    axes[2].set(ylabel="delay found, ms", xlabel="s")
    for one in axes[:2]:
        one.legend(loc="upper right", fontsize=7)
    _save(figure, path)


def _levels(sound: Samples) -> np.ndarray:
    power = np.mean(sound[: len(sound) // BLOCK * BLOCK].reshape(-1, BLOCK) ** 2, axis=1)
    return 10 * np.log10(power + 1e-9)


def _save(figure, path: Path) -> None:  # type: ignore[no-untyped-def]
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
