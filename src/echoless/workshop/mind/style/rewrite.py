"""Replies put into a style, by rule: words swapped, sentences shortened, particles and openers added."""

from __future__ import annotations

import random
import re

from echoless.workshop.mind.style.score import judge_reply
from echoless.workshop.mind.style.sheet import Sheet
from echoless.workshop.mind.words import finder, has_han, units

_PARTS = re.compile(r"[^.!?…。！？\n]+[.!?…。！？\n]*[\"'”’」』)]*\s*")
_CLAUSES = re.compile(r"[^,;:，；：、—]+[,;:，；：、—]*\s*")
_PARTICLES = "啊吧呢吗嘛呀哦啦喔哈哇咯呗的了"
"""After these a sentence takes no other particle (了啦 is one of the exceptions, 的啦 another)."""
_NO_PARTICLE = re.compile(r"(?:再见|谢谢你?|不客气|你好|您好|是|好|对|嗯|[A-Za-z0-9])$")


def restyle(reply: str, style: Sheet, rng: random.Random) -> str:
    """The reply in the style where the rules can bring it there; whether they did, `judge_reply` tells."""
    if style.words.instead:
        swaps = {word.lower(): other for word, other in style.words.instead.items()}
        reply = finder(style.words.instead).sub(
            lambda m: _cased(m.group(), swaps[" ".join(m.group().lower().split())]), reply
        )
    parts = [part for part in _PARTS.findall(reply) if re.search(r"\w", part)]
    if style.sentences.longest:
        parts = [short for part in parts for short in _shortened(part, style.sentences.longest)]
    if style.sentences.most:
        parts = parts[: style.sentences.most]
    particles = style.particles
    if (particles.statement or particles.question) and parts and rng.random() < particles.share:
        parts = _with_particle(parts, style, rng)
    reply = "".join(parts).strip()
    if style.words.openers and not judge_reply(reply, style).in_style:
        opener = rng.choice(style.words.openers)
        gap = "" if has_han(opener[:1]) or opener[-1:] in "，。！" else " "
        reply = f"{opener}{gap}{_lowered(reply, opener)}"
    return reply


def _cased(old: str, new: str) -> str:
    return new[:1].upper() + new[1:] if old[:1].isupper() else new


def _lowered(reply: str, opener: str) -> str:
    """The reply as it goes on after an opener that ends in a comma."""
    first = reply.split(" ", 1)[0]
    keep = opener[-1:] not in ",，" or first in ("I", "I'm", "I'd", "I'll", "I've") or first[1:] != first[1:].lower()
    return reply if keep else reply[:1].lower() + reply[1:]


def _shortened(sentence: str, longest: int) -> list[str]:
    """A sentence cut at its commas into ones that are short enough; what has none stays as it is."""
    if len(units(sentence)) <= longest:
        return [sentence]
    han = has_han(sentence)
    pieces, lines = [""], _CLAUSES.findall(sentence)
    for clause in lines:
        if pieces[-1] and len(units(pieces[-1] + clause)) > longest:
            pieces.append(clause)
        else:
            pieces[-1] += clause
    if len(pieces) == 1:
        return pieces
    ended = [re.sub(r"[\s,;:，；：、—]+$", "。" if han else ". ", piece) for piece in pieces[:-1]]
    return [_cased("A", piece) for piece in (*ended, pieces[-1])]


def _with_particle(parts: list[str], style: Sheet, rng: random.Random) -> list[str]:
    """One sentence of the reply, the last that can, ends with a particle."""
    for place in reversed(range(len(parts))):
        body, end = re.fullmatch(r"(.*?)([\W_]*)", parts[place], re.DOTALL).groups()  # type: ignore[union-attr]
        asked = "？" in end or "?" in end
        choice = style.particles.question if asked else style.particles.statement
        if choice and len(units(body)) > 2 and has_han(body[-1:]) and not _NO_PARTICLE.search(body):
            bare = body[:-1] if body[-1] in _PARTICLES and body[-1] not in "的了" else body
            if asked and bare.endswith("吗"):
                continue
            parts[place] = f"{bare}{rng.choice(choice)}{end}"
            break
    return parts
