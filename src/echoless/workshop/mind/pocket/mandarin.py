"""What the lines need to know of Mandarin: no spaces, no articles, and how recognisers write what people say."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from typing import ClassVar

FILLERS = (
    *("嗯，", "那个，", "呃，", "哎，", "对了，", "诶，", "喂，", "就是", "你好，", "那", "那么，", "其实", "话说"),
    *("我说，", "哈喽，", "请问", "哎呀，", "嘿，", "不过", "然后"),
)
TAILS = ["啊", "呀", "呢", "吧", "哦", "啦", "嘛", "哈", "了", "呗"]
ASKS = re.compile(r"[吗呢么谁哪几咋]|多少|什么|怎么|怎样|为啥|干嘛|(\w)不\1|(\w)没\2|是不是|有没有|没有$")
SPACE = re.compile(r"(?<=[\u3000-\u9fff\uff00-\uffef]) +| +(?=[\u3000-\u9fff\uff00-\uffef])")
DIGITS = "零一二三四五六七八九"
ALIKE = {
    "她": "他",
    "他": "她",
    "它": "他",
    "的": "得",
    "得": "的",
    "在": "再",
    "再": "在",
    "做": "作",
    "想": "像",
    "吗": "嘛",
    "那": "哪",
    "是": "事",
    "有": "又",
    "里": "理",
    "会": "回",
    "话": "画",
    "心": "新",
    "听": "停",
    "要": "药",
    "课": "客",
}


def spoken(number: int) -> str:
    """A number from 0 to 100 in words."""
    if number == 100:
        return "一百"
    tens, ones = divmod(number, 10)
    if not tens:
        return DIGITS[ones]
    return (DIGITS[tens] if tens > 1 else "") + "十" + (DIGITS[ones] if ones else "")


class Mandarin:
    """See tongue.Tongue."""

    space = ""
    prefaces: Sequence[str] = (
        *("你好。", "嗨。", "谢谢。", "好的。", "嗯。", "哦。", "不错。", "好。"),
        *("行。", "不好意思。", "对。", "不是。", "哇。", "真的吗？", "哈哈。", "是吗？"),
    )
    greetings: Sequence[str] = ("你好！?talk", "你好，我在听。?day", "你好！")
    named = re.compile(r"(我是|我叫|叫我) ?Echoless")
    jumble: Sequence[str] = ("thing", "animal", "food", "place", "item", "topic", "hobby", "color")
    words: ClassVar[dict[str, tuple[str, ...]]] = {
        "plus": ("加", "加上"),
        "minus": ("减", "减去"),
        "times": ("乘", "乘以"),
        "through": ("除以",),
    }

    spoken = staticmethod(spoken)

    @staticmethod
    def plural(word: str) -> str:
        """Nouns do not change."""
        return word

    def finish(self, text: str) -> str:
        """An expanded line, its spaces only where Latin letters meet them."""
        return SPACE.sub("", " ".join(text.split()))

    def pieces(self, text: str) -> list[str]:
        """Bits of one to three characters, Latin words whole."""
        return re.findall(r"[A-Za-z]+|[\u3400-\u9fff]{1,3}", text)

    def swap(self, text: str, same: dict[str, list[str]], rng: random.Random) -> str:
        """`text` with one word put in other words of the same meaning, where `same` knows some."""
        found = [word for word in same if word in text]
        if not found:
            return text
        word = rng.choice(found)
        return text.replace(word, rng.choice(same[word]), 1)

    def as_written(self, text: str, rng: random.Random, kept: Iterable[str] = ()) -> str:
        """A user's line as recognisers write it: with stops or bare; sometimes with slips of the tongue or the ear, but
        not in the characters `kept`."""
        asked = bool(ASKS.search(text))
        if len(text) > 4 and rng.random() < 0.05:
            place = rng.randrange(len(text))
            if text[place] not in "".join(kept):
                text = text[:place] + text[place + 1 :]
        if rng.random() < 0.04:
            place = rng.randrange(len(text))
            text = text[:place] + text[place] + text[place:]
        heard = [n for n, sign in enumerate(text) if sign in ALIKE]
        if heard and rng.random() < 0.03 and text[place := rng.choice(heard)] not in "".join(kept):
            text = text[:place] + ALIKE[text[place]] + text[place + 1 :]
        if rng.random() < 0.12:
            text = rng.choice(FILLERS) + text
        if len(text) > 2 and text[-1] not in "吗呢吧啊呀了" and rng.random() < 0.12:
            text += rng.choice(TAILS)
        if rng.random() < 0.4:
            return re.sub(r"[^\w]+", " " if rng.random() < 0.2 else "", text).strip() or text
        return text if text[-1] in "。！？" else text + ("？" if asked else "！" if rng.random() < 0.1 else "。")

    def cut_off(self, text: str, rng: random.Random) -> str:
        """What was heard of a reply that the user broke into: its first characters."""
        return text[: rng.randint(1, max(1, len(text) - 1))].strip()
