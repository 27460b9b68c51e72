"""Settings → a call that is ready: opens every organ, in the order in which they need each other, and closes them.

Progress is told through `tell`, a line at a time, for whatever may take over two seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from echoless.catalogue import SPOKEN, pulled
from echoless.ears import enrolled
from echoless.ears.choose import open_recogniser, open_turn_end
from echoless.ears.door import Recogniser, TurnEnd
from echoless.ears.ears import Ears, Guard
from echoless.ears.guard import EchoGuard
from echoless.ears.turn_end import TUNINGS
from echoless.ears.voiceprint import Embedding, Encoder, VoiceprintError, WhoSpeaks, speech_of
from echoless.frames import BLOCK, RATE, Samples
from echoless.lines.door import Line
from echoless.lines.files import FileLine
from echoless.meter import LiveMeter, Meter
from echoless.mind.decent import INSTEAD, ReplyFilter
from echoless.mind.door import Mind
from echoless.mind.history import History
from echoless.mind.lexicon import Lexicon, load_words
from echoless.mind.lexicon import shipped as shipped_words
from echoless.mind.llama import SAMPLING, LlamaMind
from echoless.mind.models import about, shipped
from echoless.mind.prompt import SYSTEM
from echoless.mind.reliable import ReliableMind
from echoless.mind.scripted import FunctionMind
from echoless.mind.server import LlamaServer
from echoless.mind.wire import Endpoint
from echoless.record import Recorder, forget_old
from echoless.settings import Settings, SettingsError, voiceprints_dir
from echoless.talk import Call, Manners
from echoless.voice.choose import open_voice
from echoless.voice.door import Voice
from echoless.voice.playback import Playback
from echoless.voice.polyglot import Polyglot
from echoless.voice.speaking import Speaker

Tell = Callable[[str], None]
Trouble = Callable[[str, str, str], None]
KEY = "ECHOLESS_LLM_KEY"
"""The environment variable with the key of the server at `llm_url`; no flag, which every process list would show."""
GREETINGS = {"en": "Hello, I am listening.", "zh": "你好，我在听。"}
APOLOGIES = {
    "en": "Sorry, I lost my train of thought. Please say that again.",
    "zh": "抱歉，我刚才走神了，请再说一遍。",
}
SAMPLES = {
    "en": "Hello, this is how I sound. The ferry leaves at half past seven, so we should be there well before that.",
    "zh": "你好，我说话就是这个声音。渡船七点半开，我们最好早一点到码头。",
}
"""What the agent's voice says to be known by."""


def silent(_: str) -> None:
    """Tell nobody."""


@dataclass(slots=True)
class Prepared:
    """What was opened and warmed up before there was a call for it; None is still to be opened. For one call."""

    recogniser: Recogniser | None = None
    turn_end: TurnEnd | None = None
    voice: Voice | None = None


@asynccontextmanager
async def open_call(
    settings: Settings,
    *,
    line: Line | None = None,
    reply: Callable[[str], Any] | None = None,
    on_recognising: Callable[[], None] | None = None,
    tell: Tell = silent,
    guard: Guard | None = None,
    prepared: Prepared | None = None,
    served: Path | None = None,
) -> AsyncIterator[Call]:
    """A call ready to `run`. `guard` takes the place of the usual echo guard, `served` is the model behind `llm_url`
    where that is known: what it advises goes into the requests.

    Raises LineError, MindError, VoiceError, RecogniserError or SettingsError.
    """
    async with AsyncExitStack() as stack:
        meter = LiveMeter()
        stack.push_async_callback(meter.aclose)
        troubles: list[tuple[str, str, str]] = []
        note: list[Trouble] = [lambda *what: troubles.append(what)]
        people = await asyncio.to_thread(acquaintances, settings)  # quick, and the rest is not
        line = line or open_line(settings, lambda what: note[0]("line", what, "retried"))
        await line.open()
        stack.push_async_callback(line.aclose)
        ready = prepared or Prepared()
        mind = await open_mind(settings, stack, reply, tell, lambda *what: note[0](*what), served)
        ears, voice = await asyncio.gather(
            asyncio.to_thread(open_ears, settings, meter, line, on_recognising, guard, ready),
            asyncio.to_thread(lambda: ready.voice or open_agents_voice(settings)),
        )
        stack.callback(ears.close)
        call = wire(settings, line, ears, mind, voice, meter, lambda *what: note[0](*what))
        stack.callback(call.speaker.close)
        call.ears.doorstep.who = await asyncio.to_thread(acquaint, settings, people, voice)
        note[0] = call.trouble
        for what in troubles:
            call.trouble(*what)
        yield call


def open_filter(settings: Settings) -> ReplyFilter | None:
    """The reply filter where it is wanted: words of both languages, and the user's own. Raises LexiconError."""
    if not (settings.reply_filter or settings.reply_filter_words):
        return None
    own = load_words(settings.reply_filter_words) if settings.reply_filter_words else Lexicon(())
    return ReplyFilter(shipped_words("all") | own, INSTEAD.get(language(settings), INSTEAD["en"]))


def language(settings: Settings) -> str:
    """The language that the agent begins in."""
    return "en" if settings.language == "auto" else settings.language


def open_line(settings: Settings, on_trouble: Callable[[str], None]) -> Line:
    """The line that the settings name, not open yet."""
    if settings.microphone:
        out = settings.loudspeaker or settings.microphone.with_suffix(".reply.wav")
        return FileLine(settings.microphone, out, settings.pace)
    from echoless.lines.soundcard import SoundCardLine

    return SoundCardLine(*settings.devices, on_trouble=on_trouble)


def open_ears(
    settings: Settings,
    meter: Meter,
    line: Line,
    on_recognising: Callable[[], None] | None = None,
    guard: Guard | None = None,
    prepared: Prepared | None = None,
) -> Ears:
    """Everything between microphone and floor, warmed up; `guard` instead of the usual. Raises RecogniserError."""
    ready, spoken = prepared or Prepared(), spoken_in(settings)
    recogniser = ready.recogniser or warmed(any_recogniser(settings), spoken)
    turn_end = ready.turn_end or warm_turn_end(spoken)
    guard = guard or EchoGuard(cancels_echo=line.traits.cancels_echo)
    reopen = partial(any_recogniser, settings)
    tuning = TUNINGS[settings.patience]
    return Ears(
        guard, recogniser, turn_end, meter, language=spoken, tuning=tuning, on_recognising=on_recognising, reopen=reopen
    )


def prepare(settings: Settings) -> Prepared:
    """Open and run once what a conversation takes, so that the next one opens quickly; not within an event loop. Never
    fails: what is wrong shows when the conversation opens."""
    ready = Prepared()
    with contextlib.suppress(Exception):
        if settings.llm_url:
            asyncio.run(_meet_mind(settings))
        ready.recogniser = warmed(any_recogniser(settings), spoken_in(settings))
        ready.turn_end = warm_turn_end(spoken_in(settings))
        EchoGuard().hear(np.zeros(BLOCK, np.float32), np.zeros(BLOCK, np.float32))
        voice = open_agents_voice(settings)
        sample_of(voice)
        ready.voice = voice
    return ready


def keep_loaded() -> None:
    """Never search again for garbage what is loaded by now: a full collection takes 0.13 s and holds the sound up."""
    gc.collect()
    gc.freeze()


async def _meet_mind(settings: Settings) -> None:
    async with AsyncExitStack() as stack:
        await open_mind(settings, stack)


def spoken_in(settings: Settings) -> str | None:
    """The language that the ears are told to expect; None where they find out."""
    return None if settings.language == "auto" else settings.language


def any_recogniser(settings: Settings) -> Recogniser:
    """Another recogniser of the kind that the settings name. Raises RecogniserError."""
    return open_recogniser(settings.recogniser, spoken_in(settings), settings.recogniser_model or "", pulled)


def warmed(recogniser: Recogniser, spoken: str | None) -> Recogniser:
    """The same, run once: first runs are slow. Raises RecogniserError."""
    recogniser.transcribe(_noise(), spoken)
    return recogniser


def warm_turn_end(spoken: str | None) -> TurnEnd:
    """The judge of turn ends, run once."""
    turn_end = open_turn_end()
    turn_end.finished(turn_end.sounds_finished(_noise()), "hello", spoken)
    return turn_end


def _noise() -> Samples:
    """A second of it, float32 at 16 kHz, for a first run."""
    return np.random.default_rng(0).normal(0, 0.01, RATE).astype(np.float32)


def acquaintances(settings: Settings) -> list[enrolled.Person]:
    """Who enrolled. Raises VoiceprintError, or SettingsError where only they may speak and there is nobody."""
    people = enrolled.load(voiceprints_dir())
    if settings.only_enrolled and not people:
        raise SettingsError("only_enrolled: nobody is enrolled yet (echoless voiceprint enrol NAME)")
    return people


def acquaint(settings: Settings, people: list[enrolled.Person], voice: Voice) -> WhoSpeaks | None:
    """Tells these people and the agent's own voice apart; None where nobody has enrolled. Raises VoiceprintError."""
    if not people:
        return None
    return WhoSpeaks({each.name: each.in_call for each in people}, own_voice(voice), settings.only_enrolled)


def open_agents_voice(settings: Settings) -> Voice:
    """The voice that the settings name, which leaves a reply in Chinese, or in English, to another that has learnt it:
    a pulled Piper voice, else espeak. Raises VoiceError."""

    def other(tongue: str) -> Voice:
        name = next((name for name in SPOKEN if name.startswith(tongue) and pulled(name)), None)
        return open_voice(name, tongue, settings.voice_speed, pulled)

    return Polyglot(open_voice(settings.tts_model, language(settings), settings.voice_speed, pulled), other)


def own_voice(voice: Voice) -> Embedding | None:
    """The agent's voice as the ears know it, from a sentence that nobody hears; None for one that makes no speech."""
    try:
        return Encoder().embed(speech_of(sample_of(voice)))
    except VoiceprintError:
        return None


def sample_of(voice: Voice) -> Samples:
    """Some seconds of `voice`, float32 at 16 kHz. Raises VoiceError."""
    import soxr

    sample = SAMPLES.get(voice.traits.language, SAMPLES["en"])
    sound = np.concatenate([chunk.samples for chunk in voice.speak(sample)])
    return soxr.resample(sound, voice.traits.rate, RATE).astype(np.float32)


async def open_mind(
    settings: Settings,
    stack: AsyncExitStack,
    reply: Callable[[str], Any] | None = None,
    tell: Tell = silent,
    note: Trouble = lambda *what: None,
    served: Path | None = None,
) -> Mind:
    """The mind that the settings name; what it needs is closed with `stack`. `served`: the model behind `llm_url`,
    where that is known. Raises MindError."""
    if reply:
        return FunctionMind(reply)
    system = settings.system_text or SYSTEM
    server, path, where = None, None, settings.llm_url or ""
    if not settings.llm_url:
        path = model_path(settings.model, language(settings))
        server = LlamaServer(path, context=settings.context, threads=settings.threads, note=note)
        stack.push_async_callback(server.stop)
        tell(f"loading {path.name}")
        await server.start()
    sampling = sampling_for(settings, path or served)
    llama = LlamaMind(
        server_endpoint(server) if server else Endpoint.parse(where, os.environ.get(KEY, "")),
        system=system,
        sampling=sampling,
        limit=settings.reply_tokens,
    )
    stack.push_async_callback(llama.aclose)
    await llama.check()
    return ReliableMind(llama, server, note)


def server_endpoint(server: LlamaServer) -> Callable[[], Endpoint]:
    """Where a server of ours listens today: another port after a restart."""
    return lambda: server.endpoint


def sampling_for(settings: Settings, model: Path | None) -> dict[str, Any]:
    """What goes into a request: what was set, else what the model's own JSON advises, else the defaults."""
    advised = about(model).get("sampling", {}) if model else {}
    chosen = {
        name: getattr(settings, name) for name in ("temperature", "top_p", "seed") if name in settings.model_fields_set
    }
    return {**SAMPLING, **(advised if isinstance(advised, dict) else {}), **chosen}


def model_path(name: str, spoken: str = "en") -> Path:
    """The GGUF of a name: one that ships with us (`pocket`: that of the language spoken), a pulled one, or a file.
    Raises MindError where ours is missing."""
    return shipped(name, spoken) or pulled(name) or Path(name).expanduser()


def wire(settings: Settings, line: Line, ears: Ears, mind: Mind, voice: Voice, meter: Meter, note: Trouble) -> Call:
    """Organs → call."""
    playback = Playback(line.traits.rate, line.traits.block, 10 ** (settings.volume / 20))
    spoken = language(settings)
    speaker = Speaker(voice, playback, meter, lambda: open_voice("espeak", spoken, settings.voice_speed), note)
    greeting = GREETINGS.get(spoken, GREETINGS["en"])
    greets = settings.greet if settings.greet is not None else line.traits.live and settings.microphone is None
    apology = APOLOGIES.get(spoken, APOLOGIES["en"])
    manners = Manners(greeting if greets else None, apology, decent=open_filter(settings))
    recorder = None
    if settings.record:
        forget_old(settings.record.parent)
        about = {
            "keep_days": settings.keep_days,
            "settings": settings.model_dump(mode="json"),
            "mind": mind.traits,
            "voice": voice.traits,
        }
        recorder = Recorder(settings.record, about)
    return Call(line, ears, mind, speaker, playback, meter, history=History(), recorder=recorder, manners=manners)
