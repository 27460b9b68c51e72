"""The line to a web page, with a real WebRTC peer on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
from aiortc.rtp import RtpPacket

from echoless.frames import BLOCK
from echoless.lines.door import Line, LineError
from echoless.lines.rings import Mark
from echoless.lines.webclock import ArrivalLine
from echoless.lines.webpeer import LONGEST_OFFER, Mouth, Straight, checked_offer
from echoless.lines.webrtc import Pace, WebLine
from tests.serve.pages import RATE, Page, Tape, until


def tone(hertz: float, seconds: float) -> np.ndarray:
    return (0.4 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def strength(sound: np.ndarray, hertz: float, rate: int) -> float:
    """Amplitude of one frequency in the loudest half second."""
    n = rate // 2
    wave = np.exp(-2j * np.pi * hertz * np.arange(n) / rate)
    starts = range(0, max(1, len(sound) - n), n // 2)
    return max((2 * abs(np.mean(sound[s : s + n] * wave[: len(sound[s : s + n])])) for s in starts), default=0.0)


@pytest.fixture
async def line() -> AsyncIterator[WebLine]:
    made = WebLine(patience=20)
    await made.open()
    yield made
    await made.aclose()


async def connect(line: WebLine, tape: Tape | None) -> Page:
    page = Page(tape)
    await page.take(await line.answer(await page.offer()))
    await until(lambda: line._sounding)
    return page


def silence(line: WebLine) -> np.ndarray:
    return np.zeros(line.traits.block, np.float32)


def test_is_a_line_whose_far_end_cancels_echo() -> None:
    line = WebLine()
    assert isinstance(line, Line)
    assert line.traits.cancels_echo
    assert line.traits.rate == 48_000


async def test_sound_goes_both_ways_and_the_reference_is_what_was_sent(line: WebLine) -> None:
    page = await connect(line, Tape(tone(700, 30)))
    line.begin()
    played = tone(1500, 2.6)
    microphone, reference = [], []
    for k in range(len(played) // line.traits.block):
        block = await line.exchange(played[k * line.traits.block : (k + 1) * line.traits.block])
        assert block is not None and block.index == k
        assert block.microphone.shape == block.reference.shape == (BLOCK,)
        microphone.append(block.microphone)
        reference.append(block.reference)
    assert strength(np.concatenate(microphone), 700, 16_000) > 0.2
    assert strength(np.concatenate(microphone), 1500, 16_000) < 0.02
    assert strength(np.concatenate(reference), 1500, 16_000) > 0.3
    await until(lambda: strength(page.heard, 1500, RATE) > 0.2)
    assert strength(page.heard, 700, RATE) < 0.02
    await page.aclose()


async def test_reference_comes_before_its_echo(line: WebLine) -> None:
    """The page plays what it hears back into its microphone: the echo lies behind the reference, by under a second."""
    tape = Tape()
    page = await connect(line, tape)
    line.begin()
    rng = np.random.default_rng(1)
    microphone, reference = [], []
    for _ in range(230):
        tape.sound = page.heard  # an echo with the page's own delay: what was heard, where the tape is now
        if tape.at > len(tape.sound) - 960:
            tape.sound = np.concatenate((np.zeros(max(0, tape.at + 960 - len(tape.sound)), np.float32), tape.sound))
        block = await line.exchange((0.2 * rng.standard_normal(line.traits.block)).astype(np.float32))
        assert block is not None
        microphone.append(block.microphone)
        reference.append(block.reference)
    heard, sent = np.concatenate(microphone)[-24_000:], np.concatenate(reference)[-24_000:]
    size = 65_536
    correlation = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(sent, size)), size)
    lag = int(np.argmax(np.abs(correlation)))
    assert 0 < lag < 16_000, f"{lag if lag < size // 2 else lag - size} samples"
    await page.aclose()


async def test_media_stays_on_loopback(line: WebLine) -> None:
    page = Page(Tape())
    answer = await line.answer(await page.offer())
    candidates = [row.split() for row in answer.splitlines() if row.startswith("a=candidate:")]
    assert candidates and {row[4] for row in candidates} == {"127.0.0.1"}
    assert "opus" in answer.lower() and "PCMU" not in answer
    await page.aclose()


async def test_without_a_microphone_a_clock_moves_the_call(line: WebLine) -> None:
    assert line.pace is Pace.NOTHING
    line.begin()
    assert line.pace is Pace.CLOCK
    blocks = [await line.exchange(silence(line)) for _ in range(10)]
    assert all(block is not None and not block.microphone.any() for block in blocks)
    assert line.latency == 0.0


async def test_time_stands_still_while_nobody_is_there(line: WebLine) -> None:
    line.begin()
    line.away()
    waiting = asyncio.ensure_future(line.exchange(silence(line)))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    line.alive()
    block = await asyncio.wait_for(waiting, 5)
    assert block is not None and block.index == 0


async def test_far_end_is_gone_for_good_after_patience() -> None:
    line = WebLine(patience=0.05)
    await line.open()
    assert await asyncio.wait_for(line.exchange(silence(line)), 5) is None
    await line.aclose()


async def test_closing_wakes_who_waits(line: WebLine) -> None:
    waiting = asyncio.ensure_future(line.exchange(silence(line)))
    await asyncio.sleep(0)
    await line.aclose()
    assert await asyncio.wait_for(waiting, 5) is None


async def test_a_reloaded_page_takes_the_line_over(line: WebLine) -> None:
    first = await connect(line, Tape(tone(700, 60)))
    line.begin()
    for _ in range(5):
        assert await line.exchange(silence(line)) is not None
    second = await connect(line, Tape(tone(1100, 60)))
    sound = []
    for k in range(90):
        block = await line.exchange(silence(line))
        assert block is not None and block.index == 5 + k
        sound.append(block.microphone)
    assert strength(np.concatenate(sound[45:]), 1100, 16_000) > 0.2
    await first.aclose()
    await second.aclose()


async def test_cut_off_speech_is_muted_at_the_page(line: WebLine) -> None:
    hushes: list[float] = []
    line.on_hush = hushes.append
    page = await connect(line, Tape(tone(300, 60)))
    line.begin()
    line.flush()
    assert hushes == []  # nothing was being said
    await until_sounded(line)
    line.playout(0.3)
    line.playout(0.3)
    line.flush()
    assert len(hushes) == 1 and 0.2 < hushes[0] < 0.4
    assert 0.2 < line.latency < 0.45
    await page.aclose()


async def until_sounded(line: WebLine) -> None:
    loud = np.full(line.traits.block, 0.2, np.float32)
    async with asyncio.timeout(10):
        while line._sounded_at < 0:
            await line.exchange(loud)


async def test_a_nonsense_playout_report_is_bounded(line: WebLine) -> None:
    page = await connect(line, Tape())
    for _ in range(20):
        line.playout(1e9)
    assert line.latency < 2.5
    for _ in range(20):
        line.playout(-5)
    assert line.latency >= 0
    await page.aclose()


def test_lost_packets_become_silence_and_the_clock_stays() -> None:
    line = WebLine()
    line._put(np.ones(960, np.float32), 0, 1.0)
    line._put(np.ones(960, np.float32), 2880, 1.06)  # two packets lost
    ring = line._capture.ring
    assert ring.written == 3840
    assert not ring.read(960, 1920).any() and ring.read(2880, 960).all()
    line._put(np.ones(960, np.float32), 48_000 * 6, 7.0)  # the network was away: no five seconds of silence
    assert ring.written == 4800


OFFER = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"


@pytest.mark.parametrize(
    ("offer", "why"),
    [
        ("x" * (LONGEST_OFFER + 1), "longer"),
        ("", "one audio section"),
        (OFFER + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n", "one audio section"),
        (OFFER + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n", "one audio section"),
        (OFFER + "a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n" * 25, "candidates"),
    ],
)
async def test_strange_offers_are_refused_in_one_line(line: WebLine, offer: str, why: str) -> None:
    with pytest.raises(LineError, match=why) as caught:
        await line.answer(offer)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("offer", [OFFER, OFFER + "a=mid:0\r\na=setup:rubbish\r\n", "v=0\r\nm=audio x y\r\n"])
async def test_broken_offers_do_not_break_the_line(line: WebLine, offer: str) -> None:
    with pytest.raises(LineError):
        await line.answer(offer)
    page = await connect(line, Tape())
    await page.aclose()


@pytest.mark.parametrize(
    ("address", "local", "kept"),
    [
        ("127.0.0.1", True, True),
        ("192.168.1.7", True, False),
        ("192.168.1.7", False, True),
        ("127.0.0.1", False, False),
        ("224.0.0.251", False, False),
        ("0.0.0.0", False, False),
        ("abcd.local", False, False),
        ("abcd.local", True, False),
    ],
)
def test_we_send_only_where_it_is_allowed(address: str, local: bool, kept: bool) -> None:
    offer = OFFER + f"a=candidate:1 1 udp 2122 {address} 50000 typ host\r\na=end-of-candidates\r\n"
    checked = checked_offer(offer, local)
    assert (address in checked) is kept
    assert "end-of-candidates" not in checked


def packet(number: int) -> RtpPacket:
    made = RtpPacket(sequence_number=number % 65_536, timestamp=number * 960)
    made._data = bytes([number % 256])
    return made


def test_packets_pass_at_once_a_lost_one_holds_nothing_up_and_an_overtaken_one_is_left_out() -> None:
    buffer = Straight()
    passed = []
    for number in (65_533, 65_534, 65_536, 65_535, 65_539):
        _, frame = buffer.add(packet(number))
        passed.append(frame and frame.timestamp // 960)
    assert passed == [65_533, 65_534, 65_536, None, 65_539]


async def test_what_a_stall_left_unsent_is_silence_and_its_time_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 100.0
    monkeypatch.setattr("echoless.lines.webpeer.time.monotonic", lambda: clock)
    line = WebLine()
    mouth = Mouth(line._pull)
    line._playback.push(np.ones(768, np.float32), 0)
    stamps = [(await mouth.recv()).pts]
    clock = 100.06  # two packets late: they go out at once
    stamps += [(await mouth.recv()).pts for _ in range(2)]
    written = line._playback.history.written
    clock = 101.0
    stamps.append((await mouth.recv()).pts)
    assert stamps == [0, 960, 1920, 50 * 960]
    assert line._playback.history.written - written == 48 * 960
    assert not line._playback.history.read(written, 47 * 960).any()


def test_arrival_times_are_judged_by_the_earliest() -> None:
    line = ArrivalLine(RATE)
    rng = np.random.default_rng(2)
    for k in range(500):
        line.observe(Mark(k * 960, 7.0 + k * 0.02 + float(rng.exponential(0.05))))
    assert line.time_at(0) == pytest.approx(7.0, abs=0.002)
    assert line.drift == 0.0
    for k in range(500, 1100):  # the way has become 0.1 s longer: believed once ten seconds say so
        line.observe(Mark(k * 960, 7.1 + k * 0.02 + float(rng.exponential(0.05))))
    assert line.time_at(0) == pytest.approx(7.1, abs=0.002)
