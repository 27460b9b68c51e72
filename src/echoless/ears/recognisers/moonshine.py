"""Moonshine tiny-en (Jeffries et al., 2024, arXiv:2410.15608): the default, its model inside a wheel; MIT.

Of the wheel only the weights are used: run by onnxruntime from here they give the words of its own engine in
a third of the time, without that engine's voice activity, which carries state from one call to the next and
writes a "You" before short words (docs/log/recognisers.md). `Guarded` looks for speech instead.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from echoless.ears.door import RecogniserError, RecogniserTraits
from echoless.ears.recognisers.tokens import Tokens
from echoless.frames import RATE, Samples, Transcript

WHEEL = "moonshine-voice==0.0.73"
ENCODER, DECODER, TOKENS = "encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin"
EDGE = int(0.1 * RATE)
"""Samples of silence put around the speech: a word that touches the edge loses its first or last sound."""
TOKENS_A_SECOND = 13.0
"""Where the decoder stops. The 6.5 of the model's authors cuts a short word's second syllable off."""
_BEGIN, _END = 1, 2


class Moonshine:
    """Moonshine tiny, English. `model` is a folder with its three files; "" is the one in the wheel. Not reentrant."""

    def __init__(self, model: str = "") -> None:
        folder = Path(model) if model else files()[0].parent
        missing = [name for name in (ENCODER, DECODER, TOKENS) if not (folder / name).is_file()]
        if missing:
            raise RecogniserError(
                f"No moonshine model in {folder} ({', '.join(missing)} missing): pip install --force-reinstall {WHEEL}"
            )
        try:
            self._tokens = Tokens(folder / TOKENS)
            self._encoder, self._decoder = _session(folder / ENCODER), _session(folder / DECODER)
        except Exception as error:
            raise RecogniserError(f"The moonshine model in {folder} cannot be loaded: {error}") from None
        self._options = _run_options()
        self._past = [put for put in self._decoder.get_inputs() if put.name.startswith("past_key_values")]
        self._present = [out.name for out in self._decoder.get_outputs()][1:]
        self.traits = RecogniserTraits("moonshine", ("en",), str(folder), "MIT")

    def transcribe(self, speech: Samples, language: str | None = None) -> Transcript:
        """Words in `speech`, float32 at 16 kHz, at most 60 s. Through `Guarded` only: noise makes it invent words."""
        self._options.terminate = False
        padded = np.pad(speech, EDGE)
        try:
            said = self._decoded(self._encoded(padded), len(padded))
        except Exception:
            if self._options.terminate:
                return Transcript("", "en")
            raise
        return Transcript(self._tokens.text(said), "en")

    def abort(self) -> None:
        """Give up what is being recognised, from any thread: it has no words."""
        self._options.terminate = True

    def close(self) -> None:
        """Let go of the model."""
        del self._encoder, self._decoder

    def _encoded(self, padded: Samples) -> NDArray[np.float32]:
        """What the encoder makes of the sound: (1, frames, 288)."""
        fed = {"input_values": padded[np.newaxis], "attention_mask": np.ones((1, len(padded)), np.int64)}
        (hidden,) = self._encoder.run(None, fed, self._options)
        return hidden

    def _decoded(self, hidden: NDArray[np.float32], samples: int) -> list[int]:
        """The likeliest token after each, until the end or `TOKENS_A_SECOND`. The mask counts `samples`, not frames."""
        fed: dict[str, Any] = {
            "encoder_attention_mask": np.ones((1, samples), np.int64),
            "encoder_hidden_states": hidden,
            "input_ids": np.array([[_BEGIN]], np.int64),
            "use_cache_branch": np.array([False]),
        }
        fed |= {put.name: np.zeros((1, put.shape[1], 0, put.shape[3]), np.float32) for put in self._past}
        said: list[int] = []
        while len(said) < samples / RATE * TOKENS_A_SECOND:
            logits, *present = self._decoder.run(None, fed, self._options)
            token = int(np.argmax(logits[0, -1]))
            if token == _END:
                break
            for name, values in zip(self._present, present, strict=True):
                if not said or ".encoder." not in name:  # those of the sound come only once
                    fed[name.replace("present", "past_key_values", 1)] = values
            said.append(token)
            fed["input_ids"], fed["use_cache_branch"] = np.array([[token]], np.int64), np.array([True])
        return said


def open_engine(language: str | None = None, model: str = "") -> Moonshine:
    """The engine that `open_recogniser` takes. Raises RecogniserError for another language than English."""
    if language and language.split("-")[0].lower() != "en":
        raise RecogniserError(
            f"moonshine understands English only, not {language!r}: "
            "choose --recogniser whisper or sherpa (pip install 'echoless[whisper]' or 'echoless[sherpa]')"
        )
    return Moonshine(model)


def files() -> list[Path]:
    """The model's files in the wheel, of which nothing is run. Raises RecogniserError where there is no wheel."""
    spec = importlib.util.find_spec("moonshine_voice")
    if spec is None or not spec.submodule_search_locations:
        raise RecogniserError(f"Moonshine's model is not here: pip install {WHEEL}")
    folder = Path(spec.submodule_search_locations[0]) / "assets" / "tiny-en"
    return [folder / name for name in (ENCODER, DECODER, TOKENS)]


def _run_options() -> Any:
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.log_severity_level = 4  # what fails is raised; and what is aborted is no failure
    return options


def _session(file: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
