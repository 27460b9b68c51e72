"""The same conversation in Mandarin, and switching between it and English in mid-conversation: whole calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence

import numpy as np
import pytest

from echoless.ears.door import RecogniserTraits
from echoless.frames import Chunk, Samples, Transcript, Turn
from echoless.voice.door import Voice, VoiceTraits
from echoless.voice.polyglot import Polyglot
from tests.test_talk import Mind, Scene, after_agent, quiet, talk

LONG = ["从前有座山，山上有座庙。", "庙里有个老和尚在讲故事。", "讲的是什么故事呢？"]


class Heard:
    """A voice that remembers what it said and in which language."""

    def __init__(self, language: str, said: list[tuple[str, str]]) -> None:
        self.traits = VoiceTraits(f"test-{language}", 16_000, language)
        self._said = said

    def speak(self, text: str) -> Iterator[Chunk]:
        self._said.append((self.traits.language, text))
        step = 1600
        yield Chunk(
            np.full(step * len(text), 0.1, np.float32), 16_000, tuple((at, at * step) for at in range(len(text)))
        )

    def close(self) -> None: ...


class ByLoudness:
    """A recogniser of several languages: each turn of the script is louder than the one before."""

    TEXTS = ("how are you", "你能帮我一个忙吗", "thank you so much")
    traits = RecogniserTraits("by loudness", ("en", "zh"))

    def transcribe(self, speech: Samples, language: str | None = None) -> Transcript:
        text = self.TEXTS[round(float(np.abs(speech).max()) / 0.1) - 1]
        return Transcript(text, "zh" if text[0] > "z" else "en")

    def close(self) -> None: ...


class Answers(Mind):
    """Answers in the language of the last turn."""

    async def reply(self, turns: Sequence[Turn]) -> AsyncIterator[str]:
        self.asked.append(tuple(turns))
        yield "好的，没问题。" if any("一" <= each <= "龥" for each in turns[-1].text) else "Sure, no problem."


def scene(script: object, texts: Sequence[str], mind: Mind, language: str | None = "zh") -> tuple[Scene, list]:
    said: list[tuple[str, str]] = []
    held = Scene(script, texts=texts, mind=mind)  # type: ignore[arg-type]
    held.ears.language = language
    if texts is ByLoudness.TEXTS:
        held.ears.hearing.recogniser = ByLoudness()

    def open_other(tongue: str) -> Voice:
        return Heard(tongue, said)

    held.call.speaker.voice = Polyglot(Heard("en" if language is None else language, said), open_other)
    return held.run(), said


def test_the_language_may_change_from_turn_to_turn() -> None:
    turns = [part for loud in (1, 2, 3) for part in (talk(1.2) * np.float32(loud), quiet(6))]
    held, said = scene(np.concatenate([quiet(0.5), *turns]), ByLoudness.TEXTS, Answers(), None)
    users = [event.data["text"] for event in held.all("user.said")]
    assert tuple(users) == ByLoudness.TEXTS
    assert said == [("en", "Sure, no problem."), ("zh", "好的，没问题。"), ("en", "Sure, no problem.")]
    assert [turn.text for turn in held.mind.asked[-1]][:4] == [users[0], said[0][1], users[1], said[1][1]]


@pytest.mark.parametrize("language", ["zh", None])
@pytest.mark.parametrize("nod", ["嗯", "对", "好的", "是啊"])
def test_a_nod_in_mandarin_does_not_take_the_floor(nod: str, language: str | None) -> None:
    def script(held: Scene) -> Iterator[Samples]:
        yield from after_agent(held, np.concatenate([quiet(0.3), talk(1)]), talk(0.4), quiet(8))

    held, _ = scene(script, ["给我讲个故事"] * 2 + [nod] * 4, Mind(LONG), language)
    assert [event.data["reason"] for event in held.all("user.rejected")] == ["backchannel"]
    assert [event.data["reason"] for event in held.all("agent.stopped")] == ["finished"]


@pytest.mark.parametrize("command", ["等一下", "停", "不对", "别说了"])
def test_a_command_in_mandarin_stops_the_agent_at_the_heard_character(command: str) -> None:
    def script(held: Scene) -> Iterator[Samples]:
        yield from after_agent(held, np.concatenate([quiet(0.3), talk(1)]), talk(0.6), quiet(6))

    held, _ = scene(script, ["给我讲个故事"] * 2 + [command] * 4, Mind(LONG))
    (said, *_rest) = held.all("agent.said")
    heard, unheard = said.data["text"], said.data["unheard"]
    assert held.all("agent.stopped")[0].data["reason"] == "interrupted"
    assert heard and unheard
    assert "".join(LONG).startswith(heard)
    assert heard + unheard == "".join(LONG)[: len(heard + unheard)]  # cut between two characters, none lost
    assert held.all("agent.sentence")[0].data["text"] in LONG[0]


def test_sentences_end_at_chinese_marks_in_a_call() -> None:
    mind = Mind(["今天的天气真不错；", "出去走走吧！好不好？", "走吧。"])
    held, said = scene(np.concatenate([quiet(0.5), talk(1.2), quiet(8)]), ["你好"] * 2, mind)
    assert [text for _, text in said] == ["今天的天气真不错；", "出去走走吧！", "好不好？", "走吧。"]
    assert held.all("agent.said")[0].data["text"].replace(" ", "") == "今天的天气真不错；出去走走吧！好不好？走吧。"
