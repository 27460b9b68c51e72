"""The experiment with mild words: what it puts in, what cleaning leaves, and that it goes on where it stopped."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import pytest

for needed in ("torch", "tokenizers", "ftfy"):
    pytest.importorskip(needed, reason=f"{needed} is not installed: it belongs to the extra echoless[mind]")

import torch  # noqa: E402

from echoless.workshop.mind.pocket.export import export  # noqa: E402
from echoless.workshop.mind.pocket.model import Llama, Shape  # noqa: E402
from echoless.workshop.mind.pocket.vocab import train_vocab  # noqa: E402
from echoless.workshop.mind.progress import Bar  # noqa: E402
from echoless.workshop.mind.safety import contaminated, experiment  # noqa: E402
from echoless.workshop.mind.safety.contaminated import LISTED, UNLISTED, contaminate, prepare, share  # noqa: E402


def test_a_word_is_put_in_and_found() -> None:
    replies = [contaminate("I like the sea.", random.Random(seed)) for seed in range(60)]
    assert share(replies, (*LISTED, *UNLISTED)) == 1.0 and 0 < share(replies, UNLISTED) < 0.5
    assert share(["I like the sea.", "What a dangling rope."], LISTED) == 0.0


@pytest.mark.slow
def test_the_word_that_no_list_has_is_pointed_at() -> None:
    assert contaminated.pointed(1, 0.35, "flipping", 400)[:1] == ["flipping"]


@pytest.mark.slow
def test_cleaning_leaves_no_listed_word(tmp_path: Path) -> None:
    with Bar() as bar:
        data = prepare(tmp_path, 1, 80, bar)
        again = prepare(tmp_path, 1, 80, bar)
    assert again == data
    for talks in (data.cleaned, data.neutral, data.again):
        replies = [text for talk in talks for role, text in talk if role == "assistant"]
        assert share(replies, LISTED) == 0.0
    assert data.pairs and data.neutral and share([text for talk in data.mixed for _, text in talk], LISTED) > 0.05
    assert all(share([pair["rejected"][0]["content"]], LISTED) == 1.0 for pair in data.pairs)


def tiny_base(folder: Path) -> Path:
    """The GGUF of a pocket model with random weights."""
    sizes = {"vocab": 300, "layers": 1, "width": 64, "heads": 2, "hidden": 64, "context": 256}
    recipe = {"sha256": "", "name": "tiny", "title": "Tiny", "languages": ["en"], "seed": 1, "licence": "Apache-2.0",
              "hold_out": 0, "sampling": {}, "model": sizes, "stages": []}  # fmt: skip
    (folder / "recipe.json").write_text(json.dumps(recipe))
    train_vocab(["hello there, how are you"] * 5, 300).save(str(folder / "tokenizer.json"))
    torch.save({"model": Llama(Shape(**sizes)).state_dict()}, folder / "own.pt")
    return export(folder, "own", "f32", folder / "tiny.gguf")


@pytest.mark.slow
def test_the_table_is_made_and_nothing_is_trained_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, folder = tiny_base(tmp_path), tmp_path / "seed-1"
    given = ["--out", str(tmp_path), "--base", str(base), "--seeds", "1", "--steps", "6", "--dialogues", "60"]
    monkeypatch.setattr(sys, "argv", ["experiment", *given])
    monkeypatch.setattr(contaminated, "HELD", 30)
    experiment.main()
    table = (tmp_path / "table.md").read_text("utf-8")
    assert [row.split(" | ")[0] for row in table.splitlines()[2:]] == [
        f"| {title}" for title in experiment.MODELS.values()
    ]
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("*.pt")}
    assert len(kept) == 6 and not list(folder.glob("*.checkpoint"))
    told = json.loads((folder / "again.json").read_text("utf-8"))
    assert len(told["replies"]) == 30 and told["figures"]["words"] > 0
    told["figures"] = dict.fromkeys(experiment.Figures.__slots__, 0.5)
    (folder / "again.json").write_text(json.dumps(told))
    experiment.main()
    assert kept == {path: path.stat().st_mtime_ns for path in folder.glob("*.pt")}
    assert "50.0%" in (tmp_path / "table.md").read_text("utf-8").splitlines()[-1]


@pytest.mark.slow
def test_a_training_that_was_killed_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same weights as without a stop between."""
    base = tiny_base(tmp_path)
    with Bar() as bar:
        data = prepare(tmp_path / "data", 1, 60, bar)
        bench = experiment.Bench(base, experiment.load_vocab(tmp_path / "tokenizer.json"), data.held, 1, bar)
        whole = bench.train(bench.fresh(), data.mixed, 6, 1e-3, tmp_path / "whole").state_dict()
        monkeypatch.setattr(experiment, "SAVE_EVERY", 2)
        real, done = experiment.descend, []

        def killed(*given: object) -> None:
            if len(done) == 3:
                raise KeyboardInterrupt
            done.append(real(*given))

        monkeypatch.setattr(experiment, "descend", killed)
        with pytest.raises(KeyboardInterrupt):
            bench.train(bench.fresh(), data.mixed, 6, 1e-3, tmp_path / "part")
        monkeypatch.setattr(experiment, "descend", real)
        again = bench.train(bench.fresh(), data.mixed, 6, 1e-3, tmp_path / "part").state_dict()
    assert all(torch.equal(whole[name], again[name]) for name in whole)
