"""The room as a line: who is heard when, what is written, and that nothing depends on chance."""

import asyncio
import time

import numpy as np
import pytest
import soundfile
from people import script, words, write

from echoless.frames import BLOCK, RATE
from echoless.lines.door import Line
from echoless.rooms.levels import active_level
from echoless.rooms.line import RoomLine
from echoless.rooms.script import ScriptError
from echoless.rooms.virtual import run_virtual


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, question=words(1.5, 1), stop=np.pad(words(1.0, 2), (8000, 12000)), tv=words(3.0, 3))
    return tmp_path


async def hold(line, speech=None, at=0.0):
    """Play `speech` from `at` on; every block that came back."""
    track = np.zeros(line.blocks * line.traits.block, np.float32)
    if speech is not None:
        start = int(at * line.traits.rate)
        track[start : start + len(speech)] = speech
    blocks = []
    await line.open()
    for piece in track.reshape(-1, line.traits.block):
        block = await line.exchange(piece)
        assert block is not None
        blocks.append(block)
    assert await line.exchange(piece) is None
    await line.aclose()
    return blocks


def wav(folder, name):
    x, rate = soundfile.read(folder / f"{name}.wav", dtype="float32")
    assert rate == RATE
    return x


QUIET = {"noise_db": -90}


def test_who_talks_when(folder):
    line = RoomLine(
        script(
            folder,
            seconds=12,
            room=QUIET,
            talkers=[
                {"at": 1.5, "wav": "question.wav"},
                {"after": "agent.started", "nth": 2, "plus": 0.8, "wav": "stop.wav", "gain_db": -6},
                {"after": "agent.started", "nth": 3, "wav": "stop.wav"},
                {"after": "agent.stopped", "nth": 2, "plus": 1.0, "wav": "question.wav"},
            ],
        )
    )
    agent = np.concatenate([words(1, 4, -20), np.zeros(RATE, np.float32), words(2, 5, -20)])
    run_virtual(hold(line, agent, 4.0))
    assert isinstance(line, Line)
    assert line.fired[0] == int(1.5 * RATE)
    assert line.fired[1] == pytest.approx(6.8 * RATE, abs=400)
    assert line.fired[2] is None
    assert line.fired[3] == pytest.approx(9.0 * RATE, abs=800)
    line.save(folder / "out")
    user = wav(folder / "out", "user")
    question, stop = user[: 5 * RATE], user[line.fired[1] : line.fired[1] + RATE]
    assert active_level(question[24000:48000]) == pytest.approx(-26, abs=0.3)
    assert active_level(stop) == pytest.approx(-32, abs=0.5)
    assert not user[: int(1.45 * RATE)].any()
    assert np.abs(stop[: RATE // 20]).max() > 0.005  # its half second of silence was cut off


def test_tracks_are_one_clock(folder):
    line = RoomLine(script(folder, seconds=6, room={"delay_ms": 100, "noise_db": -70, "rt60": 0, "nonlinear": 0}))
    speech = words(2, 6, -20)
    blocks = run_virtual(hold(line, speech, 1.0))
    line.save(folder / "out")
    speaker, mic = wav(folder / "out", "speaker"), wav(folder / "out", "mic")
    assert len(speaker) == len(mic) == len(wav(folder / "out", "user")) == line.blocks * BLOCK
    assert np.abs(speaker[RATE : RATE + len(speech)] - speech).max() <= 1 / 32768
    assert not speaker[:RATE].any()
    assert np.array_equal(np.concatenate([b.microphone for b in blocks]), mic)
    assert np.array_equal(np.concatenate([b.reference for b in blocks]), speaker)
    lag = int(np.argmax(np.correlate(mic, speaker[RATE : RATE + 8000], "valid"))) - RATE
    assert lag == pytest.approx(1600 + 23, abs=3)
    assert not (folder / "out" / "reference.wav").exists()


def test_media_is_heard_but_is_no_user(folder):
    line = RoomLine(script(folder, seconds=8, room=QUIET, talkers=[{"who": "media", "wav": "tv.wav", "loop": 6}]))
    run_virtual(hold(line))
    line.save(folder / "out")
    assert not wav(folder / "out", "user").any()
    mic = wav(folder / "out", "mic")
    assert active_level(mic[: 6 * RATE]) == pytest.approx(-26, abs=1)
    assert np.abs(mic[: 6 * RATE].reshape(6, RATE)).max(axis=1).min() > 0.02


def test_late_reference_is_written_as_the_ears_got_it(folder):
    line = RoomLine(script(folder, seconds=3, room={"reference_late": [[0, 50]]}))
    blocks = run_virtual(hold(line, words(1, 6, -20), 1.0))
    line.save(folder / "out")
    assert np.array_equal(np.concatenate([b.reference for b in blocks]), wav(folder / "out", "reference"))
    assert np.array_equal(wav(folder / "out", "reference")[800:], wav(folder / "out", "speaker")[:-800])


def test_a_voice_at_48_khz(folder):
    line = RoomLine(script(folder, seconds=3, rate=48000, room=QUIET))
    tone = (0.1 * np.sin(2 * np.pi * 440 * np.arange(48000) / 48000)).astype(np.float32)
    run_virtual(hold(line, tone, 1.0))
    line.save(folder / "out")
    speaker = wav(folder / "out", "speaker")
    assert len(speaker) == line.blocks * BLOCK
    assert np.sqrt(np.mean(speaker[18000:30000] ** 2)) == pytest.approx(0.1 / np.sqrt(2), rel=0.01)


def test_a_rehearsal_repeats_bit_for_bit_and_follows_its_seed(folder):
    told = script(folder, seconds=4, room={"restless": 0.05, "drift_ppm": 50, "reference_loss": 0.1})

    def mic(seed):
        return np.concatenate([b.microphone for b in run_virtual(hold(RoomLine(told, seed), words(2, 6), 1.0))])

    assert np.array_equal(mic(1), mic(1))
    assert not np.array_equal(mic(1), mic(2))


def test_pace_on_an_ordinary_loop_is_the_wall_clocks(folder):
    line = RoomLine(script(folder, seconds=0.32))
    begun = time.monotonic()
    asyncio.run(hold(line))
    assert time.monotonic() - begun >= 0.3


def test_who_comes_late_is_counted_and_catches_up(folder):
    async def slow():
        line = RoomLine(script(folder, seconds=3))
        await line.open()
        silence = np.zeros(BLOCK, np.float32)
        for k in range(100):
            if k == 50:
                await asyncio.sleep(0.5)
            await line.exchange(silence)
        return line.late_blocks, asyncio.get_running_loop().time()

    late, at = run_virtual(slow())
    assert 20 < late < 35
    assert at == pytest.approx(1.6)


def test_faster_than_ten_times_real_time_alone(folder):
    """CPU time, not wall time: the room leaves the ears nearly all of the tenth that they may use. 1 s on a quiet
    machine; under load the same work is charged several times that."""
    line = RoomLine(script(folder, seconds=10, room={"drift_ppm": 50, "restless": 0.05}))
    begun = time.process_time()
    run_virtual(hold(line, words(8, 6, -20), 1.0))
    assert time.process_time() - begun < 4.0


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ({"sceonds": 3}, "sceonds: no such key"),
        ({"room": {"rt": 3}}, "room.rt: no such key"),
        ({"talkers": [{"wav": "question.wav", "gain": 3}]}, "talkers.0.gain: no such key"),
        ({"talkers": [{"wav": "question.wav", "at": 1, "after": "agent.started"}]}, "not both"),
        ({"talkers": [{"wav": "question.wav", "after": "agent.sang"}]}, "talkers.0.after"),
        ({"talkers": [{"wav": "absent.wav"}]}, "no such file"),
        ({"talkers": [{"at": 1}]}, "talkers.0.wav: no WAV"),
        ({"talkers": [{"wav": "question.wav", "who": "me"}]}, "talkers.0.who"),
        ({"room": {"noise_wav": "absent.wav"}}, "room.noise_wav"),
        ({"room": {"rt60": "much"}}, "room.rt60"),
        ({"seconds": float("inf")}, "seconds"),
        ({"seconds": -1}, "seconds"),
        ({"rate": 11025}, "rate"),
    ],
)
def test_a_wrong_script_is_refused_in_one_line(folder, keys, complaint):
    with pytest.raises(ScriptError) as wrong:
        script(folder, **keys)
    assert complaint in str(wrong.value)
    assert "\n" not in str(wrong.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000, b'{"seconds": 1e999}'])
def test_what_is_no_script_is_refused_in_one_line(tmp_path, content):
    from echoless.rooms.script import load

    (tmp_path / "s.json").write_bytes(content)
    with pytest.raises(ScriptError) as wrong:
        load(tmp_path / "s.json")
    assert "\n" not in str(wrong.value)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not a wav at all"])
def test_what_is_no_sound_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "x.wav").write_bytes(content)
    with pytest.raises(ScriptError, match=r"x\.wav") as wrong:
        RoomLine(script(tmp_path, talkers=[{"wav": "x.wav"}]))
    assert "\n" not in str(wrong.value)


def test_silence_is_no_talker(tmp_path):
    write(tmp_path, x=np.zeros(RATE, np.float32))
    with pytest.raises(ScriptError, match="no speech"):
        RoomLine(script(tmp_path, talkers=[{"wav": "x.wav"}]))


def test_every_key_has_a_default(tmp_path):
    told = script(tmp_path)
    assert told.seconds == 40
    assert told.room.size == (5.0, 4.0, 2.7)
    assert RoomLine(told).traits.block == BLOCK


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("rt60", [0.0, 0.3])
def test_a_talker_may_walk_any_way(tmp_path, seed, rt60):
    write(tmp_path, walks=words(2.0, 1))
    told = script(tmp_path, seconds=4, room={"rt60": rt60}, talkers=[{"wav": "walks.wav", "move": 1.4}])
    voice = RoomLine(told, seed).voices[0]
    assert active_level(voice.wet) == pytest.approx(active_level(voice.dry), abs=1.5)
    assert len(voice.wet) > len(voice.dry)
