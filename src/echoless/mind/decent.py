"""The reply filter: a sentence that is not decent is not said; a neutral one is said in its place.

It looks at whole sentences on their way to the voice, so it costs what a search through a sentence costs (microseconds)
and holds nothing back.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable

from echoless.mind.lexicon import Lexicon
from echoless.mind.sentences import SentenceBuffer

INSTEAD = {
    "en": ("I'd rather put that another way.", "Let's talk about something else.", "I'll leave that out."),
    "zh": ("这个我换个说法吧。", "我们聊点别的吧。", "这个就不说了。"),
}
"""What is said in the place of a sentence, in turn."""


class ReplyFilter:
    """What may be said. `reply` is asked once a reply, and what it gives once a sentence."""

    def __init__(self, lexicon: Lexicon, instead: tuple[str, ...] = INSTEAD["en"]) -> None:
        """`instead`: neutral sentences, said in turn."""
        self.lexicon = lexicon
        self.replaced = 0
        """Sentences that were not said."""
        self._instead = itertools.cycle(instead)
        lexicon.finds("warm")  # compiles the lists now, not within a reply

    def reply(self) -> Callable[[str], str]:
        """A new reply begins: sentence → what is said in its place. That is itself as a rule; a neutral one for the
        first that is not decent; nothing for those after it."""
        neutral_said = False

        def say(sentence: str) -> str:
            nonlocal neutral_said
            if not self.lexicon.indecent(sentence):
                return sentence
            self.replaced += 1
            if neutral_said:
                return ""
            neutral_said = True
            return next(self._instead) + sentence[len(sentence.rstrip()) :]

        return say


async def decently(pieces: AsyncIterator[str], decent: ReplyFilter) -> AsyncIterator[str]:
    """A reply in writing, sentence by sentence through the filter."""
    buffer, say = SentenceBuffer(), decent.reply()
    async for piece in pieces:
        for sentence in buffer.feed(piece):
            yield say(sentence.text)
    for sentence in buffer.flush():
        yield say(sentence.text)
