"""The suite: its scripts are good, the same every time, and cover what they say; its report says what happened."""

import io
import json
import subprocess
import sys
import tarfile
import time
from concurrent.futures import Future
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile

from echoless.frames import BLOCK, RATE, Block
from echoless.rooms import cast, claims, collected, hour, many, report, suite, throats, train_short
from echoless.rooms.acoustics import EchoPath
from echoless.rooms.cases import FAMILIES, LEVELS, Suite
from echoless.rooms.conversations import endless
from echoless.rooms.levels import active_level, speech_like
from echoless.rooms.measures import pool
from echoless.rooms.mixtures import training_cast
from echoless.rooms.people import People, cough, music, nod, shared_folder
from echoless.rooms.real import CUT_IN, mixed
from echoless.rooms.scorer import Scores
from echoless.rooms.script import RoomSettings, Script, ScriptError, load
from echoless.rooms.talkers import trim
from echoless.rooms.variants import LAYERS, Aec3Guard, DeafGuard, check, vary
from echoless.rooms.virtual import VirtualMeter


@cache
def people():
    try:
        return People(shared_folder())
    except ScriptError as missing:
        pytest.skip(str(missing))


def test_every_family_makes_scripts_that_load(tmp_path):
    suite = Suite(people(), tmp_path)
    for n in range(3):
        for family in FAMILIES:
            case = suite.case(n, family, LEVELS[n])
            told = load(case.path)
            assert {k: told.tags[k] for k in ("family", "echo_db")} == {"family": family, "echo_db": LEVELS[n]}
            assert ("network_ms" in told.tags) == (told.room.network_ms is not None)
            assert family == "mixed" or ("network_ms" in told.tags) == (family in ("network", "browser"))
            assert told.talkers[0].kind == "turn"
            assert not any(str(t.wav).startswith("/") for t in told.talkers)


def test_cases_cover_levels_and_families_and_do_not_depend_on_how_many_there_are(tmp_path):
    suite = Suite(people(), tmp_path / "a")
    cases = list(suite.cases(2 * 5 * (len(FAMILIES) - 1)))
    names = [case.name.split("-", 1)[1] for case in cases]
    assert {n for n in names if n.startswith("static")} == {f"static{level:+d}" for level in LEVELS}
    for family in FAMILIES:
        assert sum(n.rstrip("+-0123456789") == family for n in names) >= 5
    few = list(Suite(people(), tmp_path / "b").cases(7))
    for one, other in zip(cases, few, strict=False):
        assert one.path.name == other.path.name
        assert load(one.path).room == load(other.path).room
    assert len({case.seed for case in cases}) == len(cases)


def test_families_can_be_chosen_and_unknown_ones_are_refused(tmp_path):
    suite = Suite(people(), tmp_path)
    cases = list(suite.cases(12, ["short", "nods"]))
    assert {case.name.split("-", 1)[1].rstrip("+-0123456789") for case in cases} == {"short", "nods"}
    told = load(cases[0].path)
    assert sum(t.kind == "short" for t in told.talkers) > 3
    with pytest.raises(ScriptError, match="no family 'hope'"):
        list(suite.cases(1, ["hope"]))


def test_nor_has_what_tells_commands_from_nods() -> None:
    known = {name.rpartition("+")[2] for name in (*cast.ESPEAK, *cast.MANDARIN)} | set(throats.TIMBRES)
    assert not known & set(train_short.TIMBRES)


def test_the_judge_has_learnt_from_no_timbre_of_the_suite(tmp_path):
    """Neither its agents nor its synthetic people, whatever the language they speak with that timbre."""
    learnt = {name for name in (*training_cast(people()).agents, *training_cast(people()).synthetic)}
    timbres = {name.partition("+")[2] for name in learnt if "+" in name}
    for name in (*cast.ESPEAK, *cast.MANDARIN, *throats.TIMBRES):
        assert name.rpartition("+")[2] not in timbres
        assert "+" in name or name in throats.TIMBRES
    assert not {f"flite:{name}" for name in cast.FLITE} & learnt
    assert not {name.rpartition("+")[2] for name in (*cast.ESPEAK, *cast.MANDARIN)} & set(throats.TIMBRES)


def test_quotes_are_the_agents_own_sentences(tmp_path):
    suite = Suite(people(), tmp_path)
    for n in range(4):
        told = load(suite.case(n, "quote", 0).path)
        quotes = [t for t in told.talkers if t.kind == "quote"]
        assert len(quotes) == 3
        for quote, reply in zip(quotes, told.replies, strict=False):
            assert quote.text in reply


def test_drawn_voices_are_equally_loud():
    for seed in range(4):
        voice = cast.draw_voice(Script(), seed)
        sound = np.concatenate([chunk.samples for chunk in voice.speak("The ferry leaves every forty minutes.")])
        voice.close()
        assert active_level(sound, voice.traits.rate) == pytest.approx(-20, abs=2)


def test_another_seed_is_another_suite(tmp_path):
    one, other = (list(Suite(people(), tmp_path / str(seed), seed).cases(4)) for seed in (0, 1))
    assert all(a.path.read_text() != b.path.read_text() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("make", [cough, nod, music])
def test_made_up_sounds_differ_and_are_audible(make):
    one, other = make(1), make(2)
    assert not np.array_equal(one, other)
    assert np.array_equal(one, make(1))
    assert len(trim(one)) > 0.2 * RATE


# --- other guards -----------------------------------------------------------------------------------------------


def test_aec3_removes_echo_and_the_deaf_guard_does_not():
    path, aec3, deaf = EchoPath(RoomSettings(echo_db=0, nonlinear=0.1), 1), Aec3Guard(), DeafGuard()
    before = after = raw = 0.0
    for k, block in enumerate(speech_like(8.0).reshape(-1, BLOCK)):
        echo = path.play(block)
        clean, same = aec3.hear(echo, path.played).clean, deaf.hear(echo, path.played).clean
        assert clean.shape == (BLOCK,)
        if k > 250:
            before, after, raw = before + echo @ echo, after + clean @ clean, raw + same @ same
    assert 10 * np.log10(before / after) > 15
    assert raw == before


@pytest.mark.parametrize(("guard", "without"), [("magic", ()), ("own", ("hope",))])
def test_unknown_guards_and_layers_are_refused(guard, without):
    with pytest.raises(ScriptError, match=r"there is|it has"):
        check(guard, without)


def test_people_are_mixed_into_recordings_at_their_level():
    echo, voice = speech_like(10.0, -30.0), speech_like(3.0, -20.0)
    both = mixed(echo, voice, 10)
    assert np.array_equal(both[: int(CUT_IN * RATE)], echo[: int(CUT_IN * RATE)])
    added = (both - echo)[int(CUT_IN * RATE) :][: len(voice)]
    assert 20 * np.log10(np.std(added) / np.std(voice)) == pytest.approx(-20, abs=0.7)  # to -40 dBFS


# --- the report -------------------------------------------------------------------------------------------------


def finished_call(folder, name, level, *, noticed=True, self_answers=0):
    bursts = [{"begin": 3.0, "end": 12.0, "kind": "reply", "latency": 0.8, "over_user": False}]
    bursts += [{"begin": 20.0 + k, "end": 20.5 + k, "kind": "self_answer"} for k in range(self_answers)]
    talker = {"number": 1, "kind": "interrupt", "begin": 8.0, "end": 10.0, "over_agent": True, "who": "user"}
    talker |= {"noticed": noticed, "ducked": 0.2, "stopped": 0.4, "answered": True}
    scores = Scores(50.0, 20.0, -20.0, bursts, [talker], tags={"family": "static", "echo_db": level})
    call = folder / "calls" / name
    call.mkdir(parents=True)
    (call / "scores.json").write_text(json.dumps({"measures": {}, **asdict(scores)}))
    word = {"words": 10, "errors": 3, "errors_without_echo": 2, "over_agent": True, "kind": "interrupt", "number": 1}
    (call / "claims.json").write_text(json.dumps({"words": [word], "false_ducks": [[30.0, 0.4]]}))


def test_report_counts_what_happened(tmp_path):
    for k in range(10):
        finished_call(tmp_path / "own", f"{k}", LEVELS[k % 5], noticed=k != 4)
    finished_call(tmp_path / "own", "bad", 15, self_answers=2)
    finished_call(tmp_path / "other", "0", 0, noticed=False)
    path = report.write({"own": [tmp_path / "own"], "other": [tmp_path / "other"]}, tmp_path / "out")
    text = (tmp_path / "out" / "report.md").read_text()
    assert path.endswith("report.md")
    assert "Self-answers: 2 in 0.15 h" in text
    assert "| bad | 2 |" in text
    assert "30.0 % against 20.0 % (110)" in text
    assert "own record |  | 2.00 % | 2.00 % |" in text
    figures = json.loads((tmp_path / "out" / "report.json").read_text())
    assert figures["own"]["all"]["noticed"]["count"] == 10
    assert figures["own"]["levels"]["15"]["noticed"]["of"] == 3
    assert figures["other"]["all"]["noticed"]["value"] == 0
    assert (tmp_path / "out" / "curves.png").stat().st_size > 5000


def test_a_held_reply_that_goes_on_is_told_from_a_new_one_by_the_record():
    scores = {
        "bursts": [{"begin": at, "kind": "self_answer"} for at in (10.0, 20.0)] + [{"begin": 30.0, "kind": "reply"}]
    }
    events = [
        {"t": t, "event": f"agent.{what}"} for t, what in ((9.0, "ducked"), (10.01, "resumed"), (19.8, "started"))
    ]
    assert claims._went_on(scores, events) == [10.0]


def test_turns_of_nobody_are_read_out_of_the_record():
    def turn(started, said, text):
        return [{"t": started, "event": "user.started"}, {"t": said, "event": "user.said", "text": text}]

    scores = {"talkers": [{"begin": 10.0, "end": 12.0}]}
    events = [
        *turn(5.0, 6.0, "Wait."),
        *turn(10.2, 13.0, "and more"),
        *turn(12.9, 13.5, "so"),
        *turn(13.1, 14.0, "No."),
    ]
    assert claims._to_nobody(scores, events) == [(5.0, "Wait."), (13.1, "No.")]


def test_calls_whose_sound_was_kept_are_judged_anew(tmp_path):
    for name in ("kept", "gone"):
        finished_call(tmp_path, name, 0, self_answers=2)
        (tmp_path / "calls" / name / "run.json").write_text('{"seed": 0}')
        turn = {"t": 45.0, "event": "user.started"}, {"t": 45.5, "event": "user.said", "text": "Wait."}
        (tmp_path / "calls" / name / "events.jsonl").write_text("\n".join(map(json.dumps, turn)))
    call = tmp_path / "calls" / "kept"
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "kept.json").write_text('{"seconds": 2}')
    for name in ("user.wav", "speaker.wav"):
        soundfile.write(call / name, np.zeros(2 * RATE, np.float32), RATE)
    suite.rescore(tmp_path)
    answers = [json.loads((tmp_path / "calls" / name / "scores.json").read_text()) for name in ("kept", "gone")]
    assert [sum(burst["kind"] == "self_answer" for burst in each["bursts"]) for each in answers] == [0, 2]
    kept, gone = (next(c for c in collected.read(tmp_path) if c.folder.name == name) for name in ("kept", "gone"))
    assert kept.to_nobody == gone.to_nobody == [[45.0, "Wait."]]
    assert len(gone.words) == 1


def test_scores_survive_their_file(tmp_path):
    finished_call(tmp_path, "0", 0, self_answers=1)
    (call,) = collected.read(tmp_path)
    assert pool([call.scores])["self_answers"].count == 1
    assert collected.badness(call)[0] == 1


def test_short_words_are_counted_by_loudness_and_language_and_times_only_without_a_network():
    def call(level, text, language, noticed, **tags):
        talker = {"kind": "short", "over_agent": True, "who": "user", "text": text, "language": language}
        talker |= {"noticed": noticed, "ducked": 0.9 if "network_ms" in tags else 0.2, "stopped": 0.3}
        return Scores(50.0, 20.0, -20.0, [], [talker], tags={"family": "short", "echo_db": level, **tags})

    calls = [call(0, "stop", "en", True), call(5, "no", "en", False), call(10, "no", "en", False)]
    calls += [call(0, "停", "zh", True), call(0, "stop", "en", True, network_ms=700)]
    found = pool(calls)
    counted = {name: (found[name].count, found[name].of) for name in found if name.startswith("noticed_short")}
    assert counted == {"noticed_short": (2, 3), "noticed_short_loud": (0, 1), "noticed_short_zh": (1, 1)}
    assert found["ducked_p95"].value == pytest.approx(0.2)
    text = report._by_word([collected.Call(Path(), scores, []) for scores in calls])
    assert "| stop | noticed | 2 of 2 | - |" in text
    assert "| no | noticed | 0 of 1 | 0 of 1 |" in text


def test_the_summary_of_a_long_call_says_whether_it_grew():
    figures = pool([Scores(600.0, 200.0, -20.0)])
    run = {"seconds": 600.0, "late_blocks": 3, "cpu_seconds": 60.0}
    found = hour.summary(figures, run, [100.0, 200.0, 210.0, 211.0, 211.0, 212.0, 212.0, 215.0], [])
    assert found["valid"]
    assert (found["megabytes_settled"], found["megabytes_most_after"]) == (212.0, 215.0)
    assert found["self_answers"] == 0
    assert not hour.summary(figures, run | {"late_blocks": 1000}, [], [])["valid"]


def test_a_long_call_talks_to_its_end(tmp_path):
    told = load(Suite(people(), tmp_path, 3, seconds=600.0).long_call(endless))
    assert max(t.second for t in told.talkers) > 570
    assert {"turn", "interrupt", "short", "backchannel"} <= {t.kind for t in told.talkers}
    assert told.room.delay_jumps


def test_words_of_two_who_speak_at_once_are_not_counted() -> None:
    words = {"kind": "interrupt", "over_agent": True, "words": 10, "errors": 4, "errors_without_echo": 2}
    claimed = [{"number": number, **words} for number in range(3)]
    spans = ((1.0, 3.0), (2.5, 4.0), (4.5, 6.0))
    talkers = [{"number": number, "begin": begin, "end": end} for number, (begin, end) in enumerate(spans)]
    call = collected.Call(Path(), Scores(60.0, 20.0, -20.0, talkers=talkers), claimed)
    assert report.word_errors([call]) == (0.4, 0.2, 10)


def test_packed_runs_are_counted_together_with_others_and_each_call_once(tmp_path):
    for folder, names in (("here", ("0", "1")), ("there", ("1", "2"))):
        for name in names:
            finished_call(tmp_path / folder, name, 0, self_answers=name == "2")
    packed = tmp_path / "calls.jsonl.xz"
    assert collected.pack(tmp_path / "there", packed) == 2
    calls = collected.together([tmp_path / "here", packed])
    assert sorted(call.folder.name for call in calls) == ["0", "1", "2"]
    assert pool(call.scores for call in calls)["self_answers"].count == 1
    assert report.word_errors(calls)[2] == 30
    packed.write_bytes(b"no xz")
    with pytest.raises(ValueError, match="no packed run"):
        collected.read(packed)


def test_the_sound_of_the_worst_calls_is_packed(tmp_path):
    for k in range(7):
        finished_call(tmp_path, str(k), 0, self_answers=k)
        for track in ("mic", "speaker"):
            soundfile.write(tmp_path / "calls" / str(k) / f"{track}.wav", cough(k), RATE, subtype="PCM_16")
    names = collected.pack_sound(collected.read(tmp_path), tmp_path / "worst.tar")
    assert names == ["6", "5", "4", "3", "2"]
    with tarfile.open(tmp_path / "worst.tar") as tar:
        flac = tar.extractfile("6/mic.flac")
        assert flac is not None
        heard, rate = soundfile.read(io.BytesIO(flac.read()), dtype="int16")
    original, _ = soundfile.read(tmp_path / "calls" / "6" / "mic.wav", dtype="int16")
    assert rate == RATE
    assert np.array_equal(heard, original)


def test_a_run_ends_in_its_budget_and_keeps_what_it_began(monkeypatch):
    begun = []

    class Now:
        """A pool whose one worker takes 10 s of a made-up clock."""

        def __init__(self, *args, **kwargs): ...

        def __enter__(self):
            return self

        def __exit__(self, *what): ...

        def submit(self, work, job):
            begun.append(job)
            clock[0] += 10.0
            future = Future()
            future.set_result([])
            return future

    clock = [0.0]
    monkeypatch.setattr(many, "ProcessPoolExecutor", Now)
    monkeypatch.setattr(many.time, "monotonic", lambda: clock[0])
    ended = list(many.run_all(lambda job: [], range(100), 1, budget=100.0))
    assert sorted(job for job, _ in ended) == begun
    assert 4 <= len(begun) <= 10
    assert clock[0] <= 100.0


def test_nothing_rehearsed_is_one_line(tmp_path):
    with pytest.raises(ValueError, match="nothing was rehearsed"):
        report.write({"own": [tmp_path]}, tmp_path / "out")


def test_words_are_compared_plainly():
    assert claims.plain_words("Don't, you THOUGHT-me… so silly!") == ["don't", "you", "thought", "me", "so", "silly"]


@pytest.mark.parametrize("layer", LAYERS)
def test_every_layer_can_be_switched_off_and_makes_a_difference(layer):
    """Each leaves ears that still hear, and that are not the ears they were."""
    from echoless.ears.heeded import Agent

    path = EchoPath(RoomSettings(echo_db=0, drift_ppm=100), 1)
    whole, less = plain_ears(), plain_ears()
    vary(less, "own", [layer])
    agent, differs = Agent(True, True, lambda since, until: ()), False
    for k, block in enumerate(speech_like(6.0).reshape(-1, BLOCK)):
        heard = Block(k, path.play(block), path.played)
        (one, _), (other, _) = whole.hear(heard, agent), less.hear(heard, agent)
        assert other.shape == (BLOCK,)
        differs = differs or not np.array_equal(one, other) or whole._heard.near != less._heard.near
        differs = differs or (whole._heard.left is None) != (less._heard.left is None)
    if layer in ("canceller", "drift"):
        assert differs
    else:
        assert less._weights != whole._weights or type(less.breaker) is not type(whole.breaker) or differs


def plain_ears():
    from echoless.ears.choose import open_turn_end
    from echoless.ears.ears import Ears
    from echoless.ears.guard import EchoGuard
    from echoless.ears.recognisers.fake import FakeRecogniser

    return Ears(EchoGuard(), FakeRecogniser(), open_turn_end(), VirtualMeter("fixed"), language="en")


def test_workers_end_with_a_parent_that_was_killed(tmp_path):
    (tmp_path / "ticking.py").write_text(
        "import time\n"
        "def tick(path):\n"
        "    for _ in range(600):\n"
        "        open(path, 'a').write('.')\n"
        "        time.sleep(0.1)\n"
    )
    (tmp_path / "main.py").write_text(
        "import ticking\nfrom echoless.rooms.many import run_all\n"
        f"if __name__ == '__main__':\n    list(run_all(ticking.tick, [{str(tmp_path / 'ticks')!r}], 1))\n"
    )
    ticks = tmp_path / "ticks"
    parent = subprocess.Popen([sys.executable, "main.py"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        until(lambda: ticks.exists())
    finally:
        parent.kill()
        parent.wait()
    before = -1
    for _ in range(40):  # what grows no more has nobody to write it
        time.sleep(0.5)
        now = ticks.stat().st_size
        if now == before:
            return
        before = now
    pytest.fail("the worker went on without its parent")


def until(true, seconds=60.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)
