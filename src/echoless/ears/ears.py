"""The ears as one organ: blocks of microphone and reference in, what happened on the near side out.

Per block (`hear`, synchronous): the guard cancels the echo and says how likely a person speaks; the listener
makes stretches of that; the turn's policy makes starts, pauses, ends, interruptions. Words come from `work`, a
task that the call runs: it recognises what the policy asks for and leaves the result for the next block.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import numpy as np

from echoless.ears.breaker import Breaker
from echoless.ears.door import Recogniser, TurnEnd
from echoless.ears.doorstep import ALONE, LINGER, Doorstep, Who
from echoless.ears.findings import case_of, evidence_of, waited
from echoless.ears.guard import Heard
from echoless.ears.hearing import Hearing
from echoless.ears.heeded import (
    Agent,
    Confirmed,
    Dismissed,
    Heeded,
    LikelyEnd,
    ModeChanged,
    Partial,
    Paused,
    Started,
    TurnEnded,
)
from echoless.ears.listener import Change, Listener
from echoless.ears.turn import Known, Open, Wish
from echoless.ears.turn_end import Tuning, patience
from echoless.ears.weigh import Case, Verdict, Weights, by_sound, echo_tail, faint, own_words, plain, toneless, weigh
from echoless.ears.words import echo_share
from echoless.frames import BLOCK, BLOCK_SECONDS, Block, Samples, seconds
from echoless.meter import Meter

LONGEST = round(24 / BLOCK_SECONDS)
"""Blocks after which the words so far are settled, so that recognition stays quick."""
EARLY = 4
"""Blocks of silence after which the words of a pause are asked for: it takes 8 to be one, most of which go by while
the recogniser works."""
LOOKS = (round(0.4 / BLOCK_SECONDS), round(0.8 / BLOCK_SECONDS))
"""Blocks of silence after which the voice is asked again."""
PARTIAL, SPARE = round(0.8 / BLOCK_SECONDS), 2
"""Blocks of speech after which words so far are asked for again, and how many times what the last answer took: a slow
recogniser is to be free when the turn ends."""
LATEST_ECHO = 1.0
"""Seconds after which the agent's words cannot come back any more, from a loudspeaker that sound is at soon."""


class Guard(Protocol):
    """Echo canceller and judge of near-end speech (`ears.guard.EchoGuard`)."""

    cancels_echo: bool
    latency: float
    sounding: bool

    def hear(self, microphone: Samples, reference: Samples) -> Heard: ...


class Ears:
    """Everything between the microphone and the floor."""

    def __init__(
        self,
        guard: Guard,
        recogniser: Recogniser,
        turn_end: TurnEnd,
        meter: Meter,
        *,
        language: str | None = None,
        weights: Weights | None = None,
        tuning: Tuning | None = None,
        on_recognising: Callable[[], None] | None = None,
        who: Who | None = None,
        reopen: Callable[[], Recogniser] | None = None,
    ) -> None:
        """`reopen` makes another recogniser for one that hangs; `on_recognising` is called before each recognition."""
        self.guard = guard
        self.meter = meter
        self.language = language
        self.doorstep = Doorstep(who)
        self.hearing = Hearing(recogniser, turn_end, meter, self.doorstep, language, on_recognising, reopen)
        self.muted = False
        self.listener = Listener()
        self.breaker = Breaker()
        self._weights = weights or Weights()
        self._tuning = tuning or Tuning()
        self._turn: Open | None = None
        self._turns = 0
        self._now = 0
        self._heard: Heard | None = None
        self._pressed = False
        self._working: Wish | None = None
        self._asked_at = self._took = 0
        self._wish: Wish | None = None
        self._wished = asyncio.Event()
        self._results: list[Known] = []

    # --- what the call asks --------------------------------------------------------------------------------

    def hear(self, block: Block, agent: Agent) -> tuple[Samples, list[Heeded]]:
        """Take one block; its sound after echo cancelling (float32 (256,), 16 kHz) and what happened."""
        self.guard.latency, self.guard.sounding = agent.latency, agent.sounds
        with self.meter.inline("guard"):
            heard = self.guard.hear(block.microphone, block.reference)
        self._heard, self._now = heard, block.index
        out: list[Heeded] = [*self.hearing.troubles()]
        out += self._mode(heard, agent)
        shut = self.doorstep.shut(heard.near > self.listener.tuning.keep)
        near = 1.0 if self._pressed else 0.0 if shut or self.muted or self._deaf(agent) else heard.near
        if self._turn and self._turn.ended and (agent.holds or agent.heard):
            self._close()
        if self._turn and self._turn.weighing and not agent.holds:
            self._close()  # the agent was stopped or ended by something else
        change = self.listener.hear(
            heard.clean,
            near,
            echo=heard.echo,
            over_agent=agent.holds,
            direct=heard.direct,
            left=heard.left,
            voice=max(heard.voice, near * self._pressed),
            later=heard.later,
            rises=heard.rises,
        )
        out += self._changed(change, agent)
        for known in self._take_results():
            out += self._learned(known)
        if self._turn:
            out += self._weigh(self._turn, agent) if self._turn.weighing else self._follow(self._turn, agent)
        return heard.clean, out

    async def work(self) -> None:
        """Recognise what is wished for, for as long as the call lasts. Failures become `Trouble`."""
        while True:
            await self._wished.wait()
            self._wished.clear()
            wish, self._wish = self._wish, None
            if wish:
                self._working = wish
                try:
                    known = await self.hearing.recognise(wish, self._deliver)
                finally:
                    self._working = None
                self._deliver(known)

    def _deliver(self, known: Known) -> None:
        self._results.append(known)

    def forget(self) -> None:
        """Whatever is under way is nobody's turn: something else took the floor."""
        self._close()

    def press(self) -> None:
        """Push to talk: from now on the user speaks, whatever it sounds like."""
        self._pressed = True

    def release(self) -> None:
        """The user has finished."""
        self._pressed = False

    @property
    def level(self) -> float:
        """Root mean square of the last block after cancelling."""
        clean = self._heard.clean if self._heard else np.zeros(1, np.float32)
        return float(np.sqrt(np.mean(clean * clean)))

    # --- duplex ---------------------------------------------------------------------------------------------

    def _mode(self, heard: Heard, agent: Agent) -> list[Heeded]:
        changed = self.breaker.tick(agent.holds, heard.mode)
        return [ModeChanged(*changed)] if changed else []

    def _deaf(self, agent: Agent) -> bool:
        audible = agent.holds or bool(self._heard and self._heard.echo)
        return self.breaker.duplex == "half" and audible and not self._turn

    # --- stretches of speech --------------------------------------------------------------------------------

    def _changed(self, change: Change, agent: Agent) -> list[Heeded]:
        turn = self._turn
        if change is Change.BEGAN and turn is None:
            self._turns += 1
            begun = self._now - self.listener.length + 1
            self._turn = Open(self._turns, begun, weighing=agent.holds)
            return [Started(self._evidence())]
        if change is Change.BEGAN and turn:
            turn.pause += 1
            turn.sure, turn.likely, turn.ended = [], None, False
            return [] if turn.weighing else [Started(self._evidence())]
        if change is Change.STOPPED and turn:
            if not turn.early:
                self._ask(turn, turn.pause)
            turn.early = False
            return [] if turn.weighing else [Paused(self._evidence())]
        if turn and self.listener.speaking:
            self._dip(turn)
        return []

    def _dip(self, turn: Open) -> None:
        """Ask about a pause before it surely is one; if speech goes on after all, the answer is about no pause."""
        if turn.early and not self.listener.silence:
            turn.early = False
            turn.pause += 1
        if self.listener.silence == EARLY:
            turn.early = True
            self._ask(turn, turn.pause)

    def _follow(self, turn: Open, agent: Agent) -> list[Heeded]:
        """A turn that is the user's: partial words while it goes on, its end when it pauses."""
        if turn.ended:
            return []
        if self.listener.speaking:
            fresh = self.listener.length - turn.asked > max(PARTIAL, SPARE * self._took)
            if fresh and not (self.listener.silence or self._wish or self._working):
                self._ask(turn, None)
            return []
        known = turn.known
        if known is None or known.wish.pause != turn.pause:
            return []
        self._ask_again(turn, known)
        return self._end(turn, known, agent)

    def _end(self, turn: Open, known: Known, agent: Agent) -> list[Heeded]:
        silence = self.listener.silence * BLOCK_SECONDS
        share = self._share(turn, known, agent)
        if not known.text and not turn.settled:
            return self._dismiss("noise", known.text, share) if silence > 0.3 else []
        case = self._case(turn, known, share)
        if toneless(case, self._weights):
            return self._dismiss("echo", known.text, share)
        ours = own_words(case, self._weights) and not turn.command
        if ours or (echo_tail(case, self._weights) and not turn.certain):
            self.breaker.echo()
            return self._dismiss("echo", known.text, share)
        text = turn.text(known.text)
        wait = patience(known.finished, self._tuning)
        over = silence >= wait.end and known.voiced
        if not (admitted := self.doorstep.admits(known.spoken, final=over)):
            return [] if admitted is None else self._dismiss("stranger", text, share)
        out: list[Heeded] = []
        if turn.likely is None and silence >= wait.reply:
            turn.likely = text
            out.append(LikelyEnd(text))
        if over:
            turn.ended = True
            self._count(turn)
            evidence = self._evidence(finished=round(known.finished, 3), share=share, **waited(turn, silence))
            out.append(TurnEnded(text, evidence, known.spoken.name if known.spoken else None))
        elif self.listener.length > LONGEST and known.voiced:
            turn.settled.append(known.text)
            turn.known = None
            self.listener.drop_before(self.listener.length - self.listener.silence)
        return out

    def _weigh(self, turn: Open, agent: Agent) -> list[Heeded]:
        """A turn that began over the agent: is it one?"""
        listener, known = self.listener, turn.known
        if not self._wish and listener.speaking and listener.voiced >= self._weights.some_speech + 4:
            fresh = listener.length - turn.asked
            if turn.asked == 0 or fresh > max(15, self._took):
                self._ask(turn, None)
        text = known.text if known else ""
        share = self._share(turn, known, agent)
        case = self._case(turn, known, share)
        verdict = Verdict.INTERRUPTION if self._pressed else weigh(case, self._weights)
        if verdict is Verdict.WAIT:
            return []
        if verdict is not Verdict.INTERRUPTION:
            if verdict is Verdict.ECHO and not (faint(case, self._weights) or toneless(case, self._weights)):
                self.breaker.echo()
            return self._dismiss(verdict.value, text, share)
        over = case.final and case.silence >= LINGER
        if not self._pressed and not (admitted := self.doorstep.admits(known.spoken if known else None, over)):
            return [] if admitted is None else self._dismiss("stranger", text, share)
        if case.guessed and known and known.leaning:
            known.text = known.leaning.read(known.text)
        turn.weighing, turn.command = False, by_sound(case, self._weights)
        turn.certain = plain(case, self._weights) or case.sure >= self._weights.sure
        turn.doubtful = case.guarded and not case.free
        self._count(turn)
        out: list[Heeded] = [Confirmed(self._evidence(text=text, share=share))]
        if not listener.speaking:
            out.append(Paused(self._evidence()))
        return out

    def _count(self, turn: Open) -> None:
        """What of a person's turn speaks for echo is remembered: once is chance, time and again it is the agent."""
        if not turn.doubtful:
            self.breaker.user_spoke()
        elif not turn.ended:
            self.breaker.echo()

    def _case(self, turn: Open, known: Known | None, share: float) -> Case:
        return case_of(self.listener, turn, known, share, self._heard, self.breaker.duplex, self.language)

    def _dismiss(self, reason: str, text: str, share: float) -> list[Heeded]:
        turn = self._turn
        evidence = self._evidence(share=share)
        if reason == "stranger" and self.listener.speaking:
            self.doorstep.turn_away()
        self._close(echo=reason == "echo")
        if turn and turn.settled and reason != "stranger":  # a noise after words: the words stay
            return [TurnEnded(turn.text(""), evidence)]
        return [Dismissed(reason, text, evidence)]

    def _close(self, echo: bool = False) -> None:
        self._turn = None
        self.listener.close(echo)

    # --- words ----------------------------------------------------------------------------------------------

    def _share(self, turn: Open, known: Known | None, agent: Agent) -> float:
        """The part of the words that the agent was saying while they were heard, counted once."""
        if known is None:
            return 0.0
        if known.share is None:
            since = seconds(turn.begun)
            until = seconds(self._now - self.listener.silence)
            latest = LATEST_ECHO + agent.latency
            played = agent.played(since - latest - 0.5, until) if known.text else ()
            share = echo_share(known.text, played, since, until, delay=(0.0, latest)) if played else 0.0
            known.share = round(share, 3)
        return known.share

    def _ask(self, turn: Open, pause: int | None) -> None:
        listener = self.listener
        turn.asked, self._asked_at = listener.length, self._now
        sound = listener.sound()
        voice = listener.alone() if listener.free >= ALONE else sound
        short = turn.weighing and listener.voiced < self._weights.long_speech
        word = listener.word * BLOCK if short else 0
        left = listener.left(len(sound) // BLOCK)
        self._wish = Wish(turn.number, sound, listener.length, voice, pause, left, short, word)
        self._wished.set()
        if pause is not None and self._working and self._working.pause is None and not turn.weighing:
            self.hearing.abort()  # words so far, which nobody needs any more

    def _ask_again(self, turn: Open, known: Known) -> None:
        """Ask the voice once more when the silence has grown: it is surer then."""
        looks = known.looks
        if (
            self._wish
            or not (known.text and known.voiced)
            or looks >= len(LOOKS)
            or self.listener.silence < LOOKS[looks]
        ):
            return
        known.looks += 1
        sound = self.listener.sound(tail=LOOKS[looks])
        self._wish = Wish(turn.number, sound, self.listener.length, sound[:0], turn.pause, again=known)
        self._wished.set()

    def _take_results(self) -> list[Known]:
        results, self._results = self._results, []
        if any(not known.wish.again and self._first_of(known) for known in results):
            self._took = self._now - self._asked_at
        return results

    def _first_of(self, known: Known) -> bool:
        """Whether these words are new: those of a pause come once more when the voice has been asked."""
        before = self._turn.known if self._turn else None
        return before is None or before.wish is not known.wish

    def _learned(self, known: Known) -> list[Heeded]:
        turn = self._turn
        if turn is None or known.wish.turn != turn.number or turn.ended:
            return []
        if known.spoken is None and turn.known:
            known.spoken = turn.known.spoken  # not every stretch is looked at
        new = self._first_of(known)
        if turn.known and not new:  # what became of the words meanwhile stays
            known.text, known.share = turn.known.text, turn.known.share
        turn.known = known
        if known.wish.pause == turn.pause:
            turn.sure.append((round(self.listener.silence * BLOCK_SECONDS, 3), round(known.finished, 3)))
        told = new and known.text and not (known.wish.again or turn.weighing)
        return [Partial(turn.text(known.text))] if told else []

    def _evidence(self, **more: object) -> dict[str, object]:
        known = self._turn.known if self._turn else None
        return evidence_of(self.listener, known, self._heard, self.breaker.duplex) | more

    def close(self) -> None:
        """Let go of the engines."""
        self.hearing.close()
