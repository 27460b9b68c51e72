"""How well is a voice understood, and how quick is it? Sentences it has not learnt from, heard by a recogniser."""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import soxr
from rapidfuzz.distance import Levenshtein

from echoless.ears.door import Recogniser
from echoless.frames import RATE, Samples
from echoless.mind.scripted import bank
from echoless.voice.door import Voice
from echoless.workshop.voice.check import words
from echoless.workshop.voice.errors import WorkshopError

WORDS = (5, 16)
"""Words (Mandarin: characters) of a sentence that is taken."""
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Judged:
    """One voice. `errors` is the word error rate over all sentences, `spread` the middle 95 % of it when sentences are
    drawn anew; `factor` seconds of computing a second of sound, `first` seconds to the first sound (median)."""

    name: str
    sentences: int
    errors: float
    spread: tuple[float, float]
    factor: float
    first: float


def sentences(language: str, count: int) -> list[str]:
    """Sentences of the agent's own repertoire, always the same ones."""
    parts = [part for reply in bank(language) for part in re.findall(r"[^.!?。！？]+[.!?。！？]", reply)]
    fit = sorted({part.strip() for part in parts if WORDS[0] <= len(words(part)) <= WORDS[1]})
    return random.Random("judge").sample(fit, min(count, len(fit)))


def judge(name: str, voice: Voice, recogniser: Recogniser, language: str, texts: list[str]) -> Judged:
    """Have `voice` say `texts` and hold what is heard against them. Raises WorkshopError where it makes no sound."""
    wrong, count, first = [], [], []
    spent = seconds = 0.0
    for text in texts:
        sound, took, began = _say(voice, text)
        if len(sound) < 0.1 * voice.traits.rate:
            raise WorkshopError(f"{name} makes no sound of {text[:40]!r}")
        spent, seconds = spent + took, seconds + len(sound) / voice.traits.rate
        first.append(began)
        heard = soxr.resample(sound, voice.traits.rate, RATE).astype(np.float32)
        said = words(text)
        wrong.append(Levenshtein.distance(said, words(recogniser.transcribe(heard[: 30 * RATE], language).text)))
        count.append(len(said))
    drawn = np.random.default_rng(0).integers(0, len(texts), (2000, len(texts)))
    rates = np.array(wrong)[drawn].sum(axis=1) / np.array(count)[drawn].sum(axis=1)
    low, high = np.percentile(rates, (2.5, 97.5))
    return Judged(
        name, len(texts), sum(wrong) / sum(count), (float(low), float(high)), spent / seconds, float(np.median(first))
    )


def _say(voice: Voice, text: str) -> tuple[Samples, float, float]:
    """The sound, the seconds of computing, and those of waiting for its first part."""
    begun, clock = _spent(), time.perf_counter()
    chunks, first = [], 0.0
    for chunk in voice.speak(text):
        first = first or time.perf_counter() - clock
        chunks.append(chunk.samples)
    took = _spent() - begun
    return np.concatenate(chunks) if chunks else np.zeros(0, np.float32), took, first


def _spent() -> float:
    """Seconds of computing so far, here and in programs that have ended (flite is one)."""
    return sum(os.times()[:4])


def table(rows: list[Judged]) -> str:
    """For people, in markdown; the one that is understood best comes first."""
    head = ["| voice | sentences | word errors % (95 %) | real-time factor | first sound ms |", "|---|---|---|---|---|"]
    return "\n".join(
        [
            *head,
            *(
                f"| {each.name} | {each.sentences} | {100 * each.errors:.1f} ({100 * each.spread[0]:.1f}-"
                f"{100 * each.spread[1]:.1f}) | {each.factor:.3f} | {1000 * each.first:.0f} |"
                for each in sorted(rows, key=lambda each: each.errors)
            ),
        ]
    )
