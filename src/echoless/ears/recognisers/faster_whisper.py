"""Whisper (Radford et al., 2022) through faster-whisper and CTranslate2: ninety-nine languages, Mandarin too; MIT."""

from __future__ import annotations

from pathlib import Path

from echoless.ears.door import RecogniserError, RecogniserTraits
from echoless.frames import Samples, Transcript

EXTRA = "pip install 'echoless[whisper]'"
DEFAULT = "base"
SIMPLIFIED = "以下是普通话的句子。"
"""Said to have gone before: without it Whisper writes Mandarin in either script, as the sentence falls."""


class FasterWhisper:
    """`model` is a folder in CTranslate2's format, or a size (`base`, `small`, ...) that was pulled before.

    Nothing is downloaded here. `language` None lets the model detect it at every utterance.
    """

    def __init__(self, model: str = "", language: str | None = None, threads: int = 2) -> None:
        try:
            from faster_whisper import WhisperModel
        except ImportError:
            raise RecogniserError(f"faster-whisper is not installed: {EXTRA}") from None
        name = model or DEFAULT
        if Path(name).is_dir() and not (Path(name) / "model.bin").is_file():
            raise RecogniserError(f"{name} holds no Whisper model for faster-whisper: model.bin is missing.")
        try:
            # int8 halves memory and time on a CPU; CTranslate2 itself falls back where a device cannot.
            self._engine = WhisperModel(name, compute_type="int8", cpu_threads=threads, local_files_only=True)
        except Exception as error:  # its loaders raise whatever their libraries do
            why = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise RecogniserError(
                f"The Whisper model {name!r} cannot be loaded ({why}): give the folder of a CTranslate2 model with "
                "--recogniser-model, or fetch one first: echoless pull whisper-base"
            ) from None
        languages = ("en",) if not self._engine.model.is_multilingual else ()
        self.language = language
        self.traits = RecogniserTraits("whisper", languages, name, "MIT")

    def transcribe(self, speech: Samples, language: str | None = None) -> Transcript:
        """Words in `speech`, float32 at 16 kHz, at most 30 s."""
        code = _code(language or self.language)
        segments, about = self._engine.transcribe(
            speech,
            language=code,
            initial_prompt=SIMPLIFIED if code == "zh" else None,
            beam_size=1,
            temperature=0.0,  # its default tries up to six times, hotter each time: slower and never the same
            condition_on_previous_text=False,
            without_timestamps=True,
            vad_filter=False,
        )
        # Whisper marks what it believes to be no speech; its text there is invented.
        said = [each for each in segments if each.no_speech_prob < 0.8 or each.avg_logprob > -0.5]
        return Transcript(" ".join(each.text.strip() for each in said).strip(), about.language)

    def close(self) -> None:
        self._engine.model.unload_model()


def _code(language: str | None) -> str | None:
    return language.split("-")[0].lower() if language and language != "auto" else None


def open_engine(language: str | None = None, model: str = "") -> FasterWhisper:
    """The engine that `open_recogniser` takes."""
    return FasterWhisper(model, language)
