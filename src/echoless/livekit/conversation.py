"""One conversation in a room: our call on a LiveKit line, and what the room is told of it.

LiveKit's own front ends get transcripts (`lk.transcription`), the agent's state and chat (`lk.chat`) as they know
them; our page gets the messages that it would get over its socket (`livekit.wire`).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from livekit import rtc

from echoless.floor import State
from echoless.frames import Event, Turn
from echoless.house import Prepared, Tell, open_call, silent
from echoless.lines.livekit import LiveKitLine
from echoless.livekit import wire
from echoless.livekit.company import Company, CompanyEars
from echoless.livekit.guard import RoomGuard
from echoless.livekit.transcripts import Transcripts
from echoless.serve import messages as m
from echoless.serve.following import Following, whose_turn
from echoless.serve.limits import Buckets
from echoless.settings import Settings
from echoless.talk import Call

STATES = {State.THINKING: "thinking", State.SPEAKING: "speaking", State.DUCKED: "speaking"}
OUTBOX = 1000
"""Messages that may wait for the room."""
READING, READ_WITHIN = 16, 20.0
"""Texts that are read at once, and the seconds that each has to arrive in."""

Keep = Callable[[Sequence[Turn]], Awaitable[None]]
"""Keeps the conversation so far where another agent finds it."""


class Conversation:
    """The agent's side of a room that is connected. `run` holds it until everybody has left or `close` is called.

    `past`: what was said before, with another agent. `keep` is given the conversation after every turn.
    `generation`: the how manieth agent this is in the room; when a later one comes, this one goes. `served`: the model
    behind `llm_url`, where that is known.
    """

    def __init__(
        self,
        settings: Settings,
        room: rtc.Room,
        *,
        reply: Callable[[str], Any] | None = None,
        past: Sequence[Turn] = (),
        keep: Keep | None = None,
        generation: int = 0,
        patience: float = 20.0,
        prepared: Prepared | None = None,
        served: Path | None = None,
    ) -> None:
        self.room = room
        self.line = LiveKitLine(room, patience=patience, on_hush=self._hush)
        self.guard = RoomGuard(self.line)
        self.call: Call | None = None
        self._settings, self._reply, self._past, self._keep = settings, reply, list(past), keep
        self._generation, self._prepared, self._served = generation, prepared, served
        self._following = Following(
            self._tell, lambda: self.line.latency, on_heard=self._heard, on_turn=self._tell_state
        )
        self._transcripts = Transcripts(room, lambda: self.line.track)
        self._outbox: asyncio.Queue[Awaitable[Any]] = asyncio.Queue(OUTBOX)
        self._limits = Buckets(30, 60)
        self._speaker = ""
        self._state = ""
        self._early: list[tuple[str, str]] = []
        """What was written before the call was open."""
        self._reading: set[asyncio.Task[None]] = set()
        self._closing = False

    async def run(self, tell: Tell = silent) -> None:
        """Hold the conversation. Raises LineError, MindError, VoiceError, RecogniserError or SettingsError."""
        self.room.on("data_received", self._on_data)
        self.room.on("participant_attributes_changed", self._on_attributes)
        self.room.on("participant_connected", self._on_participant)
        self.room.register_text_stream_handler(wire.CHAT, self._on_chat)
        try:
            await self._set_state("initializing")
            async with open_call(
                self._settings,
                line=self.line,
                reply=self._reply,
                tell=tell,
                guard=self.guard,
                prepared=self._prepared,
                served=self._served,
            ) as call:
                self.call = call
                call.ears = CompanyEars(call.ears, Company(), self._who, self._people, self._overheard)  # type: ignore[assignment]
                if not self._closing:
                    await self._hold(call)
        finally:
            self.call = None
            self.room.off("data_received", self._on_data)
            self.room.off("participant_attributes_changed", self._on_attributes)
            self.room.off("participant_connected", self._on_participant)
            self.room.unregister_text_stream_handler(wire.CHAT)

    async def _hold(self, call: Call) -> None:
        pending = self._remember(call)
        call.subscribe(self._on_event)
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(self._deliver()), tasks.create_task(self._following.captions(call))]
            self._tell_state(call)
            self._tell({"type": "ready"})
            self._tell(whose_turn(call))
            for who, text in [("", pending), *self._early]:
                asyncio.get_running_loop().call_soon(self._typed, who, text)
            try:
                await call.run()
                async with asyncio.timeout(2):
                    await self._outbox.join()
            except TimeoutError:
                pass
            finally:
                for task in (*beside, *self._reading):
                    task.cancel()

    def _remember(self, call: Call) -> str:
        """Put what was said before into the history; the user's last words, if nobody has answered them yet."""
        if self._past:
            call.manners = replace(call.manners, greeting=None)
        call.manners = replace(call.manners, phrase=self._phrase)
        pending = self._past.pop().text if self._past and self._past[-1].role == "user" else ""
        for k, turn in enumerate(self._past):
            if turn.role == "user":
                call.history.user(turn.text)
            else:
                call.history.agent(-1 - k, turn.text)
        return pending

    @property
    def latencies(self) -> list[float]:
        """Seconds from a user's last sound, or Enter, to the agent's first at the loudspeaker; the latest 200."""
        return self._following.latencies

    # --- several people -------------------------------------------------------------------------------------

    def _who(self) -> str:
        return self._speaker

    def _people(self) -> dict[str, str]:
        """Everybody present: identity → name."""
        there = self.room.remote_participants
        return {each: there[each].name or each for each in self.line.people if each in there}

    def _phrase(self, text: str) -> str:
        people = self._people()
        return f"{people.get(self._speaker, self._speaker)}: {text}" if len(people) > 1 else text

    def _overheard(self, who: str, text: str) -> None:
        """Said by one person to another: no answer, but the agent knows."""
        if self.call:
            self.call.history.user(self._phrase(text))

    def close(self) -> None:
        """End the conversation after the current block, also where nobody is there to make one."""
        self._closing = True
        if self.call:
            self.call.close()
            self.line.hang_up()

    # --- what people send -------------------------------------------------------------------------------------

    def _on_chat(self, reader: rtc.TextStreamReader, who: str) -> None:
        if len(self._reading) >= READING or not self._may(who):
            return
        task = asyncio.ensure_future(self._read(reader, who))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def _read(self, reader: rtc.TextStreamReader, who: str) -> None:
        text = ""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READ_WITHIN):
                async for piece in reader:
                    text += piece
                    if len(text) > m.LONGEST_TEXT:
                        return
                self._typed(who, text)

    def _typed(self, who: str, text: str) -> None:
        if self.call is None:
            self._early = [*self._early[-9:], (who, text)]
        elif text.strip():
            self._speaker = self._following.transcript.speaker = who
            self._following.typed(self.call)
            self.call.type(text)

    def _may(self, who: str) -> bool:
        return self._limits.take(who, time.monotonic())

    def _on_data(self, packet: rtc.DataPacket) -> None:
        """A message of somebody's page, or a stranger's nonsense."""
        who = packet.participant
        if packet.topic != wire.TOPIC or who is None or not self._may(who.identity):
            return
        if who.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT:
            return
        message = wire.unpacked(packet.data)
        if message.get("type") == "ping" and isinstance(message.get("n"), int):
            self._tell({"type": "pong", "n": message["n"]}, who.identity)
            return
        with contextlib.suppress(m.BadMessage, UnicodeDecodeError):
            self._obey(who.identity, m.parse(packet.data.decode()))

    def _obey(self, who: str, message: m.Message) -> None:
        match message:
            case m.Hello():
                self._catch_up(who)
            case m.Typed(text):
                self._typed(who, text)
            case m.Stop() if self.call:
                self.call.stop()
            case m.Mute(on) if self.call and self.line.people == [who]:
                self.call.mute(on)
            case m.Playout(seconds):
                self.line.playout(who, seconds)
            case m.End():
                self.close()

    def _catch_up(self, who: str) -> None:
        """Everything so far, for a page that has nothing yet."""
        for bubble in self._following.transcript.all():
            self._tell(bubble, who)
        if self.call:
            self._tell({"type": "ready"}, who)
            self._tell(whose_turn(self.call), who)

    def _on_attributes(self, changed: object, participant: rtc.Participant) -> None:
        self._on_participant(participant)

    def _on_participant(self, participant: rtc.Participant) -> None:
        """A later agent has come: this one goes."""
        theirs = participant.attributes.get(wire.GENERATION, "")
        agent = participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
        mine = participant.identity == self.room.local_participant.identity
        if agent and not mine and theirs.isdecimal() and int(theirs) > self._generation:
            self.close()

    # --- what the room is told --------------------------------------------------------------------------------

    def _post(self, work: Awaitable[Any]) -> None:
        try:
            self._outbox.put_nowait(work)
        except asyncio.QueueFull:  # the room is away: what it missed is history
            if asyncio.iscoroutine(work):
                work.close()

    async def _deliver(self) -> None:
        while True:
            work = await self._outbox.get()
            try:
                await work
            except Exception as error:  # a room that is reconnecting, a participant that has just left
                if self.call and self.room.isconnected():
                    self.call.trouble("room", f"{type(error).__name__}: {error}", "degraded")
            finally:
                self._outbox.task_done()

    def _tell(self, message: dict[str, Any], who: str | None = None) -> None:
        data = wire.packed(message)
        if data:
            to = [who] if who else []
            self._post(self.room.local_participant.publish_data(data, topic=wire.TOPIC, destination_identities=to))

    def _hush(self, seconds: float) -> None:
        self._tell({"type": "hush", "seconds": round(seconds, 3)})

    def _tell_state(self, call: Call) -> None:
        """Whose turn it is, as LiveKit has it."""
        state = STATES.get(call.floor.state, "listening")
        if state != self._state:
            self._post(self._set_state(state))

    async def _set_state(self, state: str) -> None:
        self._state = state
        wanted, me = {wire.STATE: state, wire.GENERATION: str(self._generation)}, self.room.local_participant
        if not wanted.items() <= me.attributes.items():  # a worker's agent comes with its first ones
            await me.set_attributes(wanted)

    # --- the call's events ------------------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        call = self.call
        if call is None:
            return
        if event.event == "user.started":
            self._speaker = self.guard.speaker or (self.line.people or [""])[0]
            self._following.transcript.speaker = self._speaker
        self._following.event(call, event)
        for work in self._transcripts.feed(event, self._speaker):
            self._post(work)
        if event.event in ("user.said", "agent.said"):
            self._save(call, event)

    def _save(self, call: Call, event: Event) -> None:
        if self._keep is None:
            return
        turns = call.history.turns
        if event.event == "user.said" and not event.data.get("typed"):
            turns = call.history.with_user(str(event.data.get("text", "")))
        self._post(self._keep(turns))

    def _heard(self, generation: int, text: str) -> None:
        for work in self._transcripts.saying(generation, text):
            self._post(work)
