"""Moonshine tiny-en (Jeffries et al., 2024, arXiv:2410.15608): the default, its model inside a wheel; MIT.

Of the wheel only the weights are used: run by onnxruntime from here they give the words of its own engine in
less than half of the time, without that engine's voice activity, which carries state from one call to the next and
writes a "You" before short words (docs/log/recognisers.md). `Guarded` looks for speech instead.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from echoless.ears.door import RecogniserError, RecogniserTraits, Sorted
from echoless.ears.recognisers.moonshine_net import END, Network
from echoless.ears.recognisers.short_words import sort
from echoless.ears.recognisers.tokens import Tokens
from echoless.frames import RATE, Samples, Transcript

WHEEL = "moonshine-voice==0.0.73"
ENCODER, DECODER, TOKENS = "encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin"
EDGE = int(0.1 * RATE)
"""Samples of silence put around the speech: a word that touches the edge loses its first or last sound."""
TOKENS_A_SECOND = 13.0
"""Where the decoder stops. The 6.5 of the model's authors cuts a short word's second syllable off."""
_SAME = RATE // 2
"""Samples at the beginning by which a sound is known to be one of before, longer by now."""
_STOPS = (".", ",", "!", "?")
_HOPELESS = -7.0
"""Log-probability of a first token under which a phrase is not looked at."""
_SHORT = 3
"""Tokens of a phrase up to which phrases are looked at together; the longer ones are another batch."""
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
            self._network = Network(folder / ENCODER, folder / DECODER)
        except Exception as error:
            raise RecogniserError(f"The moonshine model in {folder} cannot be loaded: {error}") from None
        self._spelled: dict[str, Sequence[Sequence[int]]] = {}
        self._ends = [END, *(self._tokens.numbers(stop, led=False)[0] for stop in _STOPS)]
        self._heard, self._features = np.zeros(0, np.float32), np.zeros((1, 0, 0), np.float32)
        self._written: tuple[Samples, list[int]] = (self._heard, [])
        self.traits = RecogniserTraits("moonshine", ("en",), str(folder), "MIT")

    def transcribe(self, speech: Samples, language: str | None = None) -> Transcript:
        """Words in `speech`, float32 at 16 kHz, at most 60 s. Through `Guarded` only: noise makes it invent words."""
        self._network.begin()
        padded = np.pad(speech, EDGE)
        before, draft = self._written
        try:
            features, most = self._featured(padded), len(padded) / RATE * TOKENS_A_SECOND
            said = self._network.said(features, len(padded), most, draft if _longer(padded, before) else ())
        except Exception:
            if self._network.aborted:
                return Transcript("", "en")
            raise
        self._written = padded, said
        return Transcript(self._tokens.text(said), "en")

    def abort(self) -> None:
        """Give up what is being recognised, from any thread: it has no words."""
        self._network.abort()

    def likely(self, speech: Samples, phrases: Sequence[str]) -> NDArray[np.float64]:
        """Natural logarithm of the probability that `speech` is written as each of `phrases` and nothing else, however
        capitalised and ended; never under `UNLIKELY`, which all are once it is given up. Through `Guarded` only."""
        try:
            return self._weighed(np.pad(speech, EDGE), phrases)
        except Exception:
            if self._network.aborted:
                return np.full(len(phrases), UNLIKELY)
            raise

    def sort(self, speech: Samples) -> Sorted | None:
        """Command, nod or neither; None once it is given up. Through `Guarded` only."""
        try:
            return sort(self.encoded(speech))
        except Exception:
            if self._network.aborted:
                return None
            raise

    def encoded(self, speech: Samples) -> NDArray[np.float32]:
        """What the encoder makes of `speech`: (frames, 288), some 40 a second."""
        return self._featured(np.pad(speech, EDGE))[0]

    def close(self) -> None:
        """Let go of the model."""
        del self._network

    def _featured(self, padded: Samples) -> NDArray[np.float32]:
        """The encoder's features of a sound; those of the last one are kept, as it is asked about twice."""
        if not np.array_equal(padded, self._heard):
            self._heard = padded[:0]
            self._features = self._network.features(padded)
            self._heard = padded
        return self._features

    def _weighed(self, padded: Samples, phrases: Sequence[str]) -> NDArray[np.float64]:
        first, opened = self._network.opened(self._featured(padded), len(padded))
        found = np.full(len(phrases), UNLIKELY)
        hopeful: dict[bool, list[tuple[int, Sequence[int]]]] = {False: [], True: []}
        for which, phrase in enumerate(phrases):
            for spelled in self._spellings(phrase):
                if first[spelled[0]] > _HOPELESS:
                    hopeful[len(spelled) > _SHORT].append((which, spelled))
        for rows in filter(None, hopeful.values()):
            most = max(len(spelled) for _, spelled in rows)
            fed = np.array([[*spelled, *[END] * (most - len(spelled))] for _, spelled in rows])
            expected = self._network.expected(opened, fed)
            for (which, spelled), after in zip(rows, expected, strict=True):
                whole = first[spelled[0]] + after[np.arange(len(spelled) - 1), list(spelled[1:])].sum()
                ended = np.logaddexp.reduce(after[len(spelled) - 1, self._ends])
                found[which] = np.logaddexp(found[which], whole + ended)
        return np.maximum(found, UNLIKELY)

    def _spellings(self, phrase: str) -> Sequence[Sequence[int]]:
        """The tokens of a phrase, as it is and with a capital."""
        known = self._spelled.get(phrase)
        if known is None:
            both = {phrase, phrase[:1].upper() + phrase[1:]}
            known = self._spelled[phrase] = tuple(tuple(self._tokens.numbers(each)) for each in sorted(both))
        return known


def _longer(sound: Samples, before: Samples) -> bool:
    """Whether `sound` begins as the one before did, and is longer: it is the same turn, some time later."""
    begins = slice(EDGE, EDGE + _SAME)
    return len(sound) > len(before) > EDGE + _SAME and np.array_equal(sound[begins], before[begins])


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
