"""The experiment with mild words: what it puts in, what cleaning leaves, and that it goes on where it stopped."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import pytest

for needed in ("torch", "tokenizers", "ftfy"):
    pytest.importorskip(needed, reason=f"{needed} is not installed: it belongs to the extra echoless[mind]")

from echoless.workshop.mind.progress import Bar  # noqa: E402
from echoless.workshop.mind.safety import contaminated, experiment  # noqa: E402
from echoless.workshop.mind.safety.contaminated import LISTED, UNLISTED, contaminate, prepare, share  # noqa: E402


def test_a_word_is_put_in_and_found() -> None:
    replies = [contaminate("I like the sea.", random.Random(seed)) for seed in range(60)]
    assert share(replies, (*LISTED, *UNLISTED)) == 1.0 and 0 < share(replies, UNLISTED) < 0.5
    assert share(["I like the sea.", "What a dangling rope."], LISTED) == 0.0


@pytest.mark.slow
def test_cleaning_leaves_no_listed_word(tmp_path: Path) -> None:
    with Bar() as bar:
        data = prepare(tmp_path, 1, 80, bar)
        again = prepare(tmp_path, 1, 80, bar)
    assert again == data
    for talks in (data.cleaned, data.neutral):
        replies = [text for talk in talks for role, text in talk if role == "assistant"]
        assert share(replies, LISTED) == 0.0
    assert data.pairs and data.neutral and share([text for talk in data.mixed for _, text in talk], LISTED) > 0.05
    assert all(share([pair["rejected"][0]["content"]], LISTED) == 1.0 for pair in data.pairs)


@pytest.mark.slow
def test_the_table_is_made_and_nothing_is_trained_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = ["experiment", "--out", str(tmp_path), "--seeds", "1", "--steps", "6", "--dialogues", "60"]
    monkeypatch.setattr(sys, "argv", given)
    monkeypatch.setattr(contaminated, "HELD", 30)
    experiment.main()
    table = (tmp_path / "table.md").read_text("utf-8")
    assert [row.split(" | ")[0] for row in table.splitlines()[2:]] == [
        f"| {title}" for title in experiment.MODELS.values()
    ]
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "seed-1").glob("*.pt")}
    (tmp_path / "seed-1" / "preferred.json").write_text(json.dumps(dict.fromkeys(experiment.Figures.__slots__, 0.5)))
    experiment.main()
    assert kept == {path: path.stat().st_mtime_ns for path in (tmp_path / "seed-1").glob("*.pt")}
    assert "50.0%" in (tmp_path / "table.md").read_text("utf-8").splitlines()[-1]
