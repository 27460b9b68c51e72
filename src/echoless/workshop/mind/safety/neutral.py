"""What to say instead: an indecent reply without what is indecent in it, or a neutral answer."""

from __future__ import annotations

import random
import re

from echoless.mind.lexicon import Lexicon
from echoless.workshop.mind.words import has_han, units

ANSWERS = {
    "en": (
        "I'd rather not talk like that. What else is on your mind?",
        "Let's keep it friendly. What would you like to talk about?",
        "That's not something I say. Shall we talk about something else?",
        "I'll leave that one out. How was your day?",
        "Not my kind of topic. Tell me something about your week.",
        "I won't go there, but I'm happy to talk about nearly anything else.",
        "Let's put that another way.",
        "I'd like to keep this pleasant for both of us. What are you up to today?",
        "That sounds like you're upset. Do you want to tell me what happened?",
        "I'm not the right one for that. Is there anything else I can do?",
    ),
    "zh": (
        "这种话我就不说了，聊点别的吧。",
        "我们好好说话吧，你想聊什么？",
        "这个话题不适合我，换一个好吗？",
        "这个就算了。你今天过得怎么样？",
        "这个我不聊，别的都可以。",
        "换个说法吧。",
        "我们轻松一点，你最近在忙什么？",
        "听起来你有点生气，愿意说说发生了什么吗？",
        "这方面我帮不上忙，还有别的事吗？",
        "不说这个，说说你喜欢的东西吧。",
    ),
}
"""Neutral answers, in turn by chance."""
_PARTS = re.compile(r"[^.!?…。！？\n]+[.!?…。！？\n]*[\"'”’」』)]*\s*")

_ASKED = re.compile(r"(?i)\b(what|who|where|why|how|when) the\s*$")
"""What stands before the word in `what the ... is that`."""


def decent_version(reply: str, lexicon: Lexicon) -> str:
    """The reply without its indecent words where most of a sentence is left then, else without the sentence; empty
    where nothing is left."""
    parts = []
    for part in _PARTS.findall(reply):
        found = [find for find in lexicon.finds(part) if find.strong or lexicon.indecent(reply)]
        if not found:
            parts.append(part)
            continue
        bare = part
        for find in reversed(found):
            bare = _ASKED.sub(r"\1", bare[: find.start]) + bare[find.end :]
        if len(units(bare)) >= max(2, 0.6 * len(units(part))):
            parts.append(_tidied(bare, part))
    return "".join(parts).strip()


def _tidied(bare: str, was: str) -> str:
    bare = re.sub(r"\s+([,.!?;:])", r"\1", re.sub(r"[^\S\n]{2,}", " ", bare))
    bare = re.sub(r"^[\s,;:，、；：]+", "", bare)
    bare = re.sub(r"\b([Aa])n (?=[bcdfgjklmnpqrstvwxyz])", r"\1 ", re.sub(r"\b([Aa]) (?=[aeio])", r"\1n ", bare))
    return bare[:1].upper() + bare[1:] if was.lstrip()[:1].isupper() else bare


def neutral_answer(prompt: str, seed: int = 0) -> str:
    """A neutral answer in the language of what was said, the same one each time."""
    answers = ANSWERS["zh" if has_han(prompt) else "en"]
    return random.Random(f"{seed} {prompt}").choice(answers)
