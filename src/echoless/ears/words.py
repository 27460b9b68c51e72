"""Words in any language: counted, compared, and matched by sound against the words that were being played.

A word is a run of letters or digits; in scripts without spaces (Han, kana) every character counts as one, so that
nothing here ever depends on `split()`. Sound keys are Metaphone (Philips, 1990) for Latin script, toneless pinyin
with the usual mergers (zh=z, n=l, ing=in) for Mandarin.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import jellyfish
from num2words import num2words
from pypinyin import lazy_pinyin
from rapidfuzz.distance import Indel

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_KANA = "\u3041-\u309f\u30a1-\u30ff"
_TOKEN = re.compile(rf"[{_HAN}{_KANA}]|(?:(?![{_HAN}{_KANA}])[^\W_])+(?:'(?:(?![{_HAN}{_KANA}])[^\W_])+)*")
_IS_HAN = re.compile(f"[{_HAN}]")
_CLOSE_END, _CLOSE_BEGIN = re.compile(f"[{_HAN}。，！？；：、…]$"), re.compile(f"[{_HAN}]")
"""Where texts in Chinese meet."""
_LIGHT_LINE = "a an and the to of in on at is it i you he she we they that this for be was as or so do"
_LIGHT = frozenset(_LIGHT_LINE.split())
_HAN_LIGHT = frozenset("的了是我你他她它在有不一个这那就也和")
_MERGED = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("ang", "an"), ("eng", "en"), ("ing", "in"))
_HAN_DIGITS = dict(zip("0123456789", "零一二三四五六七八九", strict=True))

Played = tuple[str, float, float]
"""A word and the seconds of audio time at which it began and ended at the loudspeaker."""


def spans(text: str) -> list[tuple[str, int, int]]:
    """Each word of `text`, in lower case, with the offsets at which it begins and ends there."""
    return [(_plain(found.group()), *found.span()) for found in _TOKEN.finditer(text.replace("’", "'"))]


def tokens(text: str) -> list[str]:
    """The words of `text` in lower case and without punctuation; each Han or kana character is one."""
    return [word for word, _, _ in spans(text)]


def units(text: str) -> int:
    """How many words `text` has; Mandarin counts characters."""
    return sum(1 for _ in _TOKEN.finditer(text.replace("’", "'")))


def normal(text: str) -> str:
    """`text` for comparing: lower case, no punctuation, one space between words, none between Han characters."""
    words = tokens(text)
    gaps = ["" if _IS_HAN.match(a) and _IS_HAN.match(b) else " " for a, b in pairwise(words)]
    return "".join(word + gap for word, gap in zip(words, [*gaps, ""], strict=True))


def is_han(text: str) -> bool:
    """Whether `text` holds any Han character."""
    return _IS_HAN.search(text) is not None


def joined(parts: Sequence[str]) -> str:
    """Stretches of what somebody said as one text: with a blank between them, but not between Han characters."""
    text = ""
    for part in filter(None, parts):
        apart = text and not (_CLOSE_END.search(text) and _CLOSE_BEGIN.match(part))
        text += f" {part}" if apart else part
    return text


@lru_cache(maxsize=4096)
def sound(word: str) -> str:
    """What `word`, a token, sounds like: Metaphone in lower case, or merged toneless pinyin."""
    return sounds((word,))[0]


def sounds(words: Sequence[str]) -> list[str]:
    """The sound keys of a run of tokens. Han characters are read in their context (行 in 银行 is hang)."""
    if any(_IS_HAN.match(word) for word in words):
        words = [_HAN_DIGITS.get(word, word) for word in words]
    keys = [_latin_sound(word) if not _IS_HAN.match(word) else "" for word in words]
    han = [place for place, key in enumerate(words) if _IS_HAN.match(key)]
    # A word in between breaks the context, as it does for a reader.
    runs: list[list[int]] = []
    for place in han:
        if runs and runs[-1][-1] == place - 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    for run in runs:
        readings = lazy_pinyin("".join(words[place] for place in run))
        for place, pinyin in zip(run, readings, strict=True):
            keys[place] = _merged(pinyin)
    return keys


def alike(a: str, b: str) -> float:
    """How much two tokens sound and look alike, 0..1; over `ALIKE` they may be one word heard differently."""
    if a == b:
        return 1.0
    if bool(_IS_HAN.match(a)) != bool(_IS_HAN.match(b)):
        return 0.0
    return _similarity(a, sound(a), b, sound(b))


def alike_in_one(these: Sequence[str], those: Sequence[str]) -> float:
    """The same for two runs of tokens in Latin script, each taken as one word."""
    return _likeness("".join(these), "".join(sounds(these)), "".join(those), "".join(sounds(those)))


ALIKE = 0.65


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    key: str
    weight: float
    begin: float
    end: float


def echo_share(
    heard: str,
    played: Sequence[Played],
    begin: float,
    end: float,
    *,
    delay: tuple[float, float] = (0.0, 0.6),
    slack: float = 0.5,
) -> float:
    """The share, 0..1, of the words in `heard` that were being played just then and in that order.

    `begin` and `end` are the seconds of audio time at which the microphone heard them; `delay` is the least and the
    most that an echo may take, `slack` how far a word's place inside `heard` (spread evenly) may be off. Words count
    by how much they say: `the` little, `museum` much. A user who quotes the agent after it has gone on is outside
    the window: nothing of it counts. 0.0 for an empty `heard`.
    """
    ears = _timed(heard, begin, end)
    slack = max(slack, 0.25 * (end - begin))
    first, last = begin - delay[1] - slack, end - delay[0] + slack
    near = [each for each in played if each[2] >= first and each[1] <= last]
    voice = [word for text, t0, t1 in near for word in _timed(text, t0, t1)]
    total = sum(word.weight for word in ears)
    if not total or not voice:
        return 0.0
    return min(1.0, _aligned(ears, voice, delay, slack) / total)


def _aligned(ears: list[_Word], voice: list[_Word], delay: tuple[float, float], slack: float) -> float:
    """The greatest weight of heard words that match played ones in order; one may match two run together."""

    def in_time(said: _Word, until: _Word, heard: _Word, last: _Word) -> bool:
        return said.begin + delay[0] - slack <= last.end and until.end + delay[1] + slack >= heard.begin

    best = [[0.0] * (len(voice) + 1) for _ in range(len(ears) + 1)]
    for i in range(1, len(ears) + 1):
        for j in range(1, len(voice) + 1):
            top = max(best[i - 1][j], best[i][j - 1])
            for m, n in ((1, 1), (1, 2), (2, 1)):
                if m > i or n > j:
                    continue
                these, those = ears[i - m : i], voice[j - n : j]
                if not in_time(those[0], those[-1], these[0], these[-1]):
                    continue
                match = _match(these, those)
                if match >= ALIKE:
                    top = max(top, best[i - m][j - n] + match * sum(word.weight for word in these))
            best[i][j] = top
    return best[-1][-1]


def _match(these: list[_Word], those: list[_Word]) -> float:
    a, b = "".join(w.text for w in these), "".join(w.text for w in those)
    if a == b:
        return 1.0
    if is_han(a) != is_han(b) or (is_han(a) and len(these) + len(those) > 2):
        return 0.0
    return _similarity(a, "".join(w.key for w in these), b, "".join(w.key for w in those))


def _similarity(a: str, a_key: str, b: str, b_key: str) -> float:
    if _IS_HAN.match(a):
        keys = Indel.normalized_similarity(a_key, b_key)
        return keys if keys == 1.0 else 0.8 * keys
    return _likeness(_spelled(a), a_key, _spelled(b), b_key)


def _likeness(a: str, a_key: str, b: str, b_key: str) -> float:
    """Half by spelling, half by sound."""
    return 0.5 * Indel.normalized_similarity(a, b) + 0.5 * Indel.normalized_similarity(a_key, b_key)


def _timed(text: str, begin: float, end: float) -> list[_Word]:
    """The words of `text` with their sounds, spread over `begin` to `end` by length."""
    words = tokens(text)
    keys = sounds(words)
    sizes = [1.0 + (0.0 if _IS_HAN.match(word) else len(word)) for word in words]
    whole = sum(sizes) or 1.0
    timed, at = [], begin
    for word, key, size in zip(words, keys, sizes, strict=True):
        until = at + (end - begin) * size / whole
        timed.append(_Word(word, key, _weight(word), at, until))
        at = until
    return timed


def _weight(word: str) -> float:
    if _IS_HAN.match(word):
        return 0.4 if word in _HAN_LIGHT else 1.0
    return 0.3 if word in _LIGHT else min(len(word), 6) / 4


def _plain(word: str) -> str:
    return unicodedata.normalize("NFKC", word).casefold()


@lru_cache(maxsize=4096)
def _spelled(word: str) -> str:
    """`word` as it is said, if it is a number: recognisers write digits where the text had words, and back."""
    if not (word.isascii() and word.isdecimal() and len(word) <= 12):
        return word
    return str(num2words(int(word))).replace("-", "").replace(" ", "").replace(",", "")


@lru_cache(maxsize=4096)
def _latin_sound(word: str) -> str:
    word = _spelled(word)
    return jellyfish.metaphone(word.replace("'", "")).lower().replace(" ", "") or word


def _merged(pinyin: str) -> str:
    for whole, part in _MERGED:
        pinyin = pinyin.replace(whole, part)
    return "l" + pinyin[1:] if pinyin.startswith("n") and len(pinyin) > 1 else pinyin
