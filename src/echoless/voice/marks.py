"""Where the words are in sound whose engine does not tell: spread by how long each should take to say."""

from __future__ import annotations

import numpy as np

from echoless.frames import Samples
from echoless.voice.speakable import has_cjk, units

_QUIET = 0.01


def weight(unit: str) -> float:
    """How long a word takes, in characters of English: a Chinese character counts three, punctuation a pause."""
    letters = sum(3.0 if has_cjk(character) else 1.0 for character in unit if character.isalnum())
    pause = 3.0 if unit.rstrip().endswith((",", ";", ":", ".", "!", "?", "，", "。", "；", "：", "！", "？")) else 0.0
    return 0.8 + letters + pause


def spread(text: str, begin: int, end: int) -> tuple[tuple[int, int], ...]:
    """A mark for every unit of `text`, between the samples `begin` and `end`, by weight."""
    spans = units(text)
    if not spans:
        return ((0, begin),)
    weights = np.array([weight(text[b:e]) for b, e in spans])
    starts = begin + (end - begin) * np.concatenate([[0.0], np.cumsum(weights)[:-1]]) / weights.sum()
    return tuple((b, int(start)) for (b, _), start in zip(spans, starts, strict=True))


def spread_over(text: str, samples: Samples) -> tuple[tuple[int, int], ...]:
    """As `spread`, over what is not silence at the edges of `samples`."""
    loud = np.flatnonzero(np.abs(samples) > _QUIET)
    return spread(text, int(loud[0]), int(loud[-1]) + 1) if len(loud) else ((0, 0),)
