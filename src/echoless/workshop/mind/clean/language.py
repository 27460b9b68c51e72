"""Which language a dialogue is in: its script says so, or py3langid does."""

from __future__ import annotations

import re

from echoless.workshop.mind.text import need
from echoless.workshop.mind.words import HAN

ENOUGH = 24
"""Letters below which an alphabet's language is not guessed."""
_HAN = re.compile(f"[{HAN}]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_HANGUL = re.compile(r"[\uac00-\ud7af]")


def language_of(text: str) -> str:
    """ISO 639-1, empty where the text is too short to tell. `zh` is Chinese in either script; Chinese with English
    words in it is Chinese as soon as a quarter of what is said is."""
    text = text[:4000]
    letters = sum(c.isalpha() for c in text)
    han, kana, hangul = (len(form.findall(text)) for form in (_HAN, _KANA, _HANGUL))
    if hangul > 0.3 * max(1, letters):
        return "ko"
    if kana > 0.1 * max(1, han + kana) and han + kana > 0.3 * max(1, letters):
        return "ja"
    words = len(re.findall(r"[^\W\d_]+", _HAN.sub(" ", text)))
    if han > 1 and han > 0.33 * words:
        return "zh"
    if letters < ENOUGH:
        return ""
    return str(need("py3langid").classify(text)[0])
