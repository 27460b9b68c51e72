"""Moonshine tiny-en (Jeffries et al., 2024, arXiv:2410.15608): the default, its model inside a wheel; MIT.

Of the wheel only the weights are used: run by onnxruntime from here they give the words of its own engine in
less than half of the time, without that engine's voice activity, which carries state from one call to the next and
writes a "You" before short words (docs/log/recognisers.md). `Guarded` looks for speech instead.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
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
_STOPS = (".", ",", "!", "?")
_HOPELESS = -7.0
"""Log-probability of a first token under which a phrase is not looked at."""
UNLIKELY = -30.0
"""Log-probability of what was not looked at."""


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
        self._spelled: dict[str, Sequence[Sequence[int]]] = {}
        self._ends = [_END, *(self._tokens.numbers(stop, led=False)[0] for stop in _STOPS)]
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

    def likely(self, speech: Samples, phrases: Sequence[str]) -> NDArray[np.float64]:
        """Natural logarithm of the probability that `speech` is written as each of `phrases` and nothing else, however
        capitalised and ended; never under `UNLIKELY`, which all are once it is given up. Through `Guarded` only."""
        try:
            return self._weighed(np.pad(speech, EDGE), phrases)
        except Exception:
            if self._options.terminate:
                return np.full(len(phrases), UNLIKELY)
            raise

    def _weighed(self, padded: Samples, phrases: Sequence[str]) -> NDArray[np.float64]:
        hidden = self._encoded(padded)
        first = _log_softmax(self._step(hidden, np.array([[_BEGIN]]), len(padded))[0, -1])
        found = np.full(len(phrases), UNLIKELY)
        hopeful: dict[int, list[tuple[int, Sequence[int]]]] = {}
        for which, phrase in enumerate(phrases):
            for spelled in self._spellings(phrase):
                if first[spelled[0]] > _HOPELESS:
                    hopeful.setdefault(len(spelled), []).append((which, spelled))
        for rows in hopeful.values():
            fed = np.array([[_BEGIN, *spelled] for _, spelled in rows])
            expected = _log_softmax(self._step(hidden, fed, len(padded)))
            whole = np.take_along_axis(expected[:, :-1], fed[:, 1:, np.newaxis], axis=2).sum(axis=(1, 2))
            ended = np.logaddexp.reduce(expected[:, -1, self._ends], axis=1)
            for (which, _), each in zip(rows, whole + ended, strict=True):
                found[which] = np.logaddexp(found[which], each)
        return np.maximum(found, UNLIKELY)

    def _spellings(self, phrase: str) -> Sequence[Sequence[int]]:
        """The tokens of a phrase, as it is and with a capital."""
        known = self._spelled.get(phrase)
        if known is None:
            both = {phrase, phrase[:1].upper() + phrase[1:]}
            known = self._spelled[phrase] = tuple(tuple(self._tokens.numbers(each)) for each in sorted(both))
        return known

    def _step(self, hidden: NDArray[np.float32], numbers: NDArray[np.int64], samples: int) -> NDArray[np.float32]:
        """What the decoder expects after each token of each row: (rows, tokens, 32768) logits."""
        fed = self._fed(np.repeat(hidden, len(numbers), axis=0), numbers, samples)
        (logits,) = self._decoder.run(["logits"], fed, self._options)
        return logits

    def _fed(self, hidden: NDArray[np.float32], numbers: NDArray[np.int64], samples: int) -> dict[str, Any]:
        """What the decoder takes to begin with. Its mask counts `samples`, not frames."""
        rows = len(numbers)
        fed = {put.name: np.zeros((rows, put.shape[1], 0, put.shape[3]), np.float32) for put in self._past}
        return fed | {
            "encoder_attention_mask": np.ones((rows, samples), np.int64),
            "encoder_hidden_states": hidden,
            "input_ids": numbers.astype(np.int64),
            "use_cache_branch": np.array([False]),
        }

    def close(self) -> None:
        """Let go of the model."""
        del self._encoder, self._decoder

    def _encoded(self, padded: Samples) -> NDArray[np.float32]:
        """What the encoder makes of the sound: (1, frames, 288)."""
        fed = {"input_values": padded[np.newaxis], "attention_mask": np.ones((1, len(padded)), np.int64)}
        (hidden,) = self._encoder.run(None, fed, self._options)
        return hidden

    def _decoded(self, hidden: NDArray[np.float32], samples: int) -> list[int]:
        """The likeliest token after each, until the end or `TOKENS_A_SECOND`."""
        fed = self._fed(hidden, np.array([[_BEGIN]]), samples)
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


def _log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _session(file: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
