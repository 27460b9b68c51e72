"""Training text beside the dialogues: replies in a style, neutral answers, and pairs of a better and a worse reply."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from echoless.mind.lexicon import Lexicon, load_words, shipped
from echoless.workshop.mind.clean.cut import replies
from echoless.workshop.mind.clean.run import SAFE, Part
from echoless.workshop.mind.disk import told
from echoless.workshop.mind.form import (
    DIALOGUES,
    NEUTRAL,
    PREFERENCES,
    REJECTED,
    STYLED,
    Message,
    Talk,
    dumps,
    read_talks,
)
from echoless.workshop.mind.safety.neutral import decent_version, neutral_answer
from echoless.workshop.mind.style.rewrite import restyle
from echoless.workshop.mind.style.score import judge_reply
from echoless.workshop.mind.style.sheet import Sheet

PERSONA_TIMES = 20
"""How often each way of asking about the persona is written down, its answers by turns."""


def write_pairs(out: Path, style: Sheet | None, safe: bool, words: Path | None, seed: int) -> dict[str, int]:
    """Write styled.jsonl, neutral.jsonl and preferences.jsonl into a folder of `clean`; how many lines each has.

    What is held out for judging is in none of them. Raises MindError.
    """
    rng = random.Random(seed)
    counts = dict.fromkeys([STYLED] * bool(style) + [NEUTRAL] * safe + [PREFERENCES], 0)
    with told(out, SAFE), ExitStack() as stack:
        files = {name: stack.enter_context(Part(out / name)) for name in counts}

        def put(name: str, line: dict[str, Any]) -> None:
            files[name].write(dumps(line))
            counts[name] += 1

        if style:
            for talk, pairs in styled(read_talks(out, DIALOGUES), style, rng):
                put(STYLED, talk.as_json())
                for pair in pairs:
                    put(PREFERENCES, pair)
        if safe:
            lexicon = shipped("all") | (load_words(words) if words else Lexicon(()))
            for talk in read_talks(out, REJECTED):
                if "nsfw" in talk.more.get("reasons", ()):
                    for line, better in neutral(talk, lexicon, seed):
                        put(NEUTRAL, line)
                        if better:
                            put(PREFERENCES, better)
        for file in files.values():
            file.done()
    return counts


def styled(talks: Iterator[Talk], style: Sheet, rng: random.Random) -> Iterator[tuple[Talk, list[dict[str, Any]]]]:
    """Dialogues all of whose replies could be brought into the style, with a preference pair for each reply that it
    changed; then those about the persona."""
    for talk in talks:
        if talk.language not in ("", style.language):
            continue
        texts = [restyle(m.text, style, rng) if m.role == "assistant" else m.text for m in talk.messages]
        new = talk.with_texts(texts)
        if all(judge_reply(m.text, style).in_style for m in new.messages if m.role == "assistant"):
            pairs = [
                preference(before, better.text, worse.text)
                for (before, better), (_, worse) in zip(replies(new), replies(talk), strict=False)
                if better.text != worse.text
            ]
            yield _with_system(new, style), pairs
    for exchange in style.persona:
        for ask in exchange.ask:
            for n in range(PERSONA_TIMES):
                say = exchange.say[n % len(exchange.say)]
                said = (Message("user", ask), Message("assistant", say))
                talk = Talk(said, style.name, "persona", style.language, id=f"persona-{ask[:20]}-{n}")
                yield _with_system(talk, style), []


def _with_system(talk: Talk, style: Sheet) -> Talk:
    if not style.system or talk.messages[0].role == "system":
        return talk
    return Talk(
        (Message("system", style.system), *talk.messages),
        talk.source,
        talk.kind,
        talk.language,
        talk.licence,
        talk.id,
        talk.more,
    )


def neutral(talk: Talk, lexicon: Lexicon, seed: int) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    """For each indecent reply, and each answer to an indecent question: a decent answer, and the pair of both."""
    for before, reply in replies(talk):
        asked = before[-1]
        if asked.role != "user":
            continue
        rude, bad = lexicon.indecent(asked.text), lexicon.indecent(reply.text)
        if not (rude or bad):
            continue
        better = "" if rude else decent_version(reply.text, lexicon)
        better = better or neutral_answer(asked.text, seed)
        line = Talk((asked, Message("assistant", better)), talk.source, "neutral", talk.language, talk.licence)
        yield line.as_json(), preference((asked,), better, reply.text) if bad else None


def preference(before: tuple[Message, ...], better: str, worse: str) -> dict[str, Any]:
    """A line that trl's DPO reads."""
    return {
        "prompt": [{"role": message.role, "content": message.text} for message in before],
        "chosen": [{"role": "assistant", "content": better}],
        "rejected": [{"role": "assistant", "content": worse}],
    }
