"""Who says what when: the conversations of the suite's families, as keys of a script."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from echoless.rooms.cast import Drawn, drawn
from echoless.rooms.people import People, Recording
from echoless.rooms.throats import Throats

Keys = dict[str, Any]

PAUSE = 0.25
"""Seconds between two sentences of the agent, about."""
TURNS = (1.0, 17.5, 34.0)
"""Seconds at which questions are asked where asides come by the clock: held breath splits bursts, so that the number
of a burst says little there."""
EVERY = 25.0
"""Seconds from question to question of an endless conversation."""
ASIDES = (1.9, 3.7)
"""Seconds from a question's end to the asides into its answer: none so late that the shortest reply could end within
the time in which an agent may stop for it."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a conversation is made of."""

    people: People
    throats: Throats
    made: dict[str, list[Path]]
    seconds: float
    seed: int
    """The case's own: it draws the agent's voice."""


def usual(draw: random.Random, stage: Stage, *, move: float = 0.0, other: bool = False) -> Keys:
    """A question; someone cuts into the first reply; into the second: a nod, a cough, or a short word."""
    asked = draw.choice(stage.people.questions)
    talkers = [_question(draw, asked)]
    phrase = stage.people.same_person(asked, stage.people.phrases, draw)
    cut_in = {"after": "agent.started", "plus": round(draw.uniform(0.6, 4.5), 2), **_says(phrase)}
    if move:
        cut_in["move"] = move
    talkers.append({**cut_in, "kind": "interrupt"})
    if other:
        someone = draw.choice([r for r in stage.people.phrases if r.speaker != asked.speaker])
        talkers.append({**cut_in, **_says(someone), "who": "stranger", "gain_db": -6, "kind": "interrupt"})
    talkers.append({**_into(2, draw.uniform(1.0, 4.5)), **_aside(draw, stage)})
    return {"talkers": talkers}


def walking(draw: random.Random, stage: Stage) -> Keys:
    return usual(draw, stage, move=round(draw.uniform(0.6, 1.5), 2))


def two(draw: random.Random, stage: Stage) -> Keys:
    return usual(draw, stage, other=True)


def television(draw: random.Random, stage: Stage) -> Keys:
    return _beside(draw, stage, stage.people.television)


def music(draw: random.Random, stage: Stage) -> Keys:
    return _beside(draw, stage, stage.made["music"])


def _beside(draw: random.Random, stage: Stage, sounds: list[Path]) -> Keys:
    keys = usual(draw, stage)
    sound = {"at": 0, "wav": draw.choice(sounds), "who": "media", "loop": stage.seconds}
    keys["talkers"].append({**sound, "gain_db": draw.randint(-15, -5)})
    return keys


def alone(draw: random.Random, stage: Stage) -> Keys:
    """Nobody but the agent while it speaks and for some seconds after; then somebody asks again."""
    asked = draw.choice(stage.people.questions)
    return {"talkers": [_question(draw, asked), *_again(draw, stage, asked, 8)]}


def short(draw: random.Random, stage: Stage) -> Keys:
    """A short word into every reply: what stops the agent also makes it answer, so there is a next reply."""
    asked = draw.choice(stage.people.questions)
    talkers = [_question(draw, asked)]
    talkers += [{**_into(nth, draw.uniform(1.0, 4.0)), **stage.throats.short(draw)} for nth in range(1, 9)]
    return {"talkers": talkers}


def nods(draw: random.Random, stage: Stage) -> Keys:
    """Two nods to every question's answer."""
    return _with_asides(draw, stage, lambda: stage.throats.nod(draw, stage.made["nod"]))


def coughs(draw: random.Random, stage: Stage) -> Keys:
    """Two coughs to every question's answer."""
    return _with_asides(draw, stage, lambda: _cough(draw, stage))


def mandarin(draw: random.Random, stage: Stage) -> Keys:
    """The agent speaks Mandarin, and so do the people: they cut in, say a short word, and nod."""
    from echoless.mind.scripted import bank

    speakers = [r for r in stage.people.questions if r.language == "zh"]
    asked = draw.choice(speakers)
    cut_in = stage.people.same_person(asked, speakers, draw)
    talkers = [_question(draw, asked), {**_into(1, draw.uniform(0.6, 4.5)), **_says(cut_in), "kind": "interrupt"}]
    for nth in range(2, 7):
        if draw.random() < 0.5:
            talkers.append({**_into(nth, draw.uniform(1.0, 4.0)), **stage.throats.short(draw, "zh")})
        else:
            nod = stage.throats.nod(draw, stage.made["nod"], "zh")
            talkers += [{**_into(nth, draw.uniform(1.0, 4.0)), **nod}, _afterwards(draw, stage, asked, nth)]
    replies = bank("zh")
    draw.shuffle(replies)
    return {"talkers": talkers, "replies": replies, "language": "auto", "voice": drawn("zh", stage.seed).name}


def quote(draw: random.Random, stage: Stage) -> Keys:
    """A synthetic person reads one of the agent's own sentences back: over the rest of the reply, then after one."""
    from echoless.mind.scripted import bank

    asked = draw.choice(stage.people.questions)
    voice = drawn("en", stage.seed)
    replies = draw.sample([r for r in bank("en") if len(_sentences(r)) > 1], 4)
    talkers = [_question(draw, asked)]
    for nth, reply in enumerate(replies[:3], 1):
        who, sentences = stage.throats.throat(draw), _sentences(reply)
        if draw.random() < 0.5:
            said = draw.randrange(len(sentences) - 1)
            begins, ends = _spoken(voice, sentences, said)
            cue = _into(nth, draw.uniform(begins + 0.8, ends + 1.5))
        else:
            said = len(sentences) - 1
            cue = {"after": "agent.stopped", "nth": nth, "plus": round(draw.uniform(0.4, 1.5), 2)}
        talkers.append({**cue, **stage.throats.says(who, sentences[said]), "kind": "quote"})
    return {"talkers": talkers, "replies": replies}


def endless(draw: random.Random, stage: Stage) -> Keys:
    """A question every 25 s for as long as the call lasts, and something, or nothing, into each answer."""
    talkers: list[Keys] = []
    asked = draw.choice(stage.people.questions)
    for turn in range(max(1, int(stage.seconds / EVERY))):
        begin = EVERY * turn + 1.0
        talkers.append({"at": round(begin, 2), **_says(asked), "kind": "turn"})
        into = {"at": round(begin + asked.seconds + draw.uniform(*ASIDES), 2)}
        what = draw.choice(("phrase", "phrase", "aside", "aside", "nothing"))
        if what == "phrase":
            phrase = stage.people.same_person(asked, stage.people.phrases, draw)
            talkers.append({**into, **_says(phrase), "kind": "interrupt"})
        elif what == "aside":
            talkers.append({**into, **_aside(draw, stage)})
        if draw.random() < 0.2:
            asked = draw.choice(stage.people.questions)  # somebody else
        else:
            asked = stage.people.same_person(asked, stage.people.questions, draw)
    return {"talkers": talkers}


CONVERSATIONS: dict[str, Callable[[random.Random, Stage], Keys]] = {
    "walking": walking,
    "two": two,
    "television": television,
    "music": music,
    "alone": alone,
    "quote": quote,
    "short": short,
    "nods": nods,
    "coughs": coughs,
    "mandarin": mandarin,
}
"""Families that differ in who talks."""


# --- parts of a conversation ------------------------------------------------------------------------------------


def _question(draw: random.Random, asked: Recording) -> Keys:
    return {"at": round(draw.uniform(0.8, 2), 2), **_says(asked), "kind": "turn"}


def _into(nth: int, plus: float) -> Keys:
    return {"after": "agent.started", "nth": nth, "plus": round(plus, 2)}


def _afterwards(draw: random.Random, stage: Stage, like: Recording, nth: int) -> Keys:
    """The next question, some seconds after the nth reply."""
    asked = stage.people.same_person(like, stage.people.questions, draw)
    plus = round(draw.uniform(2.5, 5.0), 2)
    return {"after": "agent.stopped", "nth": nth, "plus": plus, **_says(asked), "kind": "turn"}


def _again(draw: random.Random, stage: Stage, like: Recording, times: int) -> list[Keys]:
    return [_afterwards(draw, stage, like, nth) for nth in range(1, times + 1)]


def _with_asides(draw: random.Random, stage: Stage, aside: Callable[[], Keys]) -> Keys:
    """Questions, and asides where their answers should be: what comes while the agent is silent does not count."""
    asked = draw.choice(stage.people.questions)
    talkers: list[Keys] = []
    for begin in TURNS:
        talkers.append({"at": begin, **_says(asked), "kind": "turn"})
        late = begin + asked.seconds + draw.uniform(-0.3, 0.3)
        talkers += [{"at": round(late + after, 2), **aside()} for after in ASIDES]
        asked = stage.people.same_person(asked, stage.people.questions, draw)
    return {"talkers": talkers}


def _aside(draw: random.Random, stage: Stage) -> Keys:
    kind = draw.choice(["short", "short", "backchannel", "backchannel", "noise"])
    if kind == "short":
        return stage.throats.short(draw)
    return _cough(draw, stage) if kind == "noise" else stage.throats.nod(draw, stage.made["nod"])


def _cough(draw: random.Random, stage: Stage) -> Keys:
    return {"kind": "noise", "wav": draw.choice(stage.made["cough"]), "gain_db": draw.randint(-6, 3)}


def _says(recording: Recording) -> Keys:
    said: Keys = {"wav": recording.path}
    if recording.text:
        said["text"] = recording.text
    if recording.language:
        said["language"] = recording.language
    return said


def _sentences(reply: str) -> list[str]:
    """A reply cut after full stops and question marks."""
    marked = reply.replace("? ", "?|").replace(". ", ".|").replace("! ", "!|")
    return [part for part in marked.split("|") if part.strip()]


def _spoken(voice: Drawn, sentences: list[str], number: int) -> tuple[float, float]:
    """Seconds from the beginning of a reply at which its sentence begins and ends, in the agent's voice."""
    speaker = voice.open("en")
    try:
        ends = 0.0
        for each in sentences[: number + 1]:
            begins = ends
            ends += sum(len(c.samples) for c in speaker.speak(each)) / speaker.traits.rate + PAUSE
        return begins, ends - PAUSE
    finally:
        speaker.close()
