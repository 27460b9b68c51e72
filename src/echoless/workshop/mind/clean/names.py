"""Names of people in chats: each becomes another name, the same one throughout a source."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace

from echoless.workshop.mind.form import Talk
from echoless.workshop.mind.words import HAN, has_han

_STANDS_IN = {
    False: re.findall(
        r"\S+",
        "Alex Robin Kim Sam Charlie Jamie Morgan Taylor Casey Riley Jordan Avery Quinn Rowan Skyler Finley Emery "
        "Hayden Reese Dakota Sasha Nico Toni Kerry Leslie Tracy Noel Ellis Arden Blair Devon Frankie",
    ),
    True: re.findall(
        r"\S+",
        "小安 小北 小川 小丹 小帆 小刚 小禾 小杰 小可 小蓝 小林 小满 小米 小宁 小鹏 小青 小然 小森 小棠 "
        "小唯 小溪 小雪 小洋 小叶 小宇 小雨 小舟 小卓 阿德 阿东 阿光 阿海 阿康 阿亮 阿明 阿强 阿伟 阿文",
    ),
}
"""Names that people are given, by whether their own is Chinese."""
_NO_NAMES = frozenset(
    re.findall(r"\w+", "me you user assistant agent bot system other unknown admin group family mom dad mum")
)
_WORDS = frozenset(
    re.findall(
        r"\w+",
        "will may mark rose hope grace art bill june april august summer dawn joy faith sunny angel star honey baby "
        "love dear king prince red black white brown green young long rich frank max chance page guy drew",
    )
)
"""Names that are words as well: replaced only where they stand with a capital within a sentence."""


@dataclass
class Names:
    """The stand-ins of one source."""

    source: str
    given: dict[str, str] = field(default_factory=dict)
    replaced: int = 0

    def stand_in(self, name: str) -> str:
        """The other name of somebody, the same each time; nobody else's in this source while there are any left."""
        if name not in self.given:
            choice = _STANDS_IN[has_han(name)]
            first = int.from_bytes(hashlib.sha256(f"{self.source}\0{name}".encode("utf-8", "replace")).digest()[:4])
            taken = set(self.given.values())
            order = [choice[(first + n) % len(choice)] for n in range(len(choice))]
            self.given[name] = next((other for other in order if other not in taken), order[0])
        return self.given[name]

    def replace(self, talk: Talk) -> Talk:
        """The dialogue under other names: as speakers, and where the texts mention them."""
        speakers = {
            part
            for message in talk.messages
            for part in message.speaker.split(" & ")
            if part.strip() and part.casefold() not in _NO_NAMES
        }
        if not speakers:
            return talk
        swaps: dict[str, str] = {}
        for speaker in sorted(speakers):
            other = self.stand_in(speaker)
            swaps |= dict.fromkeys(forms(speaker), other)
        known = re.compile(
            "|".join(
                re.escape(form) if has_han(form) else rf"(?<!\w){re.escape(form)}(?!\w)"
                for form in sorted(swaps, key=len, reverse=True)
            )
        )

        def swap(match: re.Match[str]) -> str:
            name = match.group()
            before = match.string[: match.start()].rstrip()
            if name.lower() in _WORDS and (not before or before[-1] in ".!?\n"):
                return name
            self.replaced += 1
            return swaps[name]

        messages = []
        for message in talk.messages:
            who = " & ".join(self.given.get(part, part) for part in message.speaker.split(" & "))
            messages.append(replace(message, text=known.sub(swap, message.text), speaker=who))
        return replace(talk, messages=tuple(messages))


def forms(name: str) -> list[str]:
    """What people call somebody of this name: the whole of it, its parts, the given name of a Chinese one."""
    bare = re.sub(rf"[^\w\s{HAN}'’-]", " ", name).strip()
    parts = [part for part in bare.split() if len(part) > 2 and not has_han(part) and part[0].isupper()]
    found = [name, *([bare] if bare else []), *parts]
    if re.fullmatch(f"[{HAN}]{{3}}", bare):
        found.append(bare[1:])
    return [form for form in dict.fromkeys(found) if len(form) > 1]
