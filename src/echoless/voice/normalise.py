"""Text as a model writes it → text as a person says it, with the way back.

Rules rewrite the text one after another: what does not sound (markup, emoji, links), then what each language reads
in its own way (numbers, dates, units, abbreviations). Every piece keeps its place in the original text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from echoless.voice import en, markup, zh
from echoless.voice.rewriting import Draft
from echoless.voice.speakable import Speakable, has_cjk

Rules = Sequence[Callable[[Draft], None]]

_LONGEST = 20_000  # characters; more than any reply


def normalise(text: str, language: str = "en") -> Speakable:
    """Speakable form of `text` as a voice of `language` (ISO 639-1) reads it. Never raises.

    Chinese rules apply to a text with Chinese characters whatever the voice, English ones where letters stand; other
    languages get only what does not depend on the language.
    """
    draft = Draft(text[:_LONGEST])
    chinese = language == "zh" or has_cjk(text)
    for rule in markup.RULES:
        rule(draft)
    for rule in zh.RULES if chinese else en.RULES if language == "en" else ():
        rule(draft)
    for rule in markup.LAST:
        rule(draft)
    said = draft.done()
    return said if len(text) <= _LONGEST else Speakable(text, said.spoken, said.spans)
