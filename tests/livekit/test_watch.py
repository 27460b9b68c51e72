"""Who is dead, who acts, who is let in, what is remembered: the pure parts."""

from __future__ import annotations

import json

import pytest

from echoless.frames import Turn
from echoless.livekit.admission import ASKED, FULL, Headroom, Limits, Report, p95
from echoless.livekit.memory import LONGEST, generation_of, packed, unpacked
from echoless.livekit.watch import BEAT, DEAD, Served, Watch


def lives(watch: Watch, begun: float, seconds: float, *peers: str) -> dict[str, Served]:
    """Time passes, these peers beat."""
    lost: dict[str, Served] = {}
    for k in range(round(seconds / BEAT)):
        for peer in peers:
            watch.hear(peer, {f"room of {peer}": Served(f"agent of {peer}", 1)}, begun + k * BEAT)
        lost |= watch.look(begun + k * BEAT)
    return lost


def test_a_silent_worker_is_dead_and_one_of_the_living_acts() -> None:
    watches = {name: Watch(name) for name in ("a", "b", "c")}
    for name, watch in watches.items():
        assert lives(watch, 0.0, 10.0, *(set(watches) - {name})) == {}
    lost = {name: lives(watches[name], 10.0, 4.0, *({"a", "b"} - {name})) for name in ("a", "b")}
    assert sorted(map(len, lost.values())) == [0, 1]
    assert {"room of c": Served("agent of c", 1)} in lost.values()


def test_it_is_noticed_within_three_seconds_and_told_once() -> None:
    watch = Watch("a")
    lives(watch, 0.0, 4.0, "b")
    assert len(lives(watch, 4.0, DEAD + 2 * BEAT)) == 1
    assert DEAD + 2 * BEAT < 3.0
    assert lives(watch, 8.0, 10.0) == {}


def test_who_slept_takes_nobody_for_dead() -> None:
    watch = Watch("a")
    lives(watch, 0.0, 4.0, "b")
    assert watch.look(30.0) == {}  # our machine stood still, not theirs
    assert lives(watch, 30.0 + BEAT, 4.0, "b") == {}


def test_a_worker_that_said_goodbye_needs_nobody() -> None:
    watch = Watch("a")
    lives(watch, 0.0, 4.0, "b")
    watch.farewell("b")
    assert lives(watch, 4.0, 10.0) == {} and watch.living == ["a"]


def test_others_have_room_only_if_they_say_so() -> None:
    watch = Watch("a")
    assert not watch.others_have_room
    watch.hear("b", {}, 0.0, full=True)
    assert not watch.others_have_room
    watch.hear("c", {}, 0.0)
    assert watch.others_have_room


def test_an_idle_worker_always_takes_one() -> None:
    headroom = Headroom(Limits(cores=2))
    headroom.observe(2.0, [])
    assert headroom.refusal() is None
    assert headroom.refusal(reserved=1) is not None


def test_what_is_measured_decides() -> None:
    headroom = Headroom(Limits(cores=4, busy=0.75, answer=2.0, lag=0.1))
    quick = Report(answers=[0.9] * 10, lags=[0.0] * 20, cores=0.5)
    for _ in range(30):
        headroom.observe(1.0, [quick, quick])
    assert headroom.cost == pytest.approx(0.5, abs=0.01)
    assert headroom.refusal() is None and headroom.load() < ASKED
    assert headroom.refusal(reserved=4) is not None  # 1.0 + 5 x 0.5 of 3.0
    headroom.observe(1.0, [quick, Report(answers=[3.0] * 5, cores=0.5)])
    assert "wait 3.00 s" in str(headroom.refusal())
    headroom.observe(1.0, [quick, Report(lags=[0.5] * 20, cores=0.5)])
    assert "behind" in str(headroom.refusal())
    headroom.observe(2.9, [quick, quick])
    assert "cores are busy" in str(headroom.refusal())
    assert headroom.load() == FULL


def test_a_full_worker_is_still_asked_by_livekit() -> None:
    """Its server asks nobody whose load is 0.7 or more, and then callers hear nothing at all."""
    assert 0 < ASKED < FULL < 0.7


def test_p95() -> None:
    assert p95([]) == 0.0 and p95([3.0]) == 3.0
    assert p95(range(1, 101)) == 95


def test_a_rooms_memory_is_read_as_it_was_written() -> None:
    turns = [Turn("user", "Ada — 你好"), Turn("agent", "Hello.")]
    assert unpacked(packed(turns, {"topic": "tea"})) == turns
    assert json.loads(packed(turns, {"topic": "tea"}))["topic"] == "tea"


def test_a_long_conversation_leaves_its_beginning_behind() -> None:
    turns = [Turn("user" if k % 2 == 0 else "agent", f"{k} " + "word " * 60) for k in range(400)]
    kept = unpacked(packed(turns))
    assert kept and kept == turns[-len(kept) :]
    assert len(packed(turns).encode()) < LONGEST + 100


@pytest.mark.parametrize("metadata", ["", "{", "[]", "null", '"x"', '{"echoless": 1}', '{"echoless": {"turns": "x"}}'])
def test_nonsense_in_a_rooms_metadata_is_no_memory(metadata: str) -> None:
    assert unpacked(metadata) == []
    assert unpacked('{"echoless": {"turns": [1, {"role": "god", "text": "x"}, {"role": "user", "text": 5}]}}') == []


@pytest.mark.parametrize(
    ("metadata", "generation"),
    [("", 1), ('{"generation": 3}', 3), ("[", 1), ('{"generation": "3"}', 1), ('{"generation": -1}', 1), ("7", 1)],
)
def test_a_dispatch_says_the_how_manieth_agent_it_wants(metadata: str, generation: int) -> None:
    assert generation_of(metadata) == generation
