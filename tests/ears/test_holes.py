"""Pieces of the reference that are lost while the agent speaks."""

from echoless.ears.holes import Holes
from echoless.frames import BLOCK

WAY = 4 * BLOCK


def judged(holes: Holes, lost: bool, count: int, near: float = 0.9) -> list[float]:
    return [holes.hear(lost, near, WAY) for _ in range(count)]


def begun(near: float = 0.1) -> Holes:
    holes = Holes()
    judged(holes, False, 20, near)
    return holes


def test_nobody_begins_to_speak_in_a_hole_nor_in_what_is_heard_of_it():
    holes = begun()
    assert judged(holes, True, 12)[2:] == [0.1] * 10
    after = judged(holes, False, 30)
    assert after[:13] == [0.1] * 13
    assert after[14:] == [0.9] * 16


def test_whoever_speaks_is_heard_on():
    assert judged(begun(near=0.8), True, 12)[3:] == [0.8] * 9


def test_pauses_of_the_agent_and_single_blocks_are_no_holes():
    assert judged(begun(), False, 12) == [0.9] * 12
    holes = begun()
    assert judged(holes, True, 2) == [0.9] * 2
    assert judged(holes, False, 4) == [0.9] * 4


def test_where_there_is_no_reference_at_all_people_are_heard_after_a_second():
    told = judged(begun(), True, 120)
    assert told[10] == 0.1
    assert told[-1] == 0.9
