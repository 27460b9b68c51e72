"""SenseVoice and Paraformer (Alibaba, 2022-2024) through sherpa-onnx: Mandarin first; Apache-2.0.

A folder as its authors pack it: `tokens.txt` beside `model.int8.onnx` or `model.onnx`. Which of the two models it
is, the ONNX file says itself.
"""

from __future__ import annotations

from pathlib import Path

from echoless.ears.door import RecogniserError, RecogniserTraits
from echoless.ears.onnx import one_thread
from echoless.frames import RATE, Samples, Transcript

EXTRA = "pip install 'echoless[sherpa]'"
SENSE_VOICE = ("zh", "en", "ja", "ko", "yue")
PARAFORMER = ("zh", "en")
_COMMON = {"vocab_size", "lfr_window_size", "lfr_window_shift", "neg_mean", "inv_stddev"}
_OF_SENSE_VOICE = {
    "normalize_samples",
    "with_itn",
    "without_itn",
    "lang_auto",
    *(f"lang_{code}" for code in SENSE_VOICE),
}
"""Metadata without which sherpa-onnx does not go on."""


class Sherpa:
    """`model` is the folder; `language` is fixed for SenseVoice when opened, None detects it."""

    def __init__(self, model: str, language: str | None = None, threads: int = 2) -> None:
        try:
            import sherpa_onnx
        except ImportError:
            raise RecogniserError(f"sherpa-onnx is not installed: {EXTRA}") from None
        network, words = _files(model)
        kind = _kind(network)
        code = language.split("-")[0].lower() if language and language != "auto" else ""
        languages = SENSE_VOICE if kind == "sense_voice" else PARAFORMER
        if code and code not in languages:
            raise RecogniserError(f"The model in {model} knows {', '.join(languages)}, not {language!r}.")
        try:
            if kind == "sense_voice":
                self._engine = sherpa_onnx.OfflineRecognizer.from_sense_voice(
                    model=str(network), tokens=str(words), num_threads=threads, language=code, use_itn=True
                )
            else:
                self._engine = sherpa_onnx.OfflineRecognizer.from_paraformer(
                    paraformer=str(network), tokens=str(words), num_threads=threads
                )
        except Exception as error:
            raise RecogniserError(f"The model in {model} cannot be loaded: {str(error).splitlines()[0]}") from None
        self.traits = RecogniserTraits(f"sherpa-{kind}", languages, str(model), "Apache-2.0")

    def transcribe(self, speech: Samples, language: str | None = None) -> Transcript:
        """Words in `speech`, float32 at 16 kHz, at most 30 s."""
        stream = self._engine.create_stream()
        stream.accept_waveform(RATE, speech)
        self._engine.decode_stream(stream)
        told = str(getattr(stream.result, "lang", "") or "").strip("<|>")
        return Transcript(stream.result.text.strip(), told or language)

    def close(self) -> None:
        del self._engine


def _files(model: str) -> tuple[Path, Path]:
    if not model:
        raise RecogniserError(
            "sherpa needs a SenseVoice or Paraformer model: echoless pull sense-voice, or --recogniser-model FOLDER "
            "(it holds tokens.txt and model.int8.onnx)"
        )
    folder = Path(model)
    network = next((folder / n for n in ("model.int8.onnx", "model.onnx") if (folder / n).is_file()), None)
    if network is None or not (folder / "tokens.txt").is_file():
        raise RecogniserError(f"{folder} holds no sherpa-onnx model: tokens.txt and model.int8.onnx or model.onnx.")
    return network, folder / "tokens.txt"


def _kind(network: Path) -> str:
    """`sense_voice` or `paraformer`, from the file's own metadata.

    Read before sherpa-onnx sees it: given the wrong kind it ends the process instead of raising.
    """
    try:
        about = one_thread(network).get_modelmeta().custom_metadata_map
    except Exception as error:
        raise RecogniserError(f"{network} is not a readable ONNX model: {str(error).splitlines()[0][:160]}") from None
    if set(about) >= _COMMON | _OF_SENSE_VOICE:
        return "sense_voice"
    if set(about) >= _COMMON and not _OF_SENSE_VOICE & set(about):
        return "paraformer"
    raise RecogniserError(f"{network} is neither a SenseVoice nor a Paraformer model made for sherpa-onnx.")


def open_engine(language: str | None = None, model: str = "") -> Sherpa:
    """The engine that `open_recogniser` takes."""
    return Sherpa(model, language)
