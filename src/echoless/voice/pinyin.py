"""Mandarin for Piper voices that were trained on pinyin: initial, final and tone of every syllable.

Piper itself asks a large network (g2pW), which it downloads by itself; here the phrase dictionary of `pypinyin`
decides between readings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pypinyin import Style, lazy_pinyin

_INITIALS = ("zh", "ch", "sh", *"bpmfdtnlgkhjqxrzcsyw")
_PAUSES = "。！？，、；：…—.!?,;: "


def phonemes(text: str) -> list[str]:
    """Symbols of Piper's pinyin alphabet; what has no reading (letters of other scripts) is left out."""
    found: list[str] = []
    for syllable in lazy_pinyin(text, style=Style.TONE3, neutral_tone_with_five=True, v_to_u=False):
        if syllable[-1:] in "12345" and syllable[:-1].isalpha() and syllable[:-1].isascii():
            found += _syllable(syllable[:-1], syllable[-1])
        else:
            found += [character for character in syllable if character in _PAUSES]
    return found


def ids(symbols: list[str], alphabet: Mapping[str, Sequence[int]]) -> list[int]:
    """Numbers of the symbols; padding stands after each syllable and pause, not between their symbols."""
    found = [*alphabet["^"]]
    for symbol in symbols:
        found += alphabet.get(symbol, ())
        if symbol in alphabet and (symbol in _PAUSES or symbol in "12345"):
            found += alphabet["_"]
    return [*found, *alphabet["$"]]


def _syllable(base: str, tone: str) -> list[str]:
    initial = next((each for each in _INITIALS if base.startswith(each)), "")
    final = base[len(initial) :]
    if initial in ("j", "q", "x") and final.startswith("u"):
        final = "v" + final[1:]
    return [initial or "Ø", final, tone]
