"""Training and exporting, on models of a few thousand weights. Needs torch, tokenizers and gguf: skipped without."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

for needed in ("torch", "tokenizers", "gguf"):
    pytest.importorskip(needed, reason=f"{needed} is not installed: it belongs to the extra echoless[mind]")

import torch  # noqa: E402

from echoless.cli import main  # noqa: E402
from echoless.mind.models import shipped  # noqa: E402
from echoless.workshop.mind import train_command  # noqa: E402
from echoless.workshop.mind.errors import MindError  # noqa: E402
from echoless.workshop.mind.pocket import stream  # noqa: E402
from echoless.workshop.mind.pocket import train as training  # noqa: E402
from echoless.workshop.mind.pocket.dialogue import Dialogue  # noqa: E402
from echoless.workshop.mind.pocket.export import as_folder, export, is_pocket_run  # noqa: E402
from echoless.workshop.mind.pocket.model import Llama, Shape  # noqa: E402
from echoless.workshop.mind.pocket.recipe import HERE, RecipeError  # noqa: E402
from echoless.workshop.mind.pocket.served import serve  # noqa: E402
from echoless.workshop.mind.pocket.start import take_pieces, take_weights  # noqa: E402
from echoless.workshop.mind.pocket.template import END, START, prompt  # noqa: E402
from echoless.workshop.mind.pocket.verify import AWKWARD, compare_tokenizers, strings  # noqa: E402
from echoless.workshop.mind.pocket.vocab import encode, join_vocabs, load_vocab, train_vocab  # noqa: E402
from echoless.workshop.mind.pocket.yours import YOURS, at_hand, load_yours, with_yours  # noqa: E402

TEXTS = ["hello there, how are you", "I'm fine, thank you", "what a nice day it is", "tell me about the weather"] * 5
RECIPE = """
name = "tiny"
title = "Tiny"
languages = ["en"]
seed = 3
licence = "Apache-2.0"
hold_out = 0
[sampling]
temperature = 0.5
n_predict = 20
[model]
vocab = 300
layers = 2
width = 64
heads = 2
hidden = 96
context = 256
[[stages]]
name = "own"
steps = 6
rows = 2
length = 64
rate = 1e-3
final_rate = 1e-4
warmup = 2
dropout = 0.1
weight_decay = 0.1
user_weight = 0.1
most_turns = 4
mix = { own-en = 1.0 }
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    out = tmp_path / "run"
    out.mkdir()
    (tmp_path / "tiny.toml").write_text(RECIPE)
    train_vocab(TEXTS, 300).save(str(out / "tokenizer.json"))
    return out


def losses(out: Path) -> dict[int, str]:
    rows = [line.split(",") for line in (out / "loss.csv").read_text().splitlines()]
    assert len({row[1] for row in rows}) == len(rows), "a step is logged twice"
    return {int(step): loss for _, step, loss, _ in rows}


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_same_loss_curve(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = run.parent / "tiny.toml"
    training.train(recipe, run)
    whole = losses(run)
    assert sorted(whole) == [1, 2, 3, 4, 5, 6]
    again = run.parent / "again"
    again.mkdir()
    (again / "tokenizer.json").write_bytes((run / "tokenizer.json").read_bytes())
    monkeypatch.setattr(training, "SAVE_AFTER", 0.0)
    real = stream.batch

    def killed(recipe: object, stage: object, step: int, *rest: object) -> object:
        if step == 3:
            raise KeyboardInterrupt
        return real(recipe, stage, step, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(stream, "batch", killed)
    with pytest.raises(KeyboardInterrupt):
        training.train(recipe, again)
    monkeypatch.setattr(stream, "batch", real)
    training.train(recipe, again)
    assert losses(again) == whole


@pytest.mark.slow
def test_a_quick_run_goes_through_its_stages_in_time(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = run.parent / "tiny.toml"
    second = RECIPE[RECIPE.index("[[stages]]") :].replace('"own"', '"long"').replace("length = 64", "length = 128")
    recipe.write_text(
        RECIPE.replace("steps = 6", "steps = 100000").replace("most_turns = 4", "most_turns = 4\nnoise = 0.1") + second
    )
    monkeypatch.setattr(torch, "compile", lambda inner: inner)
    training.train(recipe, run, minutes=0.15, how=training.How(workers=1, fast=True))
    rows = [line.split(",") for line in (run / "loss.csv").read_text().splitlines()]
    assert {row[0] for row in rows} == {"own", "long"} and (run / "long.pt").exists()


def test_rows_come_again_while_there_are_no_new_ones() -> None:
    def slow() -> Iterator[stream.Batch]:
        for number in range(3):
            time.sleep(0.05)
            yield (torch.tensor([number]), torch.tensor([1.0]), torch.tensor([0]))

    pool = stream.Pool(slow(), seed=1)
    met = []
    for tokens, _, _ in pool:
        met.append(int(tokens))
        time.sleep(0.002)
        if len(met) == 150:
            pool.close()
    firsts = [met.index(number) for number in range(3)]
    assert firsts[0] == 0 and firsts == sorted(firsts) and len(met) == 150


def test_only_what_users_say_is_misheard() -> None:
    tokens, weights = torch.arange(2000).view(2, 1000), torch.tensor([[0.2] * 1000, [1.0] * 1000])
    heard = stream.misheard(tokens, weights, 0.2, 0.1)
    assert torch.equal(heard[1], tokens[1]) and 40 < int((heard[0] != tokens[0]).sum()) < 200


def test_only_what_the_agent_says_is_learnt_in_full(run: Path) -> None:
    vocab = load_vocab(run / "tokenizer.json")
    talk = Dialogue(
        (("system", "be"), ("user", "hello"), ("assistant", "I'm"), ("user", "day"), ("assistant", "x")),
        muted=frozenset({2}),
    )
    ids, weights = encode(vocab, talk, 0.1)
    learnt = [vocab.id_to_token(token) for token, weight in zip(ids, weights, strict=True) if weight == 1.0]
    assert learnt == ["x", END] and set(weights) == {0.0, 0.1, 1.0}
    assert ids[0] == vocab.token_to_id(START)
    assert vocab.decode(ids, skip_special_tokens=False).replace(" ", "").endswith("<|assistant|>x<|end|>")


def test_two_vocabularies_in_one_keep_the_pieces_of_both() -> None:
    english, mandarin = train_vocab(TEXTS, 300), train_vocab(["今天天气真好", "你好，今天怎么样"] * 5, 300, 12)
    both = join_vocabs([english, mandarin])
    for text, alone in (("hello there", english), ("今天天气", mandarin)):
        pieces = both.encode(text, add_special_tokens=False).tokens
        assert pieces == alone.encode(text, add_special_tokens=False).tokens
    assert both.decode(both.encode("今天 hello 🙂").ids) == "今天 hello 🙂"


def test_dialogues_in_one_row_do_not_see_each_other() -> None:
    torch.manual_seed(0)
    model = Llama(Shape(50, layers=1, width=64, heads=2, hidden=64, context=32)).eval()
    first, second = torch.randint(0, 50, (2, 8))
    owner = torch.tensor([0] * 8 + [1] * 8)
    mask = ((owner[:, None] == owner) & torch.ones(16, 16).tril().bool())[None, None]
    together = model(torch.cat((first, second))[None], mask)[0, 8:]
    assert torch.allclose(together, model(second[None])[0], atol=1e-4)


@pytest.mark.slow
async def test_a_random_model_writes_the_same_tokens_in_llama_cpp(run: Path) -> None:
    torch.manual_seed(5)
    raw = training.load_recipe(run.parent / "tiny.toml")[0]
    (run / "recipe.json").write_text(json.dumps({"sha256": "", **raw.model_dump()}))
    model = Llama(Shape(**raw.model.model_dump())).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4.0 if weight.dim() == 2 else 1.0)  # wide enough apart that no two logits tie
    torch.save({"model": model.state_dict()}, run / "own.pt")
    vocab = load_vocab(run / "tokenizer.json")
    async with serve(export(run, "own", "f32", run / "tiny.gguf"), 256) as served:
        assert await compare_tokenizers(served, vocab, [*AWKWARD, *strings(2, 60)]) == []
        for text in TEXTS[:4]:
            asked = prompt([("user", text)])
            ids = [vocab.token_to_id(START), *vocab.encode(asked, add_special_tokens=False).ids]
            ours = model.continue_greedily(ids, 20, vocab.token_to_id(END))
            answer = await served.complete(asked, temperature=0, n_predict=20, return_tokens=True)
            assert [token for token in answer["tokens"] if token != vocab.token_to_id(END)] == ours


@pytest.mark.slow
def test_a_run_goes_on_from_a_file_that_ships(run: Path) -> None:
    """Weights and pieces come out of the GGUF; the loss begins where it ended."""
    recipe, again = run.parent / "tiny.toml", run.parent / "again"
    model = training.train(recipe, run)
    file = export(run, "own", "f32", run / "tiny.gguf")
    training.train(recipe, again, base=file)
    text = "hello there 你好 <|end|>"
    assert load_vocab(again / "tokenizer.json").encode(text).ids == load_vocab(run / "tokenizer.json").encode(text).ids
    read = training.load_recipe(recipe)[0]
    rows = stream.batch(read, read.stages[0], 0, training.sources(read, {}), load_vocab(run / "tokenizer.json"))
    loss = model.loss(rows[0].long(), rows[1].float(), stream.mask_of(rows[2])).item()
    assert float(losses(again)[1]) == pytest.approx(loss, abs=0.15)  # that row before the first step, with dropout
    other = Llama(Shape(300, layers=1, width=64, heads=2, hidden=96, context=256))
    with pytest.raises(RecipeError, match="another shape"):
        take_weights(file, other)


@pytest.mark.slow
def test_a_run_from_nothing_is_read_by_transformers(run: Path) -> None:
    """`mind export` of such a run: the same logits through transformers as through our own model."""
    transformers = pytest.importorskip("transformers", reason="it belongs to the extra echoless[mind]")
    with pytest.raises(MindError, match="not trained to its end"):
        (run / "recipe.json").write_text(json.dumps({"stages": [{"name": "own"}]}))
        as_folder(run, run / "folder")
    model = training.train(run.parent / "tiny.toml", run)
    assert is_pocket_run(run)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(as_folder(run, run / "folder")).eval()
    tokens = torch.randint(0, 300, (2, 40))
    with torch.no_grad():
        assert torch.allclose(theirs(tokens).logits, model(tokens), atol=1e-4)


def test_ones_own_dialogues_are_half_of_what_is_learnt(tmp_path: Path) -> None:
    talk = [("user", "ahoy"), ("user", "who are you"), ("assistant", "Ada."), ("user", "bye"), ("assistant", "Bye.")]
    lines = [{"messages": [{"role": r, "content": t} for r, t in talk], "language": "en"}, {"messages": []}]
    (tmp_path / "dialogues.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    yours = load_yours(tmp_path)
    assert yours.language == "en" and len(yours.talks) == 1
    for seed in range(20):
        turns = yours.sample(random.Random(seed), 2).turns
        assert turns in ((("user", "who are you"), ("assistant", "Ada.")), (("user", "bye"), ("assistant", "Bye.")))
    assert yours.sample(random.Random(1), 10).turns[-1] == ("assistant", "Bye.")
    (tmp_path / "dialogues.jsonl").write_text(json.dumps({"messages": [{"role": "user", "content": "hm"}]}) + "\n")
    with pytest.raises(MindError, match="no dialogue in it has an answer"):
        load_yours(tmp_path)


def test_a_recipe_does_without_the_corpora_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOLESS_SHARED", str(tmp_path))
    recipe, away = at_hand(training.load_recipe(HERE / "recipes" / "pocket.toml")[0])
    assert away == ["crosswoz", "kdconv", "taskmaster-4", "topical-chat"]
    assert all(stage.mix and set(stage.mix) <= {"own-en", "own-zh", "own-en-zh"} for stage in recipe.stages)
    for stage in with_yours(recipe).stages:
        assert stage.mix[YOURS] == pytest.approx(sum(stage.mix.values()) / 2)


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_model_that_ships_cuts_awkward_strings_as_the_tokenizers_library_does(
    tmp_path: Path, language: str
) -> None:
    file = shipped("pocket", language)
    assert file is not None
    take_pieces(file, tmp_path / "tokenizer.json")
    async with serve(file, 256) as served:
        assert (
            await compare_tokenizers(served, load_vocab(tmp_path / "tokenizer.json"), [*AWKWARD, *strings(3, 200)])
            == []
        )


@pytest.mark.slow
def test_the_command_line_goes_from_dialogues_to_a_file_from_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`mind train DATA --base pocket`, again with --resume, then `mind export`: real doors, a tiny recipe."""
    pytest.importorskip("transformers", reason="it belongs to the extra echoless[mind]")
    (tmp_path / "tiny.toml").write_text(RECIPE.replace("vocab = 300", "vocab = 512"))
    monkeypatch.setattr(train_command, "RECIPES", tmp_path)
    monkeypatch.setattr(train_command, "FROM_NOTHING", ("tiny",))
    monkeypatch.setattr(training, "SAMPLED", 40)
    data, out = tmp_path / "clean", tmp_path / "own"
    data.mkdir()
    talk = [{"role": "user", "content": "ahoy"}, {"role": "assistant", "content": "Ahoy, matey."}]
    (data / "dialogues.jsonl").write_text(json.dumps({"messages": talk, "language": "en"}) + "\n")
    assert main(["mind", "train", str(data), "--base", "tiny", "--out", str(out), "--threads", "1"]) == 0
    assert "half of what it learns from are your 1 dialogues" in capsys.readouterr().err
    assert json.loads((out / "recipe.json").read_text())["stages"][0]["mix"] == {"yours": 1.0, "own-en": 1.0}
    once = (out / "loss.csv").read_text()
    assert main(["mind", "train", "--resume", "--out", str(out)]) == 0 and (out / "loss.csv").read_text() == once
    assert main(["mind", "export", str(out), "--type", "f32"]) == 0
    told = json.loads((out / "own-f32.gguf.verify.json").read_text("utf-8"))
    assert told["good"] and not told["odd"]
