"""Moonshine tiny-en (Jeffries et al., 2024, arXiv:2410.15608): the default, its model inside the wheel; MIT.

Its own voice activity stays off: it carries state from one call to the next, which writes a "You" before short
words and costs words elsewhere (docs/log/recognisers.md). `Guarded` looks for speech instead.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from echoless.ears.door import RecogniserError, RecogniserTraits
from echoless.frames import RATE, Samples, Transcript

MODEL = "tiny-en"
EDGE = int(0.1 * RATE)
"""Samples of silence put around the speech: a word that touches the edge loses its first or last sound."""
TOKENS_A_SECOND = 13.0
"""Where the decoder stops. Its own 6.5 cuts a short word's second syllable off."""
ONE_THREAD = "MOONSHINE_ORT_SINGLE_THREAD"
"""Its only switch for threads, an environment variable. Its pool waits by spinning: as many words took as long without
it where a processor was free, and where none was, two thirds of the processor time and half of the wait."""


class Moonshine:
    """Moonshine tiny, English. `model` is a folder with its three files; '' takes the one in the wheel."""

    def __init__(self, model: str = "") -> None:
        try:
            from moonshine_voice.moonshine_api import ModelArch
            from moonshine_voice.transcriber import Transcriber
            from moonshine_voice.utils import get_model_path
        except (ImportError, OSError) as error:
            raise RecogniserError(
                f"moonshine cannot be loaded ({error}): pip install moonshine-voice==0.0.73"
            ) from None
        folder = Path(model) if model else Path(get_model_path(MODEL))
        missing = [n for n in ("encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin")
                   if not (folder / n).is_file()]  # fmt: skip
        if missing:
            # Its own loader would go on to a downloader; nothing is fetched without being asked for.
            raise RecogniserError(f"No moonshine model in {folder} ({', '.join(missing)} missing): "
                                  "pip install --force-reinstall moonshine-voice==0.0.73")  # fmt: skip
        options = {"vad_threshold": "0.0", "vad_max_segment_duration": "60", "return_audio_data": "false",
                   "identify_speakers": "false", "max_tokens_per_second": str(TOKENS_A_SECOND)}  # fmt: skip
        os.environ.setdefault(ONE_THREAD, "1")
        try:
            self._engine = Transcriber(str(folder), ModelArch.TINY, options=options)
        except Exception as error:
            raise RecogniserError(f"The moonshine model in {folder} cannot be loaded: {error}") from None
        self.traits = RecogniserTraits("moonshine", ("en",), str(folder), "MIT")

    def transcribe(self, speech: Samples, language: str | None = None) -> Transcript:
        """Words in `speech`, float32 at 16 kHz, at most 60 s. Through `Guarded` only: noise makes it invent words."""
        edge = np.zeros(EDGE, np.float32)
        padded = np.concatenate([edge, speech, edge])
        lines = self._engine.transcribe_without_streaming(padded.tolist(), RATE).lines
        return Transcript(" ".join(line.text.strip() for line in lines).strip(), "en")

    def close(self) -> None:
        self._engine.close()


def open_engine(language: str | None = None, model: str = "") -> Moonshine:
    """The engine that `open_recogniser` takes. Raises RecogniserError for another language than English."""
    if language and language.split("-")[0].lower() != "en":
        raise RecogniserError(
            f"moonshine understands English only, not {language!r}: "
            "choose --recogniser whisper or sherpa (pip install 'echoless[whisper]' or 'echoless[sherpa]')"
        )
    return Moonshine(model)
