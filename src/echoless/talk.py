"""A call: line, ears, floor, mind and voice wired together. The only place that starts a call's tasks.

One loop exchanges blocks with the line; what the ears make of them goes to the floor; what the floor decides is
carried out at once. Recognising and replying run beside it in the same TaskGroup and come back as events.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from echoless import floor as f
from echoless.ears import heeded as h
from echoless.ears.ears import Ears
from echoless.floor import Floor, State
from echoless.frames import BLOCK_SECONDS, RATE, Event, Samples, Turn
from echoless.lines.door import Line
from echoless.meter import Meter
from echoless.mind.decent import ReplyFilter
from echoless.mind.door import Mind, MindError
from echoless.mind.history import History
from echoless.mind.sentences import Pace, SentenceBuffer
from echoless.record import Recorder
from echoless.voice.door import VoiceError
from echoless.voice.playback import Heard, Playback, ReplyEnded, SentenceBegan, SentenceEnded
from echoless.voice.speaking import Speaker

_SOUNDS = 0.003
"""The highest sample of a block that the ears hear of as sound: -50 dBFS."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How a call behaves."""

    greeting: str | None = None
    apology: str = "Sorry, I lost my train of thought. Please say that again."
    breath: float = 1.05
    """Seconds of silence after the agent was cut short, before it speaks again: nobody who was interrupted snaps back,
    and whoever interrupts hears that it worked."""
    linger: float = 30.0
    """Seconds that the agent may go on after the far end has nothing more to say."""
    decent: ReplyFilter | None = None
    """Looks at each sentence on its way to the voice."""
    phrase: Callable[[str], str] = str
    """How what was said goes into the prompt: with the speaker's name, where several speak."""


class Call:
    """One conversation. `run` holds it until the line ends or `close` is called."""

    def __init__(
        self,
        line: Line,
        ears: Ears,
        mind: Mind,
        speaker: Speaker,
        playback: Playback,
        meter: Meter,
        *,
        history: History | None = None,
        recorder: Recorder | None = None,
        manners: Manners | None = None,
    ) -> None:
        self.line = line
        self.ears = ears
        self.mind = mind
        self.speaker = speaker
        self.playback = playback
        self.meter = meter
        self.history = history or History()
        self.manners = manners or Manners()
        self.floor = Floor()
        self.seconds = 0.0
        """Audio time."""
        self.microphone_level = 0.0
        """Peak of the last block that came in, linear."""
        self.loudspeaker_level = 0.0
        """Peak of the last block that went out, linear."""
        self._recorder = recorder
        self._listeners: list[Callable[[Event], None]] = []
        self._tasks: asyncio.TaskGroup | None = None
        self._reply: asyncio.Task[None] | None = None
        self._prefill: asyncio.Task[None] | None = None
        self._question = ""
        self._turn = 0
        self._token: float | None = None
        self._pace = Pace()
        self._closing = False
        self._quiet_since: float | None = None
        self._heard = Heard(0, "", "")
        self._silent_since = self._ducked_at = -1e9

    # --- for whoever holds the call -------------------------------------------------------------------------

    async def run(self) -> None:
        """Hold the conversation over the line, which is open already, until it ends or `close` is called."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                hearing = tasks.create_task(self.ears.work(), name="recognise")
                if self.manners.greeting:
                    self._feed(f.Announced(self.manners.greeting))
                await self._exchange()
                self._feed(f.Closed())
                hearing.cancel()
        finally:
            self._tasks = None
            if self._recorder:
                self._recorder.close()

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        """Have `listener` called with every event of the call record as it happens."""
        self._listeners.append(listener)

    async def events(self) -> AsyncIterator[Event]:
        """Hold the conversation and give its events. Leaving the loop ends the call."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self.subscribe(queue.put_nowait)
        call = asyncio.ensure_future(self.run())
        call.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            while (event := await queue.get()) is not None:
                yield event
            await call
        finally:
            self.close()
            with contextlib.suppress(asyncio.CancelledError):
                await call

    def type(self, text: str) -> None:
        """A turn in writing. It interrupts the agent."""
        text = text.strip()
        if not text:
            return
        self.ears.forget()
        self._emit("user.said", text=text, turn=self.floor.now.turn, typed=True)
        self.history.user(text)
        self._feed(f.Typed(text))

    def stop(self) -> None:
        """The stop button: the agent falls silent, and what it was about to say is forgotten."""
        if self.floor.state not in (State.LISTENING, State.HEARING, State.PAUSED):
            self.ears.forget()
        self._feed(f.StopPressed())

    def mute(self, on: bool) -> None:
        """Do not listen; the echo guard still does."""
        self.ears.muted = on

    def push_to_talk(self, on: bool) -> None:
        """While on, the user speaks, whatever it sounds like."""
        if on:
            self.ears.press()
        else:
            self.ears.release()

    def quit(self) -> None:
        """End the call: the same as `close`, for whoever presses keys."""
        self.close()

    def close(self) -> None:
        """End the call after the current block."""
        self._closing = True

    # --- the loop -------------------------------------------------------------------------------------------

    async def _exchange(self) -> None:
        while not self._closing and not self._over():
            out = self._sound()
            block = await self.line.exchange(out)
            if block is None:
                return
            self.loudspeaker_level = float(abs(out).max())
            begun, sounds = self.floor.state is not State.THINKING, self.loudspeaker_level > _SOUNDS
            agent = h.Agent(self.floor.agent_holds, begun, self._played, self.line.traits.latency, sounds)
            clean, heard = self.ears.hear(block, agent)
            self.seconds = (block.index + 1) * BLOCK_SECONDS
            self.microphone_level = float(abs(block.microphone).max())
            if self._recorder:
                self._recorder.block(block, clean)
            for what in heard:
                self._heed(what)

    def _over(self) -> bool:
        """Whether the far end has nothing more to say and the agent has finished, or had its time."""
        if not getattr(self.line, "ended", False):
            return False
        if self._quiet_since is None:
            self._quiet_since = self.seconds
        waited = self.seconds - self._quiet_since
        busy = self.floor.state is not State.LISTENING
        return waited > self.manners.linger or (waited > 2.5 and not busy)

    def _sound(self) -> Samples:
        """The next block for the loudspeaker; tells the floor what became audible or ended."""
        breathes = self.seconds - self._silent_since < self.manners.breath
        self.playback.held = breathes or not (self.floor.open_to_speak or self.floor.state is State.DUCKED)
        out = self.playback.take()
        for event in self.playback.events():
            match event:
                case SentenceBegan():
                    if self.floor.state is State.THINKING and self.floor.is_current(event.generation):
                        self._begin(event.generation)
                    self._emit("agent.saying", generation=event.generation, text=event.text)
                case SentenceEnded():
                    self._sentence(event)
                case ReplyEnded():
                    self._heard = event.heard
                    self._feed(f.ReplyFinished(event.generation))
        return out

    def _sentence(self, event: SentenceEnded) -> None:
        self._emit("agent.sentence", generation=event.generation, text=event.text, marks=self._marks(event))

    def _begin(self, generation: int) -> None:
        if self._question:
            self.history.user(self._question)
            self._question = ""
        self._feed(f.ReplyAudible(generation))
        came = {"token": self._token, "sound": self.playback.came_at / self.playback.rate}
        told = {name: round(seconds, 3) for name, seconds in came.items() if seconds is not None}
        self._emit("agent.started", turn=self._turn, generation=generation, **told)

    def _marks(self, event: SentenceEnded) -> list[tuple[int, int]]:
        """Marks of a sentence in samples of the record."""
        rate = self.playback.rate
        return [(character, round(sample * RATE / rate)) for character, sample in event.marks]

    def _played(self, since: float, until: float) -> h.Played:
        rate = self.playback.rate
        words = self.playback.words(max(0, round(since * rate)))
        return [(w.text, w.begin / rate, w.end / rate) for w in words if w.begin / rate <= until]

    # --- from the ears to the floor -------------------------------------------------------------------------

    def _heed(self, what: h.Heeded) -> None:
        match what:
            case h.Started(evidence):
                self._emit("user.started", evidence=evidence)
                self._feed(f.UserStarted())
            case h.Paused(evidence):
                self._emit("user.stopped", evidence=evidence)
                self._feed(f.UserPaused())
            case h.Partial(text):
                self._emit("user.partial", text=text, turn=self.floor.now.turn)
                self._prepare(text)
            case h.LikelyEnd(text):
                self._feed(f.LikelyEnd(self.manners.phrase(text)))
            case h.TurnEnded(text, evidence, who):
                if self.floor.state is State.HEARING:
                    self._feed(f.UserPaused())
                named = {"who": who} if who else {}
                self._emit("user.said", text=text, turn=self.floor.now.turn, evidence=evidence, **named)
                self._feed(f.TurnEnded(self.manners.phrase(text)))
            case h.Confirmed():
                self._feed(f.Confirmed())
            case h.Dismissed(reason, text, evidence):
                self._emit("user.rejected", reason=reason, text=text, evidence=evidence)
                self._feed(f.Dismissed(reason))
            case h.ModeChanged(duplex, why):
                self._emit("mode", duplex=duplex, why=why)
            case h.Trouble(part, trouble, action):
                self.trouble(part, trouble, action)

    def trouble(self, part: str, what: str, action: str) -> None:
        """Record that a part failed and what was done about it."""
        self._emit("failure", part=part, what=what, action=action)

    def _feed(self, event: f.Event) -> None:
        try:
            actions = self.floor.feed(event)
        except f.IllegalEvent as defect:  # ours; the call goes on, the tests do not forgive it
            self.trouble("floor", str(defect), "degraded")
            return
        for action in actions:
            self._act(action)

    # --- what the floor wants done --------------------------------------------------------------------------

    def _act(self, action: f.Action) -> None:
        match action:
            case f.StartReply(generation, turn, text):
                self._turn, self._question = turn, text
                if self.history.turns[-1:] == (Turn("user", text),):  # typed: in the history already
                    self._question = ""
                self._emit("agent.thinking", turn=turn, generation=generation)
                self._start(self._answer(generation, self.history.with_user(self._question)))
            case f.Say(generation, text):
                self._start(self._say(generation, text))
            case f.Revoke(generation):
                self._halt()
                self._emit("agent.stopped", generation=generation, reason="revoked")
            case f.Duck(generation):
                self.playback.duck()
                self._ducked_at = self.seconds
                self._emit("agent.ducked", generation=generation)
            case f.Resume(generation):
                self.playback.resume()
                self._emit("agent.resumed", generation=generation)
            case f.Stop(generation, reason):
                self._stopped(generation, reason)
            case f.Finish(generation):
                self._finished(generation)
            case f.Apologise(generation):
                self._start(self._say(generation, self.manners.apology))

    def _start(self, work: Any) -> None:
        if self._prefill:
            self._prefill.cancel()
        if self._reply and self._reply is not asyncio.current_task():
            self._reply.cancel()
        if self._tasks is None:
            work.close()
            return
        self._token = None
        self._reply = self._tasks.create_task(work, name="reply")

    def _halt(self) -> Heard:
        """Silence now, nothing more to come; what was heard."""
        dropped = self.line.flush()
        latency = round(self.line.traits.latency * self.line.traits.rate)
        heard = self.playback.stop(max(dropped, latency))
        if self._reply:
            self._reply.cancel()
            self._reply = None
        return heard

    def _stopped(self, generation: int, reason: str) -> None:
        self._silent_since = self._ducked_at if self.playback.ducked else self.seconds
        heard = self._halt()
        for event in self.playback.events():
            if isinstance(event, SentenceEnded):
                self._sentence(event)
        self.history.agent(generation, heard.text)
        self._emit("agent.stopped", generation=generation, reason=reason)
        self._emit("agent.said", generation=generation, text=heard.text, unheard=heard.unheard)

    def _finished(self, generation: int) -> None:
        self.history.agent(generation, self._heard.text)
        self._emit("agent.stopped", generation=generation, reason="finished")
        self._emit("agent.said", generation=generation, text=self._heard.text, unheard="")

    # --- replies --------------------------------------------------------------------------------------------

    async def _answer(self, generation: int, turns: tuple[Turn, ...]) -> None:
        """Words from the mind, sentence by sentence to the voice."""
        sentences = SentenceBuffer(first=self._pace.first)
        self._pace.began()
        decent = self.manners.decent.reply() if self.manners.decent else str
        try:
            pieces = self.meter.outside("think", self.mind.reply(turns))  # which closes what it is given
            async with contextlib.aclosing(pieces):  # type: ignore[type-var]
                async for piece in pieces:
                    self._token = self.seconds if self._token is None else self._token
                    self._pace.came(len(piece), self.seconds)
                    for sentence in sentences.feed(piece):
                        await self.speaker.say(generation, decent(sentence.text))
            for sentence in sentences.flush():
                await self.speaker.say(generation, decent(sentence.text))
            await self.speaker.finish(generation)
        except (MindError, VoiceError) as error:
            self._failed(generation, "mind" if isinstance(error, MindError) else "voice", str(error))
        except Exception as error:  # a part of somebody else's: the call goes on, and says so
            self._failed(generation, "reply", f"{type(error).__name__}: {error}")

    def _failed(self, generation: int, part: str, what: str) -> None:
        self.trouble(part, what, "gave_up")
        self._feed(f.ReplyFailed(generation))

    async def _say(self, generation: int, text: str) -> None:
        try:
            await self.speaker.say(generation, text)
        except VoiceError as error:
            self.trouble("voice", str(error), "gave_up")
        await self.speaker.finish(generation)

    def _prepare(self, text: str) -> None:
        """Let the mind read what was said so far."""
        if not self.mind.traits.prefills or self._tasks is None or self.floor.state is not State.HEARING:
            return
        if self._prefill:
            self._prefill.cancel()
        turns = self.history.with_user(self.manners.phrase(text))
        self._prefill = self._tasks.create_task(self._read(turns), name="prefill")

    async def _read(self, turns: tuple[Turn, ...]) -> None:
        with contextlib.suppress(MindError):
            await self.mind.prefill(turns)

    def _emit(self, name: str, **data: Any) -> None:
        event = Event(self.seconds, name, data)
        if self._recorder:
            self._recorder.event(event)
        for listener in self._listeners:
            listener(event)
