"""Whole rehearsals: the real call in the room, from the command line."""

import json

import numpy as np
import pytest
import soundfile
from people import script

from echoless import cli
from echoless.frames import RATE
from echoless.rooms.cast import draw_voice, voices
from echoless.rooms.rehearse import Cost, Plan, rehearse
from echoless.rooms.script import Script


@pytest.mark.parametrize(
    ("content", "arguments", "complaint"),
    [
        ('{"sceonds": 3}', [], "sceonds: no such key"),
        ('{"talkers": [{"wav": "absent.wav"}]}', [], "no such file"),
        ('{"seconds": 1}', ["--mind", "telepathy"], "--mind telepathy"),
        ('{"seconds": 1, "voice": "espeak:xx-nowhere"}', [], "xx-nowhere"),
    ],
)
def test_mistakes_are_one_line(tmp_path, capsys, content, arguments, complaint):
    (tmp_path / "s.json").write_text(content)
    code = cli.main(["rehearse", str(tmp_path / "s.json"), "--out", str(tmp_path / "out"), *arguments])
    error = capsys.readouterr().err.strip()
    assert code != 0
    assert complaint in error
    assert "Traceback" not in error
    assert len(error.splitlines()) == 1


def test_the_voice_follows_from_the_seed():
    names = {draw_voice(Script(), seed).traits.name for seed in range(30)}
    assert len(names) > 5
    assert draw_voice(Script(), 3).traits == draw_voice(Script(), 3).traits
    assert draw_voice(Script(voice="espeak:en-gb"), 3).traits.name == "espeak:en-gb"
    assert all(name.startswith("espeak:cmn") for name in voices("zh"))


@pytest.mark.slow
def test_a_call_repeats_bit_for_bit_and_leaves_its_record(tmp_path):
    """A real call with fixed costs, twice: the agent answers a real (espeak) question over its own echo."""
    from echoless.voice.espeak import Espeak

    person = Espeak("en-gb+f2")
    question = np.concatenate([chunk.samples for chunk in person.speak("What will the weather be like tomorrow?")])
    soundfile.write(tmp_path / "question.wav", question, person.traits.rate)
    told = script(
        tmp_path,
        seconds=14,
        voice="espeak:en-us",
        talkers=[{"at": 0.5, "wav": "question.wav", "text": "what will the weather be like tomorrow"}],
    )
    seen = []
    for name in ("one", "two"):
        scores = rehearse(told, tmp_path / name, Plan(seed=2, cost=Cost.fixed), seen.append)
        assert scores.bursts[0]["kind"] == "reply"
        assert not scores.self_interruptions
    assert [int(second) for second in seen] == [*range(1, 15), *range(1, 15)]
    for file in ("events.jsonl", "mic.wav", "speaker.wav", "user.wav", "clean.wav"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    frames = {soundfile.info(tmp_path / "one" / f"{t}.wav").frames for t in ("mic", "speaker", "user", "clean")}
    assert frames == {14 * RATE}
    run = json.loads((tmp_path / "one" / "run.json").read_text())
    assert run["late_blocks"] == 0
    assert run["agent_dbfs"] == pytest.approx(-21, abs=4)


@pytest.mark.slow
def test_a_run_of_the_suite_is_resumed_and_reported(tmp_path):
    from echoless.rooms import suite
    from echoless.rooms.people import shared_folder
    from echoless.rooms.script import ScriptError

    try:
        shared_folder()
    except ScriptError as missing:
        pytest.skip(str(missing))
    out = tmp_path / "run"
    cases = [suite.Suite(suite.People(), out, 0, seconds=8.0).case(0, "alone", 0)]
    plan = Plan(cost=Cost.fixed)
    suite._rehearse(out, cases, plan, 1, "none")
    call = out / "calls" / cases[0].name
    assert suite.done(call)
    assert not list(call.glob("*.wav"))
    before = (call / "scores.json").stat().st_mtime_ns
    suite._rehearse(out, cases, plan, 1, "none")
    assert (call / "scores.json").stat().st_mtime_ns == before
    assert (tmp_path / "run" / "scripts" / f"{cases[0].name}.json").is_file()
