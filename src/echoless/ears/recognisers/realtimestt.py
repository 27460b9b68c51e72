"""RealtimeSTT (Kolja Beigel, MIT): its recorder, with an offline engine of ours as its `transcription_executor`.

The ears cut speech out themselves, so RealtimeSTT's microphone and voice activity stay idle: an utterance goes
straight to the recorder's own final transcription, which brings its prompts, hooks and formatting of text. Needs
torch and PyAudio, therefore an extra; what it says once it is open is the executor's, whatever that is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from echoless.ears.door import Recogniser, RecogniserError, RecogniserTraits
from echoless.frames import Samples, Transcript

EXTRA = "pip install 'echoless[realtimestt]'"
OFFLINE = ("moonshine", "whisper", "sherpa")
"""Engines that can be plugged in: `--recogniser-model moonshine`, `whisper:small`, `sherpa:FOLDER`."""


class Executor:
    """What RealtimeSTT calls to transcribe: `engine` behind its `transcribe(audio, language, use_prompt)`."""

    def __init__(self, engine: Recogniser) -> None:
        self.engine = engine
        self._one = threading.Lock()

    def transcribe(self, audio: Samples, language: str | None = None, use_prompt: bool = True, **_: object) -> Any:
        """RealtimeSTT's result for `audio`, float32 at 16 kHz: `text`, and `info` with the language."""
        with self._one:
            heard = self.engine.transcribe(audio, language)
        sure = heard.confidence if heard.confidence is not None else float(heard.language is not None)
        return SimpleNamespace(
            text=heard.text, info=SimpleNamespace(language=heard.language, language_probability=sure), metadata={}
        )


class RealtimeSTT:
    """One recorder. `on_transcription_start` is called with the audio before each utterance, as RealtimeSTT does."""

    def __init__(
        self,
        engine: Recogniser,
        language: str | None = None,
        on_transcription_start: Callable[[Samples], Any] | None = None,
    ) -> None:
        try:
            from RealtimeSTT import AudioToTextRecorder
        except ImportError as error:
            raise RecogniserError(f"RealtimeSTT cannot be loaded ({error}): {EXTRA}") from None
        code = "" if language in (None, "auto") else str(language)
        try:
            self._recorder = AudioToTextRecorder(
                use_microphone=False,
                spinner=False,
                no_log_file=True,
                device="cpu",
                language=code,
                # Anything else would ask torch's hub for its voice activity model at the first start.
                silero_backend="raw_onnx",
                silero_onnx_threads=1,
                warmup_vad=False,
                transcription_executor=Executor(engine),
                on_transcription_start=on_transcription_start,
                ensure_sentence_ends_with_period=False,
            )
        except Exception as error:
            raise RecogniserError(f"RealtimeSTT did not start: {str(error).splitlines()[0][:200]}") from None
        self._engine = engine
        inner = engine.traits
        self.traits = RecogniserTraits(f"realtimestt-{inner.name}", inner.languages, inner.model, "MIT")

    @property
    def recorder(self) -> Any:
        """RealtimeSTT's own object, for what else it can do."""
        return self._recorder

    def transcribe(self, speech: Samples, language: str | None = None) -> Transcript:
        """Words in `speech`, float32 at 16 kHz, through RealtimeSTT's final transcription."""
        recorder = self._recorder
        if language and language != "auto":
            recorder.language = language
        recorder.audio = speech
        text = recorder.transcribe()
        return Transcript((text or "").strip(), recorder.detected_language or language)

    def close(self) -> None:
        self._recorder.shutdown()
        self._engine.close()


def open_engine(language: str | None = None, model: str = "") -> RealtimeSTT:
    """The engine that `open_recogniser` takes; `model` is `ENGINE` or `ENGINE:ITS-MODEL`, moonshine if empty."""
    from importlib import import_module

    name, _, of_it = (model or "moonshine").partition(":")
    if name not in OFFLINE:
        raise RecogniserError(
            f"RealtimeSTT can run {', '.join(OFFLINE)}, not {name!r}: --recogniser-model whisper:small"
        )
    module = "faster_whisper" if name == "whisper" else name
    engine = import_module(f"echoless.ears.recognisers.{module}").open_engine(language, of_it)
    try:
        return RealtimeSTT(engine, language)
    except RecogniserError:
        engine.close()
        raise
