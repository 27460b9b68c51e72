"""Judging: what is counted, the blind sheet, and a real model in llama.cpp. Needs no torch."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
from tests.mind.tiny_gguf import write_tiny_gguf

from echoless.cli import main
from echoless.workshop.mind.errors import MindError
from echoless.workshop.mind.form import from_json
from echoless.workshop.mind.judge import blind, measures, minds
from echoless.workshop.mind.judge.measures import Judged
from echoless.workshop.mind.judge.minds import Likelihood, Reply
from echoless.workshop.mind.pocket.served import serve


def reply(text: str, asked: str = "hello", ended: bool = True) -> Reply:
    return Reply((("user", asked),), text, ended, 5, 10.0, 20.0, 50.0)


def test_what_a_voice_cannot_say_is_seen() -> None:
    for bad in (
        "**bold**",
        "# Title",
        "- one\n- two",
        "1. first",
        "see `code`",
        "[a](b)",
        "https://x.org",
        "| a | b |",
    ):
        assert measures.MARKDOWN.search(bad), bad
    for good in ("It's 5 - 3.", "你好！今天很好。", "A * B is fine", "No. 1 is the best", "(well) yes", "2.5 percent"):
        assert not measures.MARKDOWN.search(good), good


def test_words_are_characters_in_chinese() -> None:
    found = measures.speech([reply("我很好，谢谢。"), reply("I am fine.", ended=False)])
    assert found["words a reply"] == 4.0 and found["longest reply, words"] == 5.0
    assert found["end by themselves"] == 0.5 and found["with markdown"] == 0.0


def test_perplexity_leaves_out_what_was_not_told() -> None:
    found = measures.foretold(Likelihood(nats=20.0, tokens=12, characters=40, missed=2))
    assert found["perplexity"] == pytest.approx(math.exp(2.0)) and found["nats a character"] == 0.5
    assert measures.foretold(Likelihood(0.0, 2, 10, 2)) == {}


def test_the_table_has_a_column_a_model() -> None:
    text = measures.table(
        [Judged("before", {"in style": 0.25, "perplexity": 12.5}, []), Judged("after", {"in style": 1}, [])]
    )
    assert "| in style | 25 % | 100 % |" in text and "| perplexity | 12.50 |  |" in text


# --- the blind sheet ---


def both(count: int = 9) -> tuple[Judged, Judged]:
    left = [reply(f"left {n}", f"prompt {n}") for n in range(count)] + [reply("the same")]
    right = [reply(f"right {n}", f"prompt {n}") for n in range(count)] + [reply("the same")]
    return Judged("one", {}, left), Judged("two", {}, right)


def mark(sheet: Path, choose: dict[str, str]) -> None:
    """Mark each pair: what to write where A is the left model, and where it is the right one."""
    parts = re.split(r"(?m)^## ", sheet.read_text("utf-8"))
    marked = [parts[0]]
    for part in parts[1:]:
        side = "left" if "**A** left" in part else "right"
        marked.append(part.replace("better:", f"better: {choose[side]}"))
    sheet.write_text("## ".join(marked), "utf-8")


def test_a_marked_sheet_is_read_back_to_the_models(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.md"
    blind.write_sheet(sheet, *both(), seed=4)
    text = sheet.read_text("utf-8")
    assert "the same" not in text and "one" not in text.split("##", 1)[1] and text.count("better:") == 10
    assert {"**A** left" in part for part in text.split("## ")[1:]} == {True, False}, "the sides are not shuffled"
    assert blind.read_sheet(sheet).left == 9
    mark(sheet, {"left": "a", "right": "B"})
    found = blind.read_sheet(sheet)
    assert found.wins == {"one": 9, "two": 0} and found.chance == pytest.approx(2 / 2**9)
    assert "one better 9 times" in found.text()


def test_a_sheet_that_was_changed_is_refused(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.md"
    blind.write_sheet(sheet, *both(), seed=1)
    whole = sheet.read_text("utf-8")
    sheet.write_text(re.sub(r"(?m)^(\d+\. better:)", r"\1 C", whole), "utf-8")
    with pytest.raises(MindError, match="none of A, B and ="):
        blind.read_sheet(sheet)
    sheet.write_text(whole.replace("prompt 3", "prompt 33"), "utf-8")
    with pytest.raises(MindError, match="something else than the marks"):
        blind.read_sheet(sheet)
    with pytest.raises(MindError, match="cannot read"):
        blind.read_sheet(tmp_path / "none.md")
    left, _ = both(0)
    with pytest.raises(MindError, match="the same to every prompt"):
        blind.write_sheet(sheet, left, left, seed=1)


# --- a real model ---


@pytest.mark.slow
async def test_forced_tokens_have_the_probability_they_are_written_with(tmp_path: Path) -> None:
    """A forced token has the very probability that the server reports when it writes."""
    async with serve(write_tiny_gguf(tmp_path / "tiny.gguf"), 512) as served:
        wrote = await served.complete([9, 8, 7], temperature=0, n_predict=1, n_probs=3)
        first, second = wrote["completion_probabilities"][0]["top_logprobs"][:2]
        assert await minds._forced(served, [9, 8, 7], first["id"]) == pytest.approx(first["logprob"], abs=1e-4)
        assert await minds._forced(served, [9, 8, 7], second["id"]) == pytest.approx(second["logprob"], abs=1e-4)
        said = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "你好 you"}]
        found = await minds.likelihood(served, [from_json({"messages": said})], 100)
        assert found.tokens == len("你好 you".encode()) and found.characters == 6
        assert 3 < found.nats / (found.tokens - found.missed) < 8  # 261 tokens at random: 5.6 nats


@pytest.mark.slow
def test_two_models_are_judged_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = (write_tiny_gguf(tmp_path / f"{name}.gguf", seed=n) for n, name in enumerate(("before", "after")))
    (tmp_path / "prompts.txt").write_text("# three\nHello.\n你好\nHow are you?\n", "utf-8")
    command = ["mind", "judge", str(before), str(after), "--prompts", str(tmp_path / "prompts.txt"), "--longest", "8"]
    command += ["--json", str(tmp_path / "j.json"), "--blind", str(tmp_path / "sheet.md")]
    assert main(command) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    assert "|  | before | after |" in said and "| end by themselves | 0 % | 0 % |" in said
    told = json.loads((tmp_path / "j.json").read_text("utf-8"))
    assert [len(one["replies"]) for one in told] == [3, 3]
    assert main(["mind", "judge", "--read", str(tmp_path / "sheet.md")]) == 0
    assert "not judged 3" in capsys.readouterr().out


def test_what_is_missing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mind", "judge"]) == 1 and "name one or more models" in capsys.readouterr().err
    assert main(["mind", "judge", str(tmp_path), "--prompts", str(tmp_path / "p.txt")]) == 1
    assert "holds no GGUF" in capsys.readouterr().err
    assert main(["mind", "try", str(tmp_path)]) == 1 and "holds no GGUF" in capsys.readouterr().err
    assert main(["mind", "try", str(tmp_path / "none.gguf")]) == 1 and "there is no model" in capsys.readouterr().err
