"""The decision about somebody perhaps cutting in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from echoless.ears.backchannel import Said
from echoless.ears.breaker import Breaker, Limits
from echoless.ears.manner import Manner
from echoless.ears.weigh import Case, Verdict, Weights, echo_tail, weigh

TALKING = Case(age=20, voiced=20, free=0, silence=0, echo=True, sure=0.8)
OVER = replace(TALKING, silence=30, final=True)
DOP = replace(OVER, kind=Said.CONTENT, voiced=24, sure=0.88, late=4, risen=2, manner=Manner.WORD)
"""A "stop" that was misheard."""


@pytest.mark.parametrize(
    ("case", "verdict"),
    [
        (TALKING, Verdict.WAIT),
        (replace(TALKING, kind=Said.STOP), Verdict.INTERRUPTION),
        (replace(TALKING, kind=Said.STOP, share=0.9), Verdict.WAIT),
        (replace(TALKING, kind=Said.STOP, share=0.75), Verdict.INTERRUPTION),
        (replace(TALKING, kind=Said.STOP, share=0.75, sure=0.7), Verdict.WAIT),
        (replace(TALKING, kind=Said.STOP, share=0.9, free=20), Verdict.INTERRUPTION),
        (replace(TALKING, kind=Said.STOP, guarded=True), Verdict.WAIT),
        (replace(TALKING, kind=Said.STOP, guarded=True, late=6), Verdict.INTERRUPTION),
        (replace(TALKING, kind=Said.STOP, guarded=True, sure=0.9), Verdict.INTERRUPTION),
        (replace(TALKING, kind=Said.BACKCHANNEL), Verdict.WAIT),
        (replace(TALKING, kind=Said.CONTENT, free=16, voiced=30), Verdict.WAIT),
        (replace(TALKING, kind=Said.CONTENT, free=16, voiced=48), Verdict.INTERRUPTION),
        (replace(TALKING, kind=Said.CONTENT, free=16, voiced=48, silence=8), Verdict.WAIT),  # "Oh, we..."
        (replace(TALKING, kind=Said.BACKCHANNEL, free=16, voiced=48, silence=12, final=True), Verdict.BACKCHANNEL),
        (replace(TALKING, kind=Said.CONTENT, free=16, voiced=60, silence=8), Verdict.INTERRUPTION),
        (replace(OVER, kind=Said.STOP, commands=0.95, voiced=11, sure=0.69), Verdict.INTERRUPTION),
        (
            replace(OVER, kind=Said.STOP, commands=0.95, voiced=11, sure=0.69, guessed=True, strength=3.4),
            Verdict.INTERRUPTION,
        ),
        (replace(OVER, kind=Said.STOP, commands=0.95, voiced=11, sure=0.58), Verdict.ECHO),
        (replace(OVER, kind=Said.STOP, commands=0.95, voiced=11, sure=0.69, share=1.0), Verdict.ECHO),
        (replace(OVER, kind=Said.STOP, commands=0.95, guessed=True, voiced=11, sure=0.69, guarded=True), Verdict.ECHO),
        (replace(OVER, kind=Said.STOP, commands=0.95, guessed=True, sure=0.8, guarded=True), Verdict.INTERRUPTION),
        (replace(OVER, kind=Said.STOP, commands=0.85, guessed=True, sure=0.8, guarded=True), Verdict.ECHO),
        (replace(OVER, kind=Said.STOP, voiced=11, sure=0.69), Verdict.ECHO),
        (replace(TALKING, kind=Said.STOP, sure=0.78), Verdict.WAIT),
        (replace(TALKING, kind=Said.STOP, sure=0.78, commands=0.8), Verdict.INTERRUPTION),
        (replace(TALKING, kind=Said.STOP, sure=0.78, late=6), Verdict.INTERRUPTION),
        (replace(OVER, kind=Said.STOP, sure=0.73, late=5, guarded=True), Verdict.ECHO),
        (replace(OVER, kind=Said.STOP, sure=0.63, commands=0.8), Verdict.INTERRUPTION),
        (replace(OVER, kind=Said.STOP, sure=0.79, commands=0.7, late=2), Verdict.ECHO),
        (replace(OVER, kind=Said.STOP, sure=0.79, commands=0.7, late=2, risen=1), Verdict.INTERRUPTION),
        (replace(OVER, kind=Said.STOP, sure=0.63, commands=0.7, guessed=True), Verdict.ECHO),
        (replace(OVER, kind=Said.STOP, sure=0.78, commands=0.7, voiced=11), Verdict.ECHO),
        (replace(OVER, kind=Said.STOP, sure=0.82, commands=0.15, late=8), Verdict.ECHO),
        (replace(OVER, kind=Said.STOP, sure=0.82, commands=0.15, late=8, risen=1), Verdict.INTERRUPTION),
        (replace(OVER, kind=Said.STOP, sure=0.82, commands=0.15, late=8, words=1), Verdict.INTERRUPTION),
        (replace(OVER, kind=Said.STOP, sure=0.82, late=8), Verdict.INTERRUPTION),
        (replace(OVER, kind=Said.STOP, sure=0.78, commands=0.8, voiced=11, late=2), Verdict.INTERRUPTION),
        (replace(OVER, kind=Said.STOP, sure=0.58, commands=0.7), Verdict.ECHO),
        (replace(OVER, kind=Said.STOP, sure=0.63, commands=0.8, guarded=True), Verdict.INTERRUPTION),
        (replace(OVER, kind=Said.STOP, sure=0.63, commands=0.7, guarded=True, far=True), Verdict.ECHO),
        (replace(OVER, kind=Said.STOP, sure=0.8, commands=0.7, lingers=True), Verdict.ECHO),
        (replace(OVER, kind=Said.STOP, sure=0.88, commands=0.7, lingers=True), Verdict.INTERRUPTION),
        (replace(OVER, kind=Said.STOP, sure=0.8, commands=0.7, share=1.0), Verdict.INTERRUPTION),
        (replace(OVER, kind=Said.STOP, sure=0.7, commands=0.7, share=1.0), Verdict.ECHO),
        (replace(TALKING, kind=Said.STOP, lingers=True), Verdict.WAIT),
        (replace(TALKING, kind=Said.STOP, lingers=True, late=2), Verdict.INTERRUPTION),
        (replace(OVER, kind=Said.STOP, lingers=True), Verdict.ECHO),
        (replace(TALKING, age=24, voiced=19, sure=0.67), Verdict.ECHO),
        (replace(TALKING, age=24, voiced=19, sure=0.67, late=5), Verdict.WAIT),
        (replace(TALKING, age=24, voiced=19, sure=0.64, late=5), Verdict.ECHO),
        (replace(TALKING, age=24, voiced=20, sure=0.64), Verdict.WAIT),
        (replace(TALKING, age=24, voiced=20, sure=0.64, guarded=True, far=True), Verdict.ECHO),
        (replace(TALKING, age=24, voiced=14, sure=0.75), Verdict.WAIT),
        (replace(TALKING, age=23, voiced=18, sure=0.67), Verdict.WAIT),
        (replace(TALKING, tone=0.1), Verdict.WAIT),
        (replace(TALKING, tone=0.1, lingers=True), Verdict.ECHO),
        (replace(TALKING, tone=0.1, lingers=True, age=15), Verdict.WAIT),
        (replace(TALKING, tone=0.1, lingers=True, free=16, voiced=60, kind=Said.CONTENT), Verdict.INTERRUPTION),
        (replace(TALKING, voiced=80, free=60), Verdict.INTERRUPTION),
        (replace(TALKING, kind=Said.CONTENT, voiced=30), Verdict.WAIT),
        (replace(OVER, kind=Said.CONTENT, voiced=50, sure=0.65), Verdict.ECHO),
        (replace(OVER, kind=Said.CONTENT, voiced=50, sure=0.85), Verdict.INTERRUPTION),
        (replace(OVER, kind=Said.CONTENT, voiced=50, sure=0.85, share=0.4), Verdict.ECHO),
        (replace(TALKING, kind=Said.CONTENT, voiced=50, sure=0.85), Verdict.WAIT),
        (replace(TALKING, kind=Said.CONTENT, voiced=60), Verdict.INTERRUPTION),
        (replace(TALKING, kind=Said.CONTENT, voiced=60, guarded=True, far=True), Verdict.WAIT),
        (replace(TALKING, kind=Said.CONTENT, voiced=60, far=True), Verdict.INTERRUPTION),
        (replace(TALKING, kind=Said.CONTENT, voiced=60, guarded=True, far=True, late=5), Verdict.INTERRUPTION),
        (replace(TALKING, kind=Said.CONTENT, voiced=90, guarded=True, far=True), Verdict.INTERRUPTION),
        (replace(OVER, kind=Said.CONTENT, voiced=60, sure=0.9, guarded=True, far=True), Verdict.ECHO),
        (replace(OVER, kind=Said.BACKCHANNEL), Verdict.BACKCHANNEL),
        (replace(OVER, kind=Said.NOTHING), Verdict.ECHO),
        (replace(OVER, kind=Said.NOTHING, free=5), Verdict.NOISE),
        (replace(OVER, kind=Said.CONTENT, share=0.8), Verdict.ECHO),
        (replace(OVER, kind=Said.CONTENT, share=0.8, final=False), Verdict.ECHO),
        (replace(OVER, kind=Said.CONTENT, share=0.8, final=False, late=13, sure=0.9), Verdict.WAIT),
        (replace(OVER, kind=Said.CONTENT, share=0.8, late=13, sure=0.9), Verdict.ECHO),
        (replace(TALKING, age=300, free=30, voiced=40, silence=60), Verdict.WAIT),
        (replace(TALKING, age=600, free=30, voiced=40, silence=60), Verdict.NOISE),
        (replace(TALKING, age=300, free=5, voiced=40, silence=60), Verdict.NOISE),
        (replace(TALKING, kind=Said.STOP, guessed=True), Verdict.WAIT),
        (replace(OVER, kind=Said.STOP, guessed=True), Verdict.INTERRUPTION),
        (replace(OVER, kind=Said.STOP, guessed=True, sure=0.74), Verdict.ECHO),
        (replace(OVER, kind=Said.STOP, guessed=True, sure=0.83, commands=0.4), Verdict.ECHO),
        (replace(OVER, kind=Said.STOP, guessed=True, sure=0.83, commands=0.5), Verdict.INTERRUPTION),
        (replace(OVER, kind=Said.STOP, guessed=True, sure=0.83, commands=0.4, late=2), Verdict.INTERRUPTION),
        (replace(OVER, kind=Said.STOP, guessed=True, voiced=11, late=1), Verdict.ECHO),
        (replace(OVER, kind=Said.STOP, guessed=True, guarded=True), Verdict.ECHO),
        (replace(DOP, kind=Said.STOP, guessed=True, guarded=True), Verdict.ECHO),
        (replace(DOP, kind=Said.STOP, guessed=True, guarded=True, commands=0.7), Verdict.INTERRUPTION),
        (replace(DOP, sure=0.9, late=12, guarded=True), Verdict.ECHO),
        (replace(DOP, sure=0.9, late=12, free=5, guarded=True), Verdict.INTERRUPTION),
        (replace(DOP, kind=Said.STOP, guessed=True, guarded=True, late=0), Verdict.ECHO),
        (replace(DOP, kind=Said.STOP, guessed=True, guarded=True, late=0, commands=0.95), Verdict.INTERRUPTION),
        (replace(DOP), Verdict.INTERRUPTION),
        (replace(DOP, risen=0), Verdict.ECHO),
        (replace(DOP, risen=0, words=1), Verdict.INTERRUPTION),
        (replace(DOP, risen=0, free=5), Verdict.INTERRUPTION),
        (replace(DOP, risen=0, commands=0.35), Verdict.INTERRUPTION),
        (replace(DOP, manner=Manner.HUM), Verdict.ECHO),
        (replace(DOP, manner=Manner.BREATH), Verdict.ECHO),
        (replace(DOP, sure=0.8), Verdict.ECHO),
        (replace(DOP, sure=0.8, free=6), Verdict.INTERRUPTION),
        (replace(DOP, late=0), Verdict.ECHO),
        (replace(DOP, share=0.4), Verdict.ECHO),
        (replace(DOP, share=0.7, words=1, late=8), Verdict.INTERRUPTION),
        (replace(DOP, share=0.7, words=1), Verdict.ECHO),
        (replace(DOP, share=0.95, words=1, late=8), Verdict.ECHO),
        (replace(DOP, sure=0.83, late=2), Verdict.INTERRUPTION),
        (replace(DOP, sure=0.83, late=2, guarded=True), Verdict.ECHO),
        (replace(DOP, nod=True), Verdict.BACKCHANNEL),
        (replace(DOP, nod=True, voiced=49), Verdict.BACKCHANNEL),
        (replace(DOP, nod=True, voiced=60), Verdict.INTERRUPTION),
        (replace(DOP, voiced=10), Verdict.ECHO),
        (replace(DOP, kind=Said.BACKCHANNEL), Verdict.BACKCHANNEL),
        (replace(TALKING, strength=2.0, silence=6), Verdict.ECHO),
        (replace(TALKING, strength=2.0, silence=5), Verdict.WAIT),
        (replace(TALKING, strength=2.0, silence=6, free=2), Verdict.WAIT),
        (replace(OVER, voiced=3, final=False), Verdict.ECHO),
        (replace(OVER, voiced=11, final=False), Verdict.ECHO),
        (replace(OVER, voiced=11, final=False, late=2), Verdict.WAIT),
        (replace(TALKING, silence=9, sure=0.6), Verdict.ECHO),
        (replace(TALKING, silence=9, guarded=True, far=True), Verdict.ECHO),
        (replace(TALKING, silence=9, lingers=True), Verdict.ECHO),
        (replace(TALKING, silence=9, lingers=True, sure=0.86), Verdict.WAIT),
        (replace(TALKING, silence=9, lingers=True, late=1), Verdict.WAIT),
        (replace(TALKING, silence=9, guarded=True, far=True, late=5), Verdict.WAIT),
        (replace(TALKING, silence=9, guarded=True, far=True, sure=0.86), Verdict.WAIT),
        (replace(TALKING, silence=9), Verdict.WAIT),
        (replace(TALKING, age=500), Verdict.NOISE),
        (replace(TALKING, age=500, free=40), Verdict.INTERRUPTION),
    ],
)
def test_verdicts(case: Case, verdict: Verdict) -> None:
    assert weigh(case, Weights()) is verdict


def test_no_case_waits_for_ever() -> None:
    for kind in (None, *Said):
        for free in (0, 50):
            case = Case(age=10_000, voiced=60, free=free, silence=0, echo=True, kind=kind)
            assert weigh(case, Weights()) is not Verdict.WAIT


def test_the_breaker_breaks_on_echoes_in_a_row_and_recovers() -> None:
    breaker = Breaker(Limits(suspicions=3, within=1000, rest=100))
    for _ in range(3):
        assert breaker.tick(True, "full") is None
        breaker.echo()
    duplex, why = breaker.tick(True, "full") or ("", "")
    assert duplex == "half"
    assert "3" in why
    assert all(breaker.tick(True, "full") is None for _ in range(99))
    assert (breaker.tick(True, "full") or ("",))[0] == "full"


def test_a_person_between_echoes_keeps_the_breaker_whole() -> None:
    breaker = Breaker(Limits(suspicions=2))
    for _ in range(5):
        breaker.echo()
        breaker.user_spoke()
        assert breaker.tick(True, "full") is None


def test_the_guards_advice_is_told_once() -> None:
    breaker = Breaker()
    assert breaker.tick(True, "guarded") == ("guarded", "the echo guard is guarded")
    assert breaker.tick(True, "guarded") is None


TAIL = Case(age=60, voiced=16, free=0, silence=24, echo=True, kind=Said.CONTENT, final=True, sure=0.76, late=3, words=3)
"""What a long reverberation left of the agent's last word, recognised as "I don't know"."""


@pytest.mark.parametrize(
    ("case", "tail"),
    [
        (TAIL, True),
        (replace(TAIL, free=1), False),
        (replace(TAIL, late=8), False),
        (replace(TAIL, late=8, sure=0.6), True),
        (replace(TAIL, late=8, sure=0.6, risen=1), False),
        (replace(TAIL, voiced=60), False),
        (replace(TAIL, sure=0.9), False),
    ],
)
def test_the_tail_of_the_last_word_is_nobodys_turn(case: Case, tail: bool) -> None:
    assert echo_tail(case, Weights()) is tail
