"""The sound card line on a real PortAudio and a real PulseAudio with virtual cards."""

from __future__ import annotations

import asyncio
import ctypes.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import virtual_card
from leads import leads

from echoless.frames import RATE, Block
from echoless.lines import portaudio
from echoless.lines.door import LineError
from echoless.lines.portaudio import Device, find, list_devices
from echoless.lines.soundcard import SoundCardLine

missing = virtual_card.missing() or (None if ctypes.util.find_library("portaudio") else "no libportaudio2")
real = pytest.mark.skipif(missing is not None, reason=str(missing))


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Iterator[virtual_card.VirtualCard]:
    with virtual_card.VirtualCard() as card:
        for key, value in card.env.items():
            monkeypatch.setenv(key, value)
        yield card


async def run(line: SoundCardLine, sound: np.ndarray) -> list[Block]:
    """Play `sound` (at the line's rate) and hear as long."""
    n, blocks = line.traits.block, []
    for k in range(len(sound) // n):
        block = await line.exchange(sound[k * n : (k + 1) * n])
        assert block is not None
        blocks.append(block)
    return blocks


def silence(line: SoundCardLine, seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * line.traits.rate), np.float32)


def microphone(blocks: list[Block]) -> np.ndarray:
    return np.concatenate([b.microphone for b in blocks])


def reference(blocks: list[Block]) -> np.ndarray:
    return np.concatenate([b.reference for b in blocks])


def echo_delay(blocks: list[Block], start: float, length: float = 0.4) -> float:
    """Seconds by which the microphone comes after the reference, by generalised cross-correlation (PHAT)."""
    a, b = (x[int(start * RATE) : int((start + length) * RATE)] for x in (reference(blocks), microphone(blocks)))
    n = 4 * len(a)
    cross = np.fft.rfft(b, n) * np.conj(np.fft.rfft(a, n))
    lag = int(np.argmax(np.fft.irfft(cross / (np.abs(cross) + 1e-9), n)))
    return (lag if lag < n // 2 else lag - n) / RATE


@pytest.mark.card
@real
async def test_echo_comes_after_its_reference_and_stands_still(card: virtual_card.VirtualCard) -> None:
    """Bursts of noise through the loudspeaker, back through the microphone 20 ms later at the least."""
    card.loop(20)
    line = SoundCardLine()
    await line.open()
    await run(line, silence(line, 1.5))
    rng = np.random.default_rng(2)
    sound = (0.2 * rng.standard_normal(int(2.5 * line.traits.rate))).astype(np.float32)
    blocks = await run(line, sound)
    health = line.health
    await line.aclose()
    lead, placed = leads(blocks)
    if placed < 0.8:
        pytest.skip(f"too busy a machine to judge: {placed:.0%} of the echo could be placed, {health}")
    assert lead.min() > 0, health
    assert np.median(lead) < 0.4
    assert [b.index for b in blocks] == list(range(blocks[0].index, blocks[0].index + len(blocks)))
    assert sum(b.lost for b in blocks) == 0, health


@real
async def test_the_user_is_heard_and_the_agent_is_played(card: virtual_card.VirtualCard, tmp_path: Path) -> None:
    """What another program plays into the microphone arrives; what we play is what another program records."""
    t = np.arange(int(1.5 * 44_100)) / 44_100
    soundfile.write(tmp_path / "user.wav", 0.5 * np.sin(2 * np.pi * 700 * t), 44_100)
    line = SoundCardLine()
    await line.open()
    await run(line, silence(line, 1.0))
    with card.recording(tmp_path / "agent.wav"):
        player = card.play(tmp_path / "user.wav", wait=False)
        t = np.arange(2 * line.traits.rate) / line.traits.rate
        blocks = await run(line, (0.3 * np.sin(2 * np.pi * 1300 * t)).astype(np.float32))
        player.wait()
    await line.aclose()
    heard = microphone(blocks)
    assert np.argmax(np.abs(np.fft.rfft(heard))) / len(heard) * RATE == pytest.approx(700, abs=15)
    assert np.abs(heard).max() == pytest.approx(0.5, rel=0.1)
    played, rate = soundfile.read(tmp_path / "agent.wav")
    assert np.argmax(np.abs(np.fft.rfft(played))) / len(played) * rate == pytest.approx(1300, abs=15)
    assert np.abs(played).max() == pytest.approx(0.3, rel=0.05)


@pytest.mark.card
@real
async def test_flush_takes_back_what_the_card_has_not_played(card: virtual_card.VirtualCard) -> None:
    card.loop(20)
    line = SoundCardLine()
    await line.open()
    await run(line, silence(line, 1.5))
    t = np.arange(line.traits.rate) / line.traits.rate
    blocks = await run(line, (0.3 * np.sin(2 * np.pi * 1000 * t)).astype(np.float32))
    dropped = line.flush()
    blocks += await run(line, silence(line, 1.0))
    await line.aclose()
    assert dropped > line.traits.block
    after = blocks[-62:]
    for way in ("microphone", "reference"):  # a quarter of a second for the way through the server and back
        assert max((k for k, b in enumerate(after) if getattr(b, way).std() > 0.05), default=-1) < 16


@pytest.mark.card
@real
@pytest.mark.slow
@pytest.mark.parametrize("how", ["server", "suspended"])
async def test_a_card_that_goes_is_waited_for(card: virtual_card.VirtualCard, how: str) -> None:
    """Unplugged, or just silent: noticed, said, opened again, and the call goes on where it was."""
    said: list[str] = []
    line = SoundCardLine(on_trouble=said.append)
    await line.open()
    before = await run(line, silence(line, 1.0))

    async def plug() -> None:
        while not said:
            await asyncio.sleep(0.05)
        await asyncio.to_thread(card.start if how == "server" else card.pactl, *(() if how == "server" else on))

    off, on = ("suspend-sink", "spk", "1"), ("suspend-sink", "spk", "0")
    plugging = asyncio.create_task(plug())
    await asyncio.to_thread(card.stop if how == "server" else card.pactl, *(() if how == "server" else off))
    after = await asyncio.wait_for(run(line, silence(line, 2.5)), 60)
    await plugging
    health = line.health
    await line.aclose()
    assert said == ["The sound card is gone: waiting for it to come back.", "The sound card is back."]
    assert health.reopened == 1
    assert after[0].index == before[-1].index + 1
    assert sum(b.lost for b in after) > 0.2 * RATE


@pytest.mark.card
@real
async def test_a_card_that_stays_away_ends_the_call(card: virtual_card.VirtualCard) -> None:
    said: list[str] = []
    line = SoundCardLine(patience=0.5, on_trouble=said.append)
    await line.open()
    await run(line, silence(line, 0.3))
    card.stop()
    while (block := await line.exchange(np.zeros(line.traits.block, np.float32))) is not None:
        assert block.index < 1000
    assert said[-1] == "The sound card did not come back."
    assert await line.exchange(np.zeros(line.traits.block, np.float32)) is None


@pytest.mark.card
@real
async def test_closing_while_the_card_is_away_is_quick(card: virtual_card.VirtualCard) -> None:
    line = SoundCardLine()
    await line.open()
    card.stop()
    call = asyncio.create_task(run(line, silence(line, 60)))
    await asyncio.sleep(0.5)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.wait_for(line.aclose(), 5)


@real
async def test_an_unknown_device_names_those_there_are(card: virtual_card.VirtualCard) -> None:
    with pytest.raises(LineError, match=r"none of them.*pulse") as e:
        await SoundCardLine(device_in="Banana Mic 3000").open()
    assert "\n" not in str(e.value)


@real
async def test_no_sound_card_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/nobody.sock")
    (tmp_path / "asoundrc").write_text("</usr/share/alsa/alsa.conf>\n")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "asoundrc"))
    with pytest.raises(LineError) as e:
        await SoundCardLine().open()
    assert "\n" not in str(e.value)


@real
@pytest.mark.parametrize("left", ["open", "dead"])
def test_the_interpreter_ends_even_when_the_line_was_left_open(card: virtual_card.VirtualCard, left: str) -> None:
    code = """
import asyncio, sys
import numpy as np
from echoless.lines.soundcard import SoundCardLine
async def main():
    line = SoundCardLine()
    await line.open()
    for _ in range(20):
        await line.exchange(np.zeros(line.traits.block, np.float32))
    print("running", flush=True)
    sys.stdin.readline()
asyncio.run(main())
"""
    program = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert program.stdout is not None
    assert program.stdout.readline() == b"running\n"
    if left == "dead":
        card.stop()
    program.communicate(b"\n", timeout=20)
    assert program.returncode == 0


def test_without_portaudio_the_command_is_named() -> None:
    code = """
import ctypes.util
ctypes.util.find_library = lambda name: None
from echoless.lines.door import LineError
from echoless.lines.portaudio import list_devices
try:
    list_devices()
except LineError as e:
    print(e)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ)
    if sys.platform.startswith("linux"):
        assert "apt-get install libportaudio2" in done.stdout
        assert done.stdout.count("\n") == 1


DEVICES = [
    Device(0, "HDA Intel", "ALSA", 2, 2, False, True),
    Device(1, "USB Mic", "ALSA", 1, 0, True, False),
    Device(2, "USB Speaker", "ALSA", 0, 2, False, False),
    Device(3, "pulse", "ALSA", 32, 32, False, False),
]


@pytest.mark.parametrize(
    ("wanted", "way", "index"),
    [
        (None, "microphone", 1),
        (None, "loudspeaker", 0),
        (0, "microphone", 0),
        ("2", "loudspeaker", 2),
        ("usb", "microphone", 1),
        ("usb", "loudspeaker", 2),
        ("HDA intel", "loudspeaker", 0),
        ("", "loudspeaker", 0),
    ],
)
def test_devices_are_found_by_number_name_or_part(wanted: int | str | None, way: str, index: int) -> None:
    assert find(wanted, way, DEVICES).index == index


@pytest.mark.parametrize(
    ("wanted", "way"), [("9", "microphone"), ("l", "loudspeaker"), ("USB Speaker", "microphone"), (-1, "loudspeaker")]
)
def test_what_names_no_device_or_several_is_refused(wanted: int | str, way: str) -> None:
    with pytest.raises(LineError, match="There is: 0: HDA Intel"):
        find(wanted, way, DEVICES)


def test_no_device_at_all() -> None:
    with pytest.raises(LineError, match="no loudspeaker"):
        find(None, "loudspeaker", [DEVICES[1]])


def test_only_hardware_runs_in_one_stream() -> None:
    assert portaudio.duplex(DEVICES[0], DEVICES[0])
    assert not portaudio.duplex(DEVICES[3], DEVICES[3])
    assert not portaudio.duplex(DEVICES[1], DEVICES[2])


@pytest.mark.parametrize("rate", [8000, 44_100, 0, -48_000])
def test_rates_that_do_not_fit_are_refused(rate: int) -> None:
    with pytest.raises(LineError, match="multiple of 1000"):
        SoundCardLine(rate=rate)


@real
def test_the_list_says_what_a_person_needs(card: virtual_card.VirtualCard) -> None:
    lines = [str(d) for d in list_devices()]
    assert any("default" in line and "microphone and loudspeaker" in line for line in lines)
