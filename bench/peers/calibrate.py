"""How much of every latency is the sound card's and the bridge's: an agent that beeps at once, where nothing echoes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from bench.peers.agents import ROOT
from bench.peers.scripts import CARD_RATE

from echoless.frames import RATE, Samples
from echoless.rooms.bursts import frame_levels
from echoless.rooms.levels import read_wav

TIMES = (2.0, 5.0, 8.0, 11.0, 14.0, 17.0)
HEARS = -40.0
"""dBFS at which the beep agent takes a 10 ms block for speech."""
AUDIBLE = -50.0
LONGEST = 60
"""Frames within which a beep belongs to what was said."""


@dataclass(frozen=True, slots=True)
class Share:
    """Milliseconds from a sound in the room to the agent's answer in the room, one for each that was answered."""

    milliseconds: tuple[float, ...]

    def __str__(self) -> str:
        low, middle, high = np.quantile(self.milliseconds, (0.0, 0.5, 1.0))
        return f"{middle:.0f} ms ({low:.0f} to {high:.0f}, n = {len(self.milliseconds)})"


def delays(user: Samples, speaker: Samples) -> tuple[float, ...]:
    """Milliseconds from each first loud frame of the user to the beep that answers it, 10 ms of reaction taken off."""
    loud = np.flatnonzero(frame_levels(user) > HEARS)
    heard = np.flatnonzero(frame_levels(speaker) > AUDIBLE)
    firsts = loud[np.diff(loud, prepend=-1000) > LONGEST]
    answers = heard[np.diff(heard, prepend=-1000) > LONGEST]
    found = []
    for first in firsts:
        after = answers[(answers >= first) & (answers < first + LONGEST)]
        if len(after):
            found.append(float(10 * (after[0] - first) - 10))
    return tuple(found)


def measure(llm: str, folder: Path) -> Share | None:
    """Hold the call with the beep agent, or take the one in `folder`; None where nothing could be measured."""
    if not (folder / "run.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(1).standard_normal(RATE) * 0.1
        soundfile.write(folder / "noise.wav", noise, RATE, subtype="PCM_16")
        script = {
            "seconds": TIMES[-1] + 3,
            "rate": CARD_RATE,
            "room": {"echo_db": -60, "rt60": 0},
            "talkers": [{"at": at, "wav": "noise.wav"} for at in TIMES],
        }
        (folder / "script.json").write_text(json.dumps(script) + "\n")
        command = [sys.executable, "-m", "bench.peers.session", str(folder / "script.json"), "--agent", "beep"]
        subprocess.run([*command, "--llm", llm, "--out", str(folder)], cwd=ROOT, timeout=200)
    try:
        found = delays(read_wav(folder / "user.wav"), read_wav(folder / "speaker.wav"))
    except ValueError:
        return None
    return Share(found) if found else None
