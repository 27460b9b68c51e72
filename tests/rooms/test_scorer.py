"""The scorer against agents that are good, or bad in one known way: each must be caught by a named measure."""

import json

import numpy as np
import pytest
import soundfile
from agents import (
    AnswersTwice,
    GreetsNobody,
    HoldsItsBreath,
    Ideal,
    MutesItsMicrophone,
    MutesWhileAnyoneTalks,
    NeverStops,
    Silent,
    StopsAtAnything,
    StopsByItself,
    TurnsItselfDown,
)
from mutants import conversation, rehearse, write_people
from people import script, words
from tests.ears.echo_sounds import noise, spoken

from echoless.frames import RATE
from echoless.rooms.measures import as_json, failed, pool, quantile, rate, share
from echoless.rooms.scorer import judge, last_word, onset
from echoless.rooms.scorer import write as write_scores
from echoless.rooms.talkers import fire_times


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    write_people(folder)
    return folder


def test_a_good_agent_passes(folder, tmp_path):
    told = conversation(folder)
    scores, line = rehearse(Ideal, told, tmp_path)
    measures = pool([scores])
    assert failed(measures) == []
    assert [b["kind"] for b in scores.bursts] == ["reply"] * 4
    assert measures["noticed"].count == measures["noticed"].of == 2
    assert measures["backchannels_stop"].of == 1
    assert measures["quotes_through"].of == 1
    assert measures["ducked_p95"].value == pytest.approx(0.1, abs=0.06)
    assert measures["latency_p50"].value == pytest.approx(0.52, abs=0.1)
    speaker = line._speaker.samples.astype(np.float32) / 32768
    assert fire_times(told, speaker) == line.fired


@pytest.mark.parametrize(
    ("agent", "caught_by"),
    [
        (NeverStops, "noticed"),
        (TurnsItselfDown, "noticed"),
        (MutesItsMicrophone, "noticed"),
        (StopsByItself, "self_interruptions"),
        (StopsAtAnything, "backchannels_stop"),
        (MutesWhileAnyoneTalks, "over_user"),
        (AnswersTwice, "self_answers"),
        (Silent, "answered"),
        (HoldsItsBreath, "false_ducks"),
        (GreetsNobody, "unprompted"),
    ],
)
def test_a_bad_agent_is_caught(folder, tmp_path, agent, caught_by):
    scores, _ = rehearse(agent, conversation(folder), tmp_path)
    assert caught_by in failed(pool([scores]))


# --- made-up tracks, each thing by itself ---------------------------------------------------------------------------


def track(seconds, *parts):
    out = np.zeros(int(seconds * RATE), np.float32)
    for at, sound in parts:
        start = int(at * RATE)
        out[start : start + len(sound)] += sound[: len(out) - start]
    return out


REPLY = words(9.0, 7, -20)


def cut(a, b):
    return REPLY[int(a * RATE) : int(b * RATE)]


@pytest.fixture(scope="module")
def asked(folder):
    """A question at 1 s, an interruption of 2.5 s at 8 s."""
    return script(
        folder,
        seconds=40,
        reply_seconds=8,
        talkers=[{"at": 1.0, "wav": "question.wav"}, {"at": 8.0, "wav": "more.wav"}],
    )


USER = track(40, (1.0, words(1.5, 1)), (8.0, words(2.5, 2)))


def test_stopping_in_time_is_noticed(asked):
    scores = judge(USER, track(40, (4.0, cut(0, 4.5)), (11.5, REPLY)), asked)
    interruption = scores.talkers[1]
    assert interruption["kind"] == "interrupt"
    assert interruption["noticed"]
    assert interruption["ducked"] == pytest.approx(0.5, abs=0.03)
    assert interruption["answered"]
    assert scores.self_interruptions == []


@pytest.mark.parametrize("agent", [[(4.0, cut(0, 5.8))], [(4.0, cut(0, 4.5)), (9.2, cut(4.5, 9))], [(4.0, REPLY)]])
def test_stopping_late_or_for_a_moment_is_not(asked, agent):
    assert judge(USER, track(40, *agent), asked).talkers[1]["noticed"] is False


def test_a_quiet_agent_is_judged_by_its_own_level(asked):
    scores = judge(USER, track(40, (4.0, cut(0, 4.5)), (11.5, REPLY)) * np.float32(0.05), asked)
    assert scores.talkers[1]["noticed"]
    assert [b["kind"] for b in scores.bursts] == ["reply", "reply"]


def test_pauses_between_sentences_are_nothing_and_longer_ones_are_self_interruptions(asked):
    quiet = track(40, (1.0, words(1.5, 1)))
    alone = asked.model_copy(update={"talkers": asked.talkers[:1]})
    fine = judge(quiet, track(40, (4.0, cut(0, 4)), (8.5, cut(4, 9))), alone)
    assert fine.self_interruptions == []
    assert len(fine.bursts) == 1
    broken = judge(quiet, track(40, (4.0, cut(0, 4)), (8.7, cut(4, 9))), alone)
    assert broken.self_interruptions == [pytest.approx(8.0, abs=0.05)]
    gone = judge(quiet, track(40, (4.0, cut(0, 4)), (20.0, cut(4, 9))), alone)
    assert [b["kind"] for b in gone.bursts] == ["reply", "self_answer"]
    assert gone.self_interruptions[0] == pytest.approx(8.0, abs=0.05)


def test_answers_to_a_cough_are_neither_replies_nor_self_answers(folder):
    told = script(folder, seconds=20, talkers=[{"at": 2.0, "wav": "nod.wav", "kind": "noise"}])
    scores = judge(track(20, (2.0, words(0.35, 3))), track(20, (3.0, REPLY)), told)
    assert [b["kind"] for b in scores.bursts] == ["to_noise"]


def test_scores_are_json_and_bounds_are_right(folder, tmp_path, asked):
    scores = judge(USER, track(40, (4.0, REPLY)), asked)
    write_scores(scores, as_json(pool([scores])), tmp_path / "scores.json")
    told = json.loads((tmp_path / "scores.json").read_text())
    assert told["measures"]["noticed"]["value"] == 0
    assert share(0, 100)[2] == pytest.approx(0.0362, abs=1e-3)
    assert share(5, 5)[0] == 1
    assert share(0, 0) == (None, None, None)
    assert rate(0, 30)[2] == pytest.approx(0.1, abs=0.001)  # the rule of three
    assert rate(3, 1)[1:] == (pytest.approx(0.62, abs=0.01), pytest.approx(8.77, abs=0.01))
    assert quantile([], 0.5) == (None, None, None)
    assert quantile(list(range(101)), 0.95)[0] == pytest.approx(95)


def test_a_nod_beside_an_interruption_is_not_blamed(folder):
    told = script(
        folder,
        seconds=40,
        talkers=[
            {"at": 1.0, "wav": "question.wav"},
            {"at": 8.0, "wav": "more.wav"},
            {"at": 8.3, "wav": "nod.wav", "kind": "backchannel"},
        ],
    )
    user = USER + track(40, (8.3, words(0.35, 3)))
    scores = judge(user, track(40, (4.0, cut(0, 4.5)), (11.5, REPLY)), told)
    assert scores.talkers[1]["noticed"]
    assert "stops_agent" not in scores.talkers[2]


@pytest.mark.parametrize(
    ("agent", "stops"),
    [
        ([(4.0, cut(0, 4.2)), (8.7, cut(4.2, 4.9))], False),  # held for 0.5 s, then went on to its end
        ([(4.0, cut(0, 4.2))], True),
        ([(4.0, cut(0, 5.4))], True),  # late, without holding its breath
        ([(4.0, cut(0, 4.2)), (8.7, cut(4.2, 4.3))], True),  # a syllable is no going on
    ],
)
def test_a_reply_that_ends_after_a_nod_was_not_stopped_by_it(folder, agent, stops):
    told = script(
        folder,
        seconds=40,
        talkers=[{"at": 1.0, "wav": "question.wav"}, {"at": 8.0, "wav": "nod.wav", "kind": "backchannel"}],
    )
    user = track(40, (1.0, words(1.5, 1)), (8.0, words(0.35, 3)))
    assert judge(user, track(40, *agent), told).talkers[1]["stops_agent"] is stops


@pytest.mark.parametrize(
    ("reply_seconds", "agent", "stops"),
    [
        (8, [(4.0, cut(0, 4.2))], True),  # 6.8 s at the least: what ends 5.85 s into it was stopped
        (8, [(4.0, REPLY)], False),
        (6.5, [(4.0, cut(0, 5.6))], None),  # 5.5 s at the least: it may have come to its own end
        (6.5, [(4.0, REPLY)], None),  # nor is it counted where it went on: that would be half the truth
        (6.5, [(4.0, cut(0, 2.8)), (7.8, cut(2.8, 5.6))], None),  # nor is the rest of one that was held
    ],
)
def test_a_nod_near_where_a_reply_may_end_is_not_counted(folder, reply_seconds, agent, stops):
    talkers = [{"at": 1.0, "wav": "question.wav"}]
    talkers += [{"at": at, "wav": "nod.wav", "kind": "backchannel"} for at in (6.5, 8.0)]
    told = script(folder, seconds=40, reply_seconds=reply_seconds, talkers=talkers)
    user = track(40, (1.0, words(1.5, 1)), (6.5, words(0.35, 3)), (8.0, words(0.35, 3)))
    assert judge(user, track(40, *agent), told).talkers[2].get("stops_agent") is stops


@pytest.mark.parametrize(("agent", "hits"), [([(4.0, cut(0, 3.9))], 0), ([(4.0, cut(0, 3.0))], 1)])
def test_a_pause_into_which_somebody_speaks_is_no_self_interruption(asked, agent, hits):
    scores = judge(USER, track(40, *agent, (11.5, REPLY)), asked)  # the user cuts in at 8.0
    assert len(scores.self_interruptions) == hits


def test_tells_when_a_voice_alone_can_be_heard():
    voice = spoken("en-us+f4", 2)
    first = int(np.flatnonzero(np.abs(voice) > 0.01)[0])
    late = np.concatenate((np.zeros(RATE // 2, np.float32), voice[first:]))
    assert 0.5 < onset(late) < 0.8
    assert onset(noise(RATE)) == 1.0


def test_the_rest_of_a_reply_that_was_held_for_a_nod_may_be_short(folder):
    told = script(
        folder,
        seconds=40,
        reply_seconds=8,
        talkers=[{"at": 1.0, "wav": "question.wav"}, {"at": 8.0, "wav": "nod.wav", "kind": "backchannel"}],
    )
    user = track(40, (1.0, words(1.5, 1)), (8.0, words(0.35, 3)))
    scores = judge(user, track(40, (4.0, cut(0, 4.2)), (9.1, cut(4.2, 9))), told)  # held for 0.9 s
    assert [b["kind"] for b in scores.bursts] == ["reply", "to_backchannel"]
    assert scores.self_interruptions == []


def test_a_nod_long_before_does_not_explain_that_the_agent_answers_itself(folder):
    talkers = [{"at": 1.0, "wav": "question.wav"}, {"at": 5.0, "wav": "nod.wav", "kind": "backchannel"}]
    told = script(folder, seconds=40, reply_seconds=8, talkers=talkers)
    user = track(40, (1.0, words(1.5, 1)), (5.0, words(0.35, 3)))
    scores = judge(user, track(40, (4.0, cut(0, 5)), (10.0, REPLY)), told)  # stops at 9, begins anew at 10
    assert [b["kind"] for b in scores.bursts] == ["reply", "self_answer"]


def test_a_breath_after_the_last_word_is_no_speech(folder):
    voice = spoken("en-us+f4", 2)
    voice *= 0.1 / np.std(voice)
    breath = noise(RATE // 2) * np.float32(0.02 / np.std(noise(RATE // 2)))
    assert last_word(np.concatenate((voice, breath))) == pytest.approx(2.0, abs=0.2)
    assert last_word(breath) == pytest.approx(0.5)
    soundfile.write(folder / "breath.wav", np.concatenate((voice, breath)), RATE)
    told = script(folder, seconds=20, talkers=[{"at": 1.0, "wav": "breath.wav"}])
    user = track(20, (1.0, np.concatenate((voice, breath))))
    scores = judge(user, track(20, (3.4, REPLY)), told)
    assert scores.talkers[0]["answered"]
    assert scores.bursts[0]["over_user"] is False
    assert 0.2 < scores.bursts[0]["latency"] < 0.6
