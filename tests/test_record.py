"""The call record: what it holds, who may read it, when it goes."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from echoless.frames import Block, Event
from echoless.record import TRACKS, Recorder, forget_old


def block(index: int, lost: int = 0) -> Block:
    return Block(index, np.full(256, 0.5, np.float32), np.full(256, -0.25, np.float32), lost)


def test_the_tracks_are_of_one_length_and_keep_time_over_a_loss(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "call", {"keep_days": 3})
    recorder.block(block(0), np.full(256, 2.0, np.float32))
    recorder.block(block(1, lost=1000), np.zeros(256, np.float32))
    recorder.event(Event(0.016, "user.rejected", {"reason": "echo", "evidence": {"near": np.float32(0.5)}}))
    recorder.close()
    tracks = {name: soundfile.read(tmp_path / "call" / f"{name}.wav", dtype="float32") for name in TRACKS}
    assert {(len(sound), rate) for sound, rate in tracks.values()} == {(1512, 16_000)}
    assert tracks["mic"][0][0] == pytest.approx(0.5, abs=1e-4)
    assert tracks["speaker"][0][-1] == pytest.approx(-0.25, abs=1e-4)
    assert tracks["clean"][0].max() <= 1.0
    (line,) = (tmp_path / "call" / "events.jsonl").read_text().splitlines()
    assert json.loads(line) == {"t": 0.016, "event": "user.rejected", "reason": "echo", "evidence": {"near": 0.5}}
    assert json.loads((tmp_path / "call" / "call.json").read_text())["rate"] == 16_000


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "call", {})
    recorder.close()
    assert stat.S_IMODE((tmp_path / "call").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "call").iterdir()} == {0o600}


def test_a_record_goes_when_its_own_time_is_over_and_nothing_else_does(tmp_path: Path) -> None:
    for name, days in (("short", 1), ("long", 100), ("for_ever", 0)):
        Recorder(tmp_path / name, {"keep_days": days}).close()
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "call.json").write_text('{"keep_days": 1}')
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "call.json").write_text("{")
    old = time.time() - 10 * 86_400
    for path in tmp_path.glob("*/call.json"):
        os.utime(path, (old, old))
    assert forget_old(tmp_path) == [tmp_path / "short"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "for_ever", "foreign", "long"]
