"""Files as a line: other people's WAVs in, a WAV on the same clock out."""

from __future__ import annotations

import os
import resource
import signal
import struct
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from echoless.lines.door import LineError
from echoless.lines.files import FileLine, line_rate
from echoless.lines.wav import WavReader


def speechlike(seconds: float, rate: int, seed: int = 0) -> np.ndarray:
    """Noise below 3 kHz: survives any of the rates."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(int(seconds * rate)))
    spectrum[int(3000 * seconds) :] = 0
    x = np.fft.irfft(spectrum, int(seconds * rate))
    return (0.3 * x / np.abs(x).max()).astype(np.float32)


async def heard(path: Path, out: Path, seconds: float) -> np.ndarray:
    line = FileLine(path, out, pace="fast")
    await line.open()
    blocks = []
    for _ in range(int(seconds * 62.5)):
        block = await line.exchange(np.zeros(line.traits.block, np.float32))
        assert block is not None
        blocks.append(block.microphone)
    await line.aclose()
    return np.concatenate(blocks)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 96000, 192000])
async def test_any_rate_arrives_on_the_same_sample(tmp_path: Path, rate: int) -> None:
    x = speechlike(1.0, rate)
    soundfile.write(tmp_path / "in.wav", x, rate, subtype="PCM_16")
    got = await heard(tmp_path / "in.wav", tmp_path / "out.wav", 1.2)
    want = np.interp(np.arange(16000) / 16000, np.arange(len(x)) / rate, x)  # crude but exact in time
    assert np.corrcoef(got[500:15500], want[500:15500])[0, 1] > 0.93
    assert np.corrcoef(got[501:15500], want[500:15499])[0, 1] < np.corrcoef(got[500:15500], want[500:15500])[0, 1]
    assert np.abs(got[16000 + 700 :]).max() < 1e-3


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
async def test_any_sane_sample_format(tmp_path: Path, subtype: str) -> None:
    x = speechlike(0.5, 16000)
    soundfile.write(tmp_path / "in.wav", x, 16000, subtype=subtype)
    got = await heard(tmp_path / "in.wav", tmp_path / "out.wav", 0.48)
    assert np.abs(got - x[: len(got)]).max() < 0.02


async def test_stereo_becomes_the_mean(tmp_path: Path) -> None:
    x = speechlike(0.5, 16000)
    soundfile.write(tmp_path / "in.wav", np.stack([x, np.zeros_like(x)], 1), 16000, subtype="FLOAT")
    got = await heard(tmp_path / "in.wav", tmp_path / "out.wav", 0.48)
    assert np.allclose(got, x[: len(got)] / 2, atol=1e-6)


async def test_floats_that_are_no_numbers_stay_outside(tmp_path: Path) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 1e30, 0.5] * 1000, np.float32)
    soundfile.write(tmp_path / "in.wav", x, 48000, subtype="FLOAT")
    got = await heard(tmp_path / "in.wav", tmp_path / "out.wav", 0.2)
    assert np.isfinite(got).all()
    assert np.abs(got).max() <= 1


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
async def test_out_shares_sample_zero_with_in(tmp_path: Path, rate: int) -> None:
    """What the agent plays in block k lies in the file at second k * 0.016, at the input's rate."""
    soundfile.write(tmp_path / "in.wav", speechlike(1.0, rate), rate, subtype="PCM_16")
    line = FileLine(tmp_path / "in.wav", tmp_path / "out.wav", pace="fast")
    await line.open()
    n, agent = line.traits.block, speechlike(1.0, line.traits.rate, seed=9)
    for k in range(62):
        await line.exchange(agent[k * n : (k + 1) * n])
    await line.aclose()
    out, out_rate = soundfile.read(tmp_path / "out.wav", dtype="float32")
    info = soundfile.info(tmp_path / "out.wav")
    assert (out_rate, info.subtype, info.channels) == (rate, "PCM_16", 1)
    assert abs(len(out) - 62 * 0.016 * rate) <= 1
    want = np.interp(np.arange(len(out)) / rate, np.arange(len(agent)) / line.traits.rate, agent)
    inner = slice(400, len(out) - 400)
    assert np.corrcoef(out[inner], want[inner])[0, 1] > 0.97


def test_line_rate_loses_nothing_that_the_file_can_hold() -> None:
    assert [line_rate(r) for r in (8000, 16000, 22050, 24000, 44100, 48000, 192000)] == [
        16000, 16000, 24000, 24000, 48000, 48000, 48000,
    ]  # fmt: skip


async def test_reference_is_exactly_what_was_played_at_16_khz(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", speechlike(0.5, 16000), 16000)
    line = FileLine(tmp_path / "in.wav", tmp_path / "out.wav", pace="fast")
    await line.open()
    played = speechlike(0.016, 16000, seed=2)
    block = await line.exchange(played)
    await line.aclose()
    assert block is not None
    assert np.array_equal(block.reference, played)


async def test_after_the_end_silence_goes_on_and_says_so(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", speechlike(0.1, 16000), 16000)
    line = FileLine(tmp_path / "in.wav", tmp_path / "out.wav", pace="fast")
    await line.open()
    ends = []
    for _ in range(100):
        block = await line.exchange(np.zeros(256, np.float32))
        assert block is not None
        ends.append(line.ended)
    await line.aclose()
    assert ends.index(True) == 6  # 1600 samples are 6.25 blocks
    assert not block.microphone.any()


async def test_real_pace_keeps_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Late blocks are caught up: deadlines, not intervals. The clock is the test's own."""
    import asyncio

    soundfile.write(tmp_path / "in.wav", speechlike(0.1, 16000), 16000)
    line = FileLine(tmp_path / "in.wav", tmp_path / "out.wav", pace="real")
    await line.open()
    now, slept = 100.0, []

    async def sleep(seconds: float) -> None:
        nonlocal now
        slept.append(seconds)
        now += seconds

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    for k in range(100):
        await line.exchange(np.zeros(256, np.float32))
        now += 0.050 if k == 10 else 0.001
    monkeypatch.undo()
    await line.aclose()
    assert now == pytest.approx(100 + 100 * 0.016 + 0.001)
    assert slept[11] == slept[12] == 0
    assert slept[50] == pytest.approx(0.015)


def header(data_bytes: int, rate: int = 16000, channels: int = 1, bits: int = 16, kind: int = 1) -> bytes:
    align = channels * bits // 8
    fmt = struct.pack("<HHIIHH", kind, channels, rate, rate * align & 0xFFFFFFFF, align, bits)
    return b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"WAVEfmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack(
        "<I", data_bytes
    )  # fmt: skip


BROKEN = {
    "empty": b"",
    "text": b"hello, I am not sound\n" * 10,
    "only a head": b"RIFF\x10\x00\x00\x00WAVE",
    "cut in the format": header(100)[:24],
    "no data": header(0),
    "data cut off": header(1_000_000),
    "rate 0": header(400, rate=0) + bytes(400),
    "rate of a bat": header(400, rate=4_000_000_000) + bytes(400),
    "telegraph": header(400, rate=100) + bytes(400),
    "no channels": header(400, channels=0) + bytes(400),
    "a choir": header(60_000, channels=1000) + bytes(60_000),
    "surround": header(600, channels=6) + bytes(600),
    "unknown codec": header(400, kind=0x9999) + bytes(400),
    "garbage after the head": b"RIFF\xff\xff\xff\xffWAVE" + bytes(range(256)) * 40,
    "a chunk of 4 GB": b"RIFF\xff\xff\xff\xffWAVEjunk\xff\xff\xff\xff" + bytes(100),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_broken_files_are_one_clear_line(tmp_path: Path, what: str) -> None:
    (tmp_path / "in.wav").write_bytes(BROKEN[what])
    line = FileLine(tmp_path / "in.wav", tmp_path / "out.wav")
    with pytest.raises(LineError) as e:
        await line.open()
        await line.exchange(np.zeros(line.traits.block, np.float32))
    await line.aclose()
    assert "in.wav" in str(e.value)
    assert "\n" not in str(e.value)
    assert len(str(e.value)) < 300


async def test_a_header_that_promises_too_much_gives_what_is_there(tmp_path: Path) -> None:
    x = speechlike(0.5, 16000)
    (tmp_path / "in.wav").write_bytes(header(0xFFFFFFF0) + (x * 32767).astype("<i2").tobytes())
    got = await heard(tmp_path / "in.wav", tmp_path / "out.wav", 0.6)
    assert np.abs(got[:8000] - x[:8000]).max() < 0.001
    assert not got[8000:].any()


async def test_broken_input_leaves_no_output_behind(tmp_path: Path) -> None:
    (tmp_path / "in.wav").write_bytes(b"nothing")
    with pytest.raises(LineError):
        await FileLine(tmp_path / "in.wav", tmp_path / "out.wav").open()
    assert not (tmp_path / "out.wav").exists()


@pytest.mark.parametrize("out", ["absent/out.wav", ".", "in.wav", "./sub/../in.wav"])
async def test_a_loudspeaker_that_cannot_be_written(tmp_path: Path, out: str) -> None:
    (tmp_path / "sub").mkdir()
    soundfile.write(tmp_path / "in.wav", speechlike(0.1, 16000), 16000)
    before = (tmp_path / "in.wav").read_bytes()
    with pytest.raises(LineError):
        await FileLine(tmp_path / "in.wav", tmp_path / out).open()
    assert (tmp_path / "in.wav").read_bytes() == before


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/null", "."])
async def test_only_plain_files_are_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(LineError, match="not a file"):
        await FileLine(Path(name), tmp_path / "out.wav").open()


def test_an_hour_long_file_is_not_read_whole(tmp_path: Path) -> None:
    """2 GB of stereo floats (sparse, so the disk holds nothing): a second of it costs next to no memory."""
    path, size = tmp_path / "long.wav", 2_000_000_000
    with path.open("wb") as f:
        f.write(header(size, rate=192_000, channels=2, bits=32, kind=3))
        f.truncate(44 + size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reader = WavReader(path, 16000)
    for _ in range(62):
        reader.read(256)
    reader.close()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KB


def test_a_killed_call_leaves_a_valid_file(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", speechlike(1.0, 44100), 44100)
    code = """
import asyncio, os, signal, sys
import numpy as np
from pathlib import Path
from echoless.lines.files import FileLine
async def main():
    line = FileLine(Path(sys.argv[1]), Path(sys.argv[2]), pace="fast")
    await line.open()
    for _ in range(125):
        await line.exchange(np.full(line.traits.block, 0.5, np.float32))
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "in.wav", tmp_path / "out.wav"], env=os.environ)
    assert done.returncode == -signal.SIGKILL
    with wave.open(str(tmp_path / "out.wav")) as w:  # stricter than most about headers
        assert w.getframerate() == 44100
        assert 1.5 <= w.getnframes() / 44100 <= 2.0
        frames = np.frombuffer(w.readframes(w.getnframes()), "<i2")
    assert abs(int(np.median(frames)) - 16384) <= 1


async def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    soundfile.write(tmp_path / "in.wav", speechlike(0.1, 16000), 16000)
    line = FileLine(tmp_path / "in.wav", Path("/dev/full"), pace="fast")
    with pytest.raises(LineError, match="cannot be written"):
        await line.open()
        for _ in range(200):
            await line.exchange(np.zeros(256, np.float32))
    await line.aclose()
