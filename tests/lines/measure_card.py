"""Figures of the sound card line on a virtual card: `python tests/lines/measure_card.py [speech.wav] [--monitor]`.

Opening; how long after its reference an echo comes (20 ms of that is the virtual room), and how still that stands;
how soon flush() silences; how much of another program's music an echo canceller can take away.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import numpy as np
import soundfile
from leads import leads
from virtual_card import VirtualCard

from echoless.ears.canceller import Canceller
from echoless.frames import BLOCK, Block
from echoless.lines.soundcard import SoundCardLine


async def run(line: SoundCardLine, sound: np.ndarray) -> list[Block]:
    n = line.traits.block
    blocks = [await line.exchange(sound[k : k + n]) for k in range(0, len(sound) - n + 1, n)]
    return [b for b in blocks if b is not None]


def cancelled(blocks: list[Block]) -> float:
    """dB that a linear canceller takes off the second half of the microphone's sound."""
    canceller, before, rest = Canceller(), np.zeros(BLOCK, np.float32), []
    for block in blocks:
        rest.append(canceller.hear(block.microphone, np.concatenate((before, block.reference)))[0])
        before = block.reference
    half = len(blocks) // 2
    heard = np.concatenate([b.microphone for b in blocks[half:]])
    return float(20 * np.log10(heard.std() / np.concatenate(rest[half:]).std()))


async def measure(card: VirtualCard, music: Path) -> None:
    begun = time.perf_counter()
    line = SoundCardLine(monitor="--monitor" in sys.argv, on_trouble=print)
    await line.open()
    rate = line.traits.rate
    print(f"open: {time.perf_counter() - begun:.2f} s; latency told: {1000 * line.traits.latency:.0f} ms")
    await run(line, np.zeros(5 * rate, np.float32))
    sound = (0.2 * np.random.default_rng(1).standard_normal(20 * rate)).astype(np.float32)
    blocks = await run(line, sound)
    lead, placed = leads(blocks)
    lost, late = sum(b.lost for b in blocks), int((lead < 0).sum())
    spread = f"median {1000 * np.median(lead):.0f}, {1000 * lead.min():.0f} to {1000 * lead.max():.0f} ms"
    print(f"reference before its echo in 20 s: {spread}; late {late} of {len(lead)}, {placed:.0%} placed; lost {lost}")
    await run(line, sound[: 2 * rate])
    begun = time.perf_counter()
    dropped = line.flush()
    took = time.perf_counter() - begun
    blocks = await run(line, np.zeros(rate, np.float32))
    last = max((k for k, b in enumerate(blocks) if b.microphone.std() > 0.01), default=-1)
    print(f"flush: {1000 * took:.1f} ms, {1000 * dropped / rate:.0f} ms dropped, heard for {16 * (last + 1)} ms after")
    player = card.play(music, sink="spk", wait=False)
    await run(line, np.zeros(rate, np.float32))
    blocks = await run(line, np.zeros(10 * rate, np.float32))
    player.terminate()
    player.wait()
    print(f"another program's sound: {cancelled(blocks):.1f} dB cancelled (seconds 5 to 10)")
    print(line.health)
    await line.aclose()


def main() -> None:
    with VirtualCard() as card:
        os.environ.update(card.env)
        card.loop(20)
        music = card.home / "music.wav"
        given = [word for word in sys.argv[1:] if not word.startswith("--")]
        if given:
            sound, rate = soundfile.read(given[0])
        else:
            sound, rate = np.random.default_rng(2).standard_normal(48_000) * 0.1, 48_000
        soundfile.write(music, 0.7 * np.tile(sound, -(-14 * rate // len(sound))), rate)
        asyncio.run(measure(card, music))


if __name__ == "__main__":
    main()
