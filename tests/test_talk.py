"""Whole calls in virtual time: scripted sound in, fakes for the engines, the real ears, floor and playback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import numpy as np
import pytest

from echoless.ears.door import RecogniserError
from echoless.ears.ears import Ears
from echoless.ears.guard import Heard
from echoless.ears.recognisers.fake import FakeRecogniser
from echoless.ears.turn_end import TUNINGS, FakeTurnEnd, Tuning
from echoless.frames import Event, Samples, Turn
from echoless.lines.fake import ScriptedLine
from echoless.mind.decent import ReplyFilter
from echoless.mind.door import MindError, MindTraits
from echoless.mind.lexicon import Lexicon
from echoless.rooms.virtual import VirtualMeter, run_virtual
from echoless.steps import STEPS, answers
from echoless.talk import Call, Manners
from echoless.voice.fake import FakeVoice
from echoless.voice.playback import Playback
from echoless.voice.speaking import Speaker

RATE = 16_000
REPLY = ["This is the first sentence of it. ", "Here comes the second one, a little longer. ", "And a third."]


def talk(seconds: float) -> Samples:
    return np.full(round(seconds * RATE), 0.1, np.float32)


def quiet(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), np.float32)


class LoudIsNear:
    """A guard for scripts without echo: whatever is loud in the microphone is a person."""

    def hear(self, microphone: Samples, reference: Samples) -> Heard:
        near = 0.98 if float(np.abs(microphone).max()) > 0.05 else 0.02
        return Heard(microphone, near, near, False, "full", {})


class Mind:
    """Says `pieces` each time; `fails` replies raise after their first piece."""

    traits = MindTraits("test")

    def __init__(self, pieces: Sequence[str] = REPLY, fails: int = 0) -> None:
        self.pieces, self.fails = pieces, fails
        self.asked: list[tuple[Turn, ...]] = []
        self.open = 0

    async def reply(self, turns: Sequence[Turn]) -> AsyncIterator[str]:
        self.asked.append(tuple(turns))
        self.open += 1
        try:
            for number, piece in enumerate(self.pieces):
                if number == 1 and self.fails > 0:
                    self.fails -= 1
                    raise MindError("the server died")
                yield piece
        finally:
            self.open -= 1

    async def prefill(self, turns: Sequence[Turn]) -> None: ...

    async def aclose(self) -> None: ...


class Scene:
    """A call with a script; `events` and `call` are there afterwards."""

    def __init__(
        self,
        script: Samples | Callable[[Scene], Iterator[Samples]],
        *,
        texts: Sequence[str] | Callable[[Samples], str] = ("hello there friend",),
        mind: Mind | None = None,
        finished: float = 0.95,
        manners: Manners | None = None,
        tuning: Tuning | None = None,
        meter: VirtualMeter | None = None,
    ) -> None:
        self.mind = mind or Mind()
        self.line = ScriptedLine(script if isinstance(script, np.ndarray) else script(self))
        meter = meter or VirtualMeter("fixed")
        playback = Playback(RATE, 256)
        recogniser = FakeRecogniser(texts)
        self.ears = Ears(LoudIsNear(), recogniser, FakeTurnEnd(finished), meter, language="en", tuning=tuning)
        speaker = Speaker(FakeVoice(), playback, meter)
        self.call = Call(self.line, self.ears, self.mind, speaker, playback, meter, manners=manners)
        self.events: list[Event] = []
        self.call.subscribe(self.events.append)

    def run(self) -> Scene:
        async def call() -> None:
            await self.line.open()
            await self.call.run()

        run_virtual(call())
        return self

    def names(self, *skip: str) -> list[str]:
        skip = ("user.partial", "agent.sentence", "agent.saying", *skip)
        return [event.event for event in self.events if event.event not in skip]

    def all(self, name: str) -> list[Event]:
        return [event for event in self.events if event.event == name]

    def spoke(self, since: float, until: float) -> bool:
        return bool(np.abs(self.line.played[round(since * RATE) : round(until * RATE)]).max(initial=0.0) > 0.01)


def after_agent(scene: Scene, first: Samples, *then: Samples, wait: float = 1.0) -> Iterator[Samples]:
    """`first`, silence until the agent has been audible for `wait` seconds, then the rest."""
    yield first
    for _ in range(2000):
        if np.count_nonzero(np.abs(scene.line.played) > 0.01) > wait * RATE * 0.7:
            break
        yield quiet(0.016)
    yield from then


def test_a_question_is_answered_once_and_heard_to_its_end() -> None:
    scene = Scene(np.concatenate([quiet(0.5), talk(1.2), quiet(3)])).run()
    assert scene.names() == [
        "user.started",
        "user.stopped",
        "agent.thinking",
        "user.said",
        "agent.started",
        "agent.stopped",
        "agent.said",
    ]
    assert scene.all("agent.stopped")[0].data["reason"] == "finished"
    assert scene.all("agent.said")[0].data["text"].split() == "".join(REPLY).split()
    assert [turn.role for turn in scene.call.history.turns] == ["user", "agent"]


def test_the_answer_begins_soon_after_the_last_word() -> None:
    scene = Scene(np.concatenate([quiet(0.5), talk(1.2), quiet(3)])).run()
    started = scene.all("agent.started")[0]
    assert started.t - 1.7 < 0.6
    (answer,) = answers([(1.7, 5.0)], scene.events)
    assert list(answer.at) == list(STEPS)  # each step is told of
    assert 0 < answer.at["voice"] < answer.at["words"] <= answer.at["begun"] <= answer.at["token"] <= answer.at["sound"]
    assert answer.at["sound"] < answer.at["ended"] <= answer.at["audible"] < 600


def test_who_wants_more_patience_gets_it() -> None:
    script = np.concatenate([quiet(0.5), talk(1.2), quiet(3)])
    ends = [
        Scene(script, finished=0.5, tuning=TUNINGS[name]).run().all("user.said")[0].t
        for name in ("quick", "normal", "patient")
    ]
    assert np.diff(ends) == pytest.approx([0.2, 0.75], abs=0.04)


def by_length(short: str, long: str, seconds: float) -> Callable[[Samples], str]:
    """Words for a recogniser: one text for less sound than `seconds`, another for more."""
    return lambda sound: short if len(sound) < seconds * RATE else long


def test_words_asked_for_at_a_dip_are_not_taken_for_those_of_the_pause() -> None:
    script = np.concatenate([quiet(0.5), talk(3.0), quiet(0.08), talk(0.7), quiet(3)])
    scene = Scene(script, texts=by_length("I would like", "I would like some tea", 4.0)).run()
    assert scene.names().count("user.stopped") == 1
    assert [event.data["text"] for event in scene.all("user.said")] == ["I would like some tea"]
    assert len(scene.all("agent.thinking")) == len(scene.all("agent.started")) == 1


def test_the_reply_begins_while_the_silence_is_not_yet_an_end() -> None:
    scene = Scene(np.concatenate([quiet(0.5), talk(1.2), quiet(3)])).run()
    assert scene.all("agent.thinking")[0].t < scene.all("user.said")[0].t - 0.1


def test_an_indecent_sentence_is_not_said_and_the_filter_takes_no_time() -> None:
    script = np.concatenate([quiet(0.5), talk(1.2), quiet(3)])
    pieces = ["This is the first sentence of it. ", "A darn long one. ", "Darn! ", "And a third."]
    plain = Scene(script, mind=Mind(pieces)).run()
    decent = ReplyFilter(Lexicon(("darn",)), ("Well, never mind.",))
    scene = Scene(script, mind=Mind(pieces), manners=Manners(decent=decent)).run()
    assert scene.all("agent.said")[0].data["text"].split() == [
        *["This", "is", "the", "first", "sentence", "of", "it."],
        *["Well,", "never", "mind.", "And", "a", "third."],
    ]
    assert scene.all("agent.started")[0].t == plain.all("agent.started")[0].t
    assert scene.call.history.turns[1].text.split() == scene.all("agent.said")[0].data["text"].split()


@pytest.mark.parametrize("ending", ["", "e", "ee", "eee"])
def test_who_cuts_in_at_the_very_last_sound_is_answered_and_nothing_is_lost(ending: str) -> None:
    """The duck's fade may be longer than what was left of the reply."""
    reply = f"This is the whole reply{ending}."
    first = np.concatenate([quiet(0.5), talk(1.2)])
    ended = Scene(np.concatenate([first, quiet(8)]), mind=Mind([reply])).run().all("agent.stopped")[0].t
    for blocks in range(2, 8):
        wait = ended - blocks * 0.016 - len(first) / RATE
        scene = Scene(np.concatenate([first, quiet(wait), talk(1.5), quiet(8)]), mind=Mind([reply])).run()
        assert not scene.all("failure")
        assert all(said.data["text"] + said.data["unheard"] == reply for said in scene.all("agent.said"))
        assert [turn.role for turn in scene.call.history.turns] == ["user", "agent", "user", "agent"]


def test_an_interruption_silences_the_agent_and_cuts_the_history() -> None:
    def script(scene: Scene) -> Iterator[Samples]:
        yield from after_agent(scene, np.concatenate([quiet(0.3), talk(1)]), talk(1.5), quiet(6))

    scene = Scene(script, texts=["tell me something"] * 2 + ["no I meant something else"]).run()
    said = scene.all("agent.said")
    assert scene.all("agent.stopped")[0].data["reason"] == "interrupted"
    assert said[0].data["text"]
    assert said[0].data["unheard"]
    whole = " ".join("".join(REPLY).split())
    assert whole.startswith(" ".join(said[0].data["text"].split()))
    ducked, stopped = scene.all("agent.ducked")[0].t, scene.all("agent.stopped")[0].t
    assert not scene.spoke(ducked + 0.05, stopped + 0.3)
    assert len(scene.mind.asked) == 2
    assert [turn.role for turn in scene.mind.asked[1]] == ["user", "agent", "user"]
    assert scene.mind.asked[1][1].text == said[0].data["text"].strip()


@pytest.mark.parametrize(("text", "reason"), [("uh-huh", "backchannel"), ("", "noise")])
def test_a_nod_or_a_cough_does_not_stop_the_agent(text: str, reason: str) -> None:
    def script(scene: Scene) -> Iterator[Samples]:
        yield from after_agent(scene, np.concatenate([quiet(0.3), talk(1)]), talk(0.35), quiet(8))

    scene = Scene(script, texts=["tell me something"] * 2 + [text]).run()
    assert [event.data["reason"] for event in scene.all("user.rejected")] == [reason]
    assert scene.names().count("agent.resumed") == 1
    assert [event.data["reason"] for event in scene.all("agent.stopped")] == ["finished"]
    assert scene.all("agent.said")[0].data["text"].split() == "".join(REPLY).split()
    assert len(scene.mind.asked) == 1


class Leaning(FakeRecogniser):
    """Writes what it is told to, and finds `phrase` likely all the same."""

    def __init__(self, texts: Sequence[str], phrase: str) -> None:
        super().__init__(texts)
        self.phrase = phrase

    def likely(self, speech: Samples, phrases: Sequence[str]) -> np.ndarray:
        return np.array([-1.0 if phrase == self.phrase else -20.0 for phrase in phrases])


@pytest.mark.parametrize(("text", "phrase", "stops"), [("Thong.", "stop", True), ("No.", "uh-huh", False)])
def test_a_misheard_word_does_what_the_recogniser_finds_likeliest(text: str, phrase: str, stops: bool) -> None:
    script = lambda scene: after_agent(scene, np.concatenate([quiet(0.3), talk(1.0)]), talk(0.35), quiet(4))  # noqa: E731
    scene = Scene(script)
    scene.ears.hearing.recogniser = Leaning(["tell me something"] * 2 + [text], phrase)
    scene.run()
    said = [event.data["text"] for event in scene.all("user.said")]
    assert said == (["tell me something", "Stop."] if stops else ["tell me something"])
    assert scene.all("agent.stopped")[0].data["reason"] == ("interrupted" if stops else "finished")


def test_a_pause_within_a_sentence_makes_one_turn() -> None:
    script = np.concatenate([quiet(0.3), talk(1), quiet(0.45), talk(1), quiet(3)])
    texts = ["I would like", "I would like", "I would like a cup of tea"]
    scene = Scene(script, texts=texts, finished=0.5).run()
    assert len(scene.all("agent.started")) == 1
    assert {event.data["turn"] for event in scene.all("user.said")} == {1}
    assert scene.call.history.turns[0].text == texts[-1]
    assert scene.mind.open == 0


def test_a_failing_mind_is_heard_and_the_next_turn_works() -> None:
    def script(scene: Scene) -> Iterator[Samples]:
        yield np.concatenate([quiet(0.3), talk(1), quiet(9), talk(1), quiet(4)])

    scene = Scene(script, mind=Mind(fails=1)).run()
    assert [event.data["part"] for event in scene.all("failure")] == ["mind"]
    first, second = scene.all("agent.said")
    assert Manners().apology in first.data["text"]
    assert second.data["text"].split() == "".join(REPLY).split()


def test_a_typed_turn_interrupts_and_is_answered() -> None:
    def script(scene: Scene) -> Iterator[Samples]:
        yield from after_agent(scene, np.concatenate([quiet(0.3), talk(1)]))
        scene.call.type("what about this?")
        yield quiet(8)

    scene = Scene(script).run()
    assert [event.data["reason"] for event in scene.all("agent.stopped")] == ["interrupted", "finished"]
    assert scene.mind.asked[1][-1].text == "what about this?"


def test_stop_and_close_leave_nothing_running() -> None:
    def script(scene: Scene) -> Iterator[Samples]:
        yield from after_agent(scene, np.concatenate([quiet(0.3), talk(1)]))
        scene.call.stop()
        yield quiet(1)
        scene.call.close()
        yield quiet(100)

    scene = Scene(script).run()
    assert scene.all("agent.stopped")[0].data["reason"] == "interrupted"
    assert scene.line.index < 12 / 0.016
    assert scene.mind.open == 0


def test_the_greeting_comes_first_and_a_person_may_talk_over_it() -> None:
    scene = Scene(quiet(5), manners=Manners(greeting="Hello, I am listening.")).run()
    assert scene.all("agent.said")[0].data["text"] == "Hello, I am listening."
    assert not scene.mind.asked


def test_a_muted_microphone_is_not_answered() -> None:
    def script(scene: Scene) -> Iterator[Samples]:
        scene.call.mute(True)
        yield np.concatenate([quiet(0.3), talk(1), quiet(3)])

    assert not Scene(script).run().all("user.said")


def test_a_call_repeats_exactly() -> None:
    def events() -> list[Event]:
        def script(scene: Scene) -> Iterator[Samples]:
            yield from after_agent(scene, np.concatenate([quiet(0.3), talk(1)]), talk(1.5), quiet(6))

        return Scene(script).run().events

    assert events() == events()


def test_after_an_interruption_the_agent_takes_a_breath() -> None:
    def script(scene: Scene) -> Iterator[Samples]:
        yield from after_agent(scene, np.concatenate([quiet(0.3), talk(1)]), talk(0.4), quiet(6))

    scene = Scene(script, texts=["tell me something"] * 2 + ["stop"]).run()
    ducked = scene.all("agent.ducked")[0].t
    assert scene.all("agent.stopped")[0].data["reason"] == "interrupted"
    assert 1.0 <= scene.all("agent.started")[1].t - ducked < 1.5
    assert not scene.spoke(ducked + 0.05, ducked + 1.0)


class HangingMeter(VirtualMeter):
    """Recognition never comes back in its first worker."""

    async def run(self, part: str, work: Callable[[], object]) -> object:  # type: ignore[override]
        if part == "recognise":
            await asyncio.sleep(1e6)
        return await super().run(part, work)


def test_a_recogniser_that_hangs_is_replaced_and_the_user_is_answered() -> None:
    scene = Scene(np.concatenate([quiet(0.3), talk(1), quiet(9), talk(1), quiet(4)]))
    meter = HangingMeter("fixed")
    scene.ears.hearing._meter = meter
    scene.ears.hearing._reopen = lambda: FakeRecogniser(["hello there friend"])
    scene.run()
    assert [event.data["action"] for event in scene.all("failure")] == ["restarted"]
    assert [event.data["text"] for event in scene.all("user.said")] == ["hello there friend"] * 2
    assert len(scene.all("agent.said")) == 2


class SlowMeter(VirtualMeter):
    """One part takes so many seconds more: recognition three, as on a machine with too much to do."""

    def __init__(self, cost: str, part: str = "recognise", seconds: float = 3) -> None:
        super().__init__(cost)
        self.part, self.seconds = part, seconds

    async def run(self, part: str, work: Callable[[], object]) -> object:  # type: ignore[override]
        if part == self.part:
            await asyncio.sleep(self.seconds)
        return await super().run(part, work)


def test_words_so_far_are_given_up_for_those_of_a_pause() -> None:
    aborted: list[str] = []
    scene = Scene(np.concatenate([quiet(0.3), talk(2), quiet(12)]), meter=SlowMeter("fixed"))
    scene.ears.hearing.recogniser.abort = lambda: aborted.append("words so far")  # type: ignore[attr-defined]
    scene.run()
    assert aborted == ["words so far"]  # once, when the pause came
    assert len(scene.all("user.said")) == 1


def test_the_reply_is_begun_by_the_words_and_the_turn_ends_by_the_voice() -> None:
    script, slow = np.concatenate([quiet(0.5), talk(1.2), quiet(3)]), SlowMeter("fixed", "turn_end", 0.6)
    scene = Scene(script, texts=["what is the weather like in London"], meter=slow).run()
    (said,), (thinking,) = scene.all("user.said"), scene.all("agent.thinking")
    assert thinking.t < 1.7 + 0.4 and said.t > 1.7 + 0.6
    assert len(scene.all("user.partial")) == len({event.t for event in scene.all("user.partial")})
    words = said.data["evidence"]["sure_at"]
    assert len(words) == 2 and words[0][0] + 0.3 < words[1][0] and words[1][1] == 0.95


def test_a_short_word_is_waited_for_where_the_recogniser_is_slow() -> None:
    def script(scene: Scene) -> Iterator[Samples]:
        yield from after_agent(scene, np.concatenate([quiet(0.3), talk(1)]), talk(0.5), quiet(12))

    scene = Scene(script, texts=["tell me something"] * 2 + ["stop"], meter=SlowMeter("fixed")).run()
    assert not scene.all("user.rejected")
    assert scene.all("agent.stopped")[0].data["reason"] == "interrupted"


def test_a_slow_recogniser_is_free_when_the_turn_ends() -> None:
    scene = Scene(np.concatenate([quiet(0.3), talk(6), quiet(12)]), meter=SlowMeter("fixed")).run()
    partials = [event.t for event in scene.all("user.partial")]
    assert len(partials) == 2  # one on the way, and the whole
    assert partials[1] < 6.3 + 3.5


def test_a_recogniser_that_fails_once_is_asked_again_before_words_are_lost() -> None:
    failures = iter((True,))

    def flaky(sound: Samples) -> str:
        if next(failures, False):
            raise RecogniserError("out of memory")
        return "hello there friend"

    scene = Scene(np.concatenate([quiet(0.3), talk(0.7), quiet(3)]))
    scene.ears.hearing.recogniser = FakeRecogniser(flaky)
    scene.run()
    assert [event.data["action"] for event in scene.all("failure")] == ["retried"]
    assert scene.all("user.said")[0].data["text"] == "hello there friend"


def test_words_that_no_recogniser_could_tell_are_not_taken_for_a_mere_noise() -> None:
    def broken(sound: Samples) -> str:
        raise RecogniserError("out of memory")

    scene = Scene(np.concatenate([quiet(0.3), talk(0.7), quiet(3)]))
    scene.ears.hearing.recogniser = FakeRecogniser(broken)
    scene.run()
    assert [event.data["action"] for event in scene.all("failure")][-2:] == ["retried", "gave_up"]
    (rejected,) = scene.all("user.rejected")
    assert rejected.data["evidence"]["unrecognised"] is True


class KnowsNoEcho:
    """A guard that never learns the echo: over the agent, and for 1.5 s after it, whatever is loud may be echo."""

    def __init__(self) -> None:
        self._quiet = 0

    def hear(self, microphone: Samples, reference: Samples) -> Heard:
        self._quiet = 0 if np.abs(reference).max() > 1e-3 else self._quiet + 1
        near = 0.98 if float(np.abs(microphone).max()) > 0.05 else 0.02
        return Heard(microphone, near, near, self._quiet < 94, "guarded", {})


def test_what_may_be_echo_time_and_again_makes_it_half_duplex() -> None:
    """Every reply comes back as a phrase of 1 s, under other words than were spoken: four times, not for ever."""

    def script(scene: Scene) -> Iterator[Samples]:
        yield np.concatenate([quiet(1.2), talk(1.2), quiet(1.5)])
        heard = 0
        for _ in range(400):
            audible = np.count_nonzero(np.abs(scene.line.played) > 0.01)
            if audible > heard + 0.3 * RATE:
                yield talk(1.0)
                heard = audible
            yield quiet(0.1)

    scene = Scene(script, texts=lambda sound: "the empty north has twins")
    scene.ears.guard = KnowsNoEcho()  # type: ignore[assignment]
    scene.run()
    interrupted = [event for event in scene.all("agent.stopped") if event.data["reason"] == "interrupted"]
    assert 1 <= len(interrupted) <= 4
    assert [event.data["duplex"] for event in scene.all("mode")][-1] == "half"
    assert scene.all("agent.stopped")[-1].data["reason"] == "finished"
