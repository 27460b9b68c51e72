"""A trained run as a Piper voice: NAME.onnx and NAME.onnx.json, checked by speaking, with samples and a card."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import soxr

from echoless.ears.voiceprint import Encoder, VoiceprintError, mean, similarity, speech_of
from echoless.frames import RATE, Samples
from echoless.voice.piper import Piper
from echoless.workshop.voice.dataset import DataSet
from echoless.workshop.voice.errors import WorkshopError
from echoless.workshop.voice.mends import old_exporter, supply_alignment
from echoless.workshop.voice.studio import save
from echoless.workshop.voice.trainer import read_checkpoint
from echoless.workshop.voiceprint.sound import read

SAYS = {
    "en": ("Hello, this is my voice.", "The ferry leaves at half past seven.", "Is there anything else that you need?"),
    "zh": ("你好，这是我的声音。", "渡船早上七点半出发。", "您还需要什么吗？"),
}


@dataclass(frozen=True, slots=True)
class Result:
    """`factor` is seconds of computing a second of sound on one thread; `alike` None where there is no speech yet."""

    onnx: Path
    step: int
    factor: float
    alike: float | None


def export(run: Path, name: str, out: Path) -> Result:
    """Write the voice of `run` into `out`, and check it. Raises WorkshopError, VoiceError."""
    told = _plan(run)
    checkpoint = run / "last.ckpt"
    step = int(read_checkpoint(checkpoint)["global_step"]) // 2
    onnx = out / f"{name}.onnx"
    try:
        out.mkdir(parents=True, exist_ok=True)
        _to_onnx(checkpoint, onnx)
        config = json.loads((run / "config.json").read_text(encoding="utf-8"))
        data = DataSet.open(Path(told["data"]))
        config["dataset"], config["language"] = name, {"code": data.about.language}
        onnx.with_suffix(".onnx.json").write_text(json.dumps(config, indent=1, ensure_ascii=False), encoding="utf-8")
    except OSError as error:
        raise WorkshopError(f"{error.filename or onnx} cannot be written: {error.strerror}") from None
    sounds, factor = _speak(onnx, data.about.language)
    rate = int(config["audio"]["sample_rate"])
    for number, sound in enumerate(sounds, 1):
        save(out / f"{name}-{number}.wav", sound, rate)
    alike = _likeness(data, np.concatenate(sounds), rate)
    result = Result(onnx, step, factor, alike)
    (out / f"{name}.md").write_text(card(result, told, data), encoding="utf-8")
    return result


def _plan(run: Path) -> dict[str, Any]:
    try:
        return json.loads((run / "run.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]
    except (OSError, ValueError):
        raise WorkshopError(f"{run} is no training run: it has no run.json (echoless voice train makes one)") from None


def _to_onnx(checkpoint: Path, onnx: Path) -> None:
    """Piper's own exporter, which is a program."""
    supply_alignment()
    exporter = import_module("piper.train.export_onnx")
    part = onnx.with_suffix(".part")
    line = ["export", "--checkpoint", str(checkpoint), "--output-file", str(part)]
    with old_exporter(), patch.object(sys, "argv", line):
        exporter.main()
    part.replace(onnx)


def _speak(onnx: Path, language: str) -> tuple[list[Samples], float]:
    """Some sentences by the very voice that `echoless talk` loads, and its real-time factor."""
    voice = Piper(onnx)
    begun = time.process_time()
    texts = SAYS.get(language, SAYS["en"])
    sounds = [np.concatenate([chunk.samples for chunk in voice.speak(text)]) for text in texts]
    took = time.process_time() - begun
    voice.close()
    seconds = sum(map(len, sounds)) / voice.traits.rate
    if not seconds or not all(np.isfinite(sound).all() for sound in sounds):
        raise WorkshopError(f"{onnx} makes no sound: train longer, or again")
    return sounds, took / seconds


def _likeness(data: DataSet, sound: Samples, rate: int) -> float | None:
    encoder = Encoder()
    try:
        mine = encoder.embed(speech_of(soxr.resample(sound, rate, RATE).astype(np.float32)))
        theirs = [encoder.embed(speech_of(read(data.wav(line)))) for line in data.lines[:20]]
    except VoiceprintError:
        return None
    return similarity(mine, mean(theirs))


def card(result: Result, told: dict[str, Any], data: DataSet) -> str:
    """What this voice was made from, for people."""
    about = data.about
    consent = f'kept in the data set: "{about.consent}"' if about.consent else "none is kept"
    alike = "no speech in it yet" if result.alike is None else f"{result.alike:.2f} (0.65 and more: the same voice)"
    steps = "\n".join(f"- {step}" for step in about.steps) or "- nothing is known"
    return f"""# {result.onnx.stem}

A {"synthetic " if about.synthetic else ""}voice for Piper and `echoless talk --tts-model {result.onnx.name}`.

| | |
|---|---|
| speaker | {about.speaker or "not stated"} |
| language | {about.language} |
| licence | {about.licence} |
| consent | {consent} |
| data | {len(data.lines)} recordings |
| training | Piper's VITS ({told["quality"]}), {result.step} steps of {told["batch"]}, seed {told["seed"]} |
| file | {result.onnx.stat().st_size / 1e6:.1f} MB |
| speed | real-time factor {result.factor:.3f} on one thread of the machine that exported it |
| likeness to its data | {alike} |

What was done to the data:

{steps}
"""
