"""A teacher of the pocket model, on a model of a few thousand weights that knows three dialogues. Needs torch,
tokenizers and gguf: skipped without."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

for needed in ("torch", "tokenizers", "gguf"):
    pytest.importorskip(needed, reason=f"{needed} is not installed: it belongs to the extra echoless[mind]")

import gguf  # noqa: E402
import torch  # noqa: E402
from tokenizers import Tokenizer, models, pre_tokenizers, trainers  # noqa: E402

from echoless.workshop.mind.errors import MindError  # noqa: E402
from echoless.workshop.mind.pocket import chatml, teach  # noqa: E402
from echoless.workshop.mind.pocket import train as training  # noqa: E402
from echoless.workshop.mind.pocket.chatml import About, Words  # noqa: E402
from echoless.workshop.mind.pocket.decode import Decoder  # noqa: E402
from echoless.workshop.mind.pocket.dialogue import Dialogue  # noqa: E402
from echoless.workshop.mind.pocket.export import add_shape  # noqa: E402
from echoless.workshop.mind.pocket.model import Llama, Shape  # noqa: E402
from echoless.workshop.mind.pocket.nearness import Nearness  # noqa: E402
from echoless.workshop.mind.pocket.recipe import HERE, RecipeError  # noqa: E402
from echoless.workshop.mind.pocket.selftalk import Harvest, Openings, hold, read_turns  # noqa: E402
from echoless.workshop.mind.pocket.sieve import SAME, Sieve, loops  # noqa: E402
from echoless.workshop.mind.pocket.start import load_gguf  # noqa: E402
from echoless.workshop.mind.pocket.taught import Taught, load_taught, save_taught  # noqa: E402
from echoless.workshop.mind.pocket.tongue import TONGUES  # noqa: E402
from echoless.workshop.mind.pocket.train import How  # noqa: E402
from echoless.workshop.mind.pocket.vocab import train_vocab  # noqa: E402
from echoless.workshop.mind.tune.unpack import tokenizer_of, unpack  # noqa: E402

TALKS = [
    ("do you like ferries", "I do. They are slow and calm."),
    ("tell me of the sea", "It is wide and blue.", "and deep", "Yes, very deep."),
    ("I lost my hat", "Oh no! Where did you see it last?"),
]
SHAPE = Shape(vocab=512, layers=2, width=64, heads=4, shared=2, hidden=96, context=256, rope_base=50_000.0)
RECIPE = (HERE / "recipes" / "pocket-taught.toml").read_text("utf-8")


def said(turns: tuple[str, ...]) -> Dialogue:
    return Taught("en", (turns,)).sample(random.Random(1), 8)


def chat_vocab() -> Tokenizer:
    vocab = Tokenizer(models.BPE())
    vocab.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters, special = pre_tokenizers.ByteLevel.alphabet(), [chatml.BEGIN, chatml.END]
    texts = [text for talk in TALKS for text in (*talk, "user", "assistant", "system")] * 3
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=letters, show_progress=False)
    vocab.train_from_iterator(texts, trainer)
    return vocab


def write(path: Path, model: Llama, vocab: Tokenizer) -> Path:
    """A GGUF as SmolLM2's are: SmolLM's digits, fewer heads of keys, no start token, its own rope base."""
    kept, shape = json.loads(vocab.to_str())["model"], model.shape
    pieces = sorted(kept["vocab"], key=kept["vocab"].get)
    pieces += [f"<|unused {number}|>" for number in range(len(pieces), shape.vocab)]
    control, unused = gguf.TokenType.CONTROL, gguf.TokenType.UNUSED
    kinds = [
        control if n < 2 else unused if piece.startswith("<|unused") else gguf.TokenType.NORMAL
        for n, piece in enumerate(pieces)
    ]
    writer = gguf.GGUFWriter(path, "llama")
    add_shape(writer, shape)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(pieces)
    writer.add_token_types(kinds)
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in kept["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_add_bos_token(False)
    for name, weight in model.state_dict().items():
        writer.add_tensor(name, weight.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It has learnt TALKS by heart."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    vocab, model = chat_vocab(), Llama(SHAPE)
    adam = torch.optim.AdamW(model.parameters(), lr=3e-3)
    rows = [chatml.encode(vocab, said(talk), 1.0) for talk in TALKS]
    longest = max(len(ids) for ids, _ in rows)
    tokens = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in rows])
    weights = torch.tensor([weight + [0.0] * (longest - len(weight)) for _, weight in rows])
    mask = torch.ones(longest, longest, dtype=torch.bool).tril()[None, None]
    for _ in range(150):
        loss = model.loss(tokens, weights, mask)
        loss.backward()
        adam.step()
        adam.zero_grad()
    assert loss.item() < 0.3
    return write(tmp_path_factory.mktemp("teacher") / "teacher.gguf", model, vocab)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """pocket-taught.toml without corpora, its teacher's stage one step at no rate, its student tiny."""
    text = RECIPE
    changes = {
        ", topical-chat = 0.06, taskmaster-4 = 0.02": "",
        "steps = 900\nrows = 64\nlength = 256\nrate = 2e-4\nfinal_rate = 2e-5": (
            "steps = 1\nrows = 1\nlength = 256\nrate = 1e-9\nfinal_rate = 1e-9"
        ),
        "steps = 3000\nrows = 256": "steps = 2\nrows = 2",
        "own-en = 0.3, taught-en = 0.25, own-zh = 0.4, own-en-zh = 0.05": "taught-en = 1.0",
        "layers = 10": "layers = 1",
        "width = 384": "width = 64",
        "heads = 6": "heads = 2",
        "hidden = 1024": "hidden = 64",
    }
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (tmp_path / "tiny.toml").write_text(text, "utf-8")
    return tmp_path / "tiny.toml"


def test_heads_that_share_keys_are_those_of_transformers(teacher: Path, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed: echoless[mind]")
    model, _ = load_gguf(teacher)
    folder = unpack(teacher, tmp_path / "teacher")
    other = transformers.AutoModelForCausalLM.from_pretrained(folder)
    tokens = torch.randint(0, 300, (2, 40), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        assert (other(tokens).logits - model(tokens)).abs().max() < 1e-3
    vocab = transformers.AutoTokenizer.from_pretrained(folder)
    assert vocab("in 1998").input_ids == tokenizer_of(gguf.GGUFReader(teacher)).encode("in 1998").ids  # no start token
    assert len(vocab("1998").input_ids) == 4


def test_a_cache_with_rows_at_their_own_places_gives_the_models_numbers(teacher: Path) -> None:
    model, _ = load_gguf(teacher)
    tokens = torch.randint(0, 300, (3, 12), generator=torch.Generator().manual_seed(3))
    whole = model(tokens).detach()
    decoder = Decoder(model, 3, 16, torch.float32)
    late = torch.tensor([0, 2, 5])
    for step in range(12):
        places = (step - late).clamp(min=0)
        found = decoder.step(tokens[decoder.all, places], places)
        for row in range(3):
            assert torch.allclose(found[row], whole[row, places[row]], atol=1e-4)


def test_what_was_learnt_is_held_and_kept(teacher: Path) -> None:
    torch.manual_seed(4)
    model, vocab = load_gguf(teacher)[0], tokenizer_of(gguf.GGUFReader(teacher))
    heard = [talk[0] for talk in TALKS]
    openings = Openings(vocab, Words(heard), heard, TONGUES["en"], 5)
    harvest = Harvest(vocab, Sieve(Nearness([("I lost my hat",)])))
    hold(model, vocab, openings, harvest, rows=16, seconds=30, wanted=4)
    kept = [turns for turns, *_ in harvest.kept]
    assert any(turns[:2] in [talk[:2] for talk in TALKS] for turns in kept)
    assert not any("hat" in turns[0] for turns in kept), "a barred opening"
    assert all(len(turns) % 2 == 0 for turns in kept) and harvest.held >= len(kept)
    assert all(opening <= 0 and sure <= 0 for _, opening, sure in harvest.kept)


def test_turns_are_read_back_from_their_pieces(teacher: Path) -> None:
    vocab = tokenizer_of(gguf.GGUFReader(teacher))
    turns = (("system", "about hats"), *said(TALKS[1]).turns)
    ids, weights = chatml.encode(vocab, Dialogue(turns), 0.3)
    tokens = torch.tensor([*ids, *chatml.opened(vocab, "user"), 7])  # a turn that does not end
    read = read_turns(vocab, tokens.numpy(), torch.full(tokens.shape, -0.5).numpy())
    assert read == [(text, -0.5) for text in TALKS[1]]
    assert set(weights) == {0.0, 0.3, 1.0}
    assert weights[: len(chatml.opened(vocab, "system")) + 4] == [0.0] * (len(chatml.opened(vocab, "system")) + 4)


def test_a_conversation_is_about_a_word_of_its_opening() -> None:
    class Greeted:
        def sample(self, rng: random.Random, *_: object) -> Dialogue:
            turns = (("user", "Do you like the ferry?"), ("assistant", "I do."))
            return Dialogue(turns if rng.random() < 0.5 else (("system", "You are Ada."), *turns))

    words = Words(["do you like the sea", "you like the hat"] * 60)
    words.frequent = {"do", "you", "like", "the"}
    about = About(Greeted(), words, "en")
    drawn = {about.sample(random.Random(n), 4).turns[0] for n in range(20)}
    assert drawn == {("user", "Do you like the ferry?"), ("system", "about ferry")}


@pytest.mark.parametrize(
    ("user", "reply"),
    [
        ("who are you", "i am small."),
        ("who are you", "I am a"),
        ("who are you", "Who are you?"),
        ("who are you", "**Bold** words."),
        ("who are you", "I like tea and I like tea and I like tea."),
        ("who are you", "No no no."),
        ("", "Nothing."),
        ("see http://a.example/x_y", "I see."),
        ("who is there " * 11, "I am."),
        ("please, what is your name", "I am."),
    ],
)
def test_what_is_not_fit_to_learn_from_goes(user: str, reply: str) -> None:
    sieve = Sieve(Nearness([("what's your name",)]))
    assert sieve(["how are you", "I am well.", user, reply]) == ("how are you", "I am well.")
    assert sieve([user, reply]) == ()


def test_dialogues_begin_alike_only_so_often() -> None:
    sieve = Sieve(Nearness([]))
    assert [bool(sieve(["Hello there!", "Hi."])) for _ in range(5)] == [True] * SAME + [False] * (5 - SAME)
    assert loops("a b c d a b c") and not loops("a b c d a b")


def test_from_a_teacher_to_a_student(teacher: Path, recipe: Path, tmp_path: Path) -> None:
    path = teach.teach(recipe, teacher, tmp_path / "teacher", teach.Amount(talks=6, at_once=16, rows=1), How())
    taught = load_taught(path)
    assert taught.language == "en" and len(taught.dialogues) >= 2
    out = tmp_path / "student"
    out.mkdir()
    train_vocab([text for talk in TALKS for text in talk], 300).save(str(out / "tokenizer.json"))
    given = training.given_sources([f"taught-en={path}"])
    training.train(recipe, out, stages="taught", given=given)
    assert (out / "taught.pt").is_file()
    assert [row.split(",")[:2] for row in (out / "loss.csv").read_text().splitlines()] == [
        ["taught", "1"],
        ["taught", "2"],
    ]


def test_what_cannot_teach_is_said_in_one_line(teacher: Path, recipe: Path, tmp_path: Path) -> None:
    none = tmp_path / "none.gguf"
    none.write_bytes(b"GGUF")
    for file in (none, tmp_path / "away.gguf"):
        with pytest.raises(MindError, match="cannot read the teacher"):
            teach.teach(recipe, file, tmp_path / "out", teach.Amount(), How())
    with pytest.raises(RecipeError, match=r"no \[teaching\]"):
        teach.teach(HERE / "recipes" / "pocket.toml", teacher, tmp_path / "out", teach.Amount(), How())
    with pytest.raises(RecipeError, match="say NAME=FILE"):
        training.given_sources(["taught-en"])
    with pytest.raises(RecipeError, match="no stage tolk: its stages are base, talk, taught, long"):
        training.train(recipe, tmp_path / "out", stages="base,tolk")
    save_taught(tmp_path / "odd.gz", "en", [(("one",), 0.0)])
    for file, why in ((tmp_path / "odd.gz", "does not end with the agent's"), (none, "cannot read dialogues")):
        with pytest.raises(RecipeError, match=why):
            load_taught(file)


def test_long_conversations_are_several_talks() -> None:
    taught = Taught("en", (("a", "b"), ("c", "d")))
    turns = taught.sample(random.Random(1), 40).turns
    assert 20 <= len(turns) <= 40 and [role for role, _ in turns[:2]] == ["user", "assistant"]
    assert len(taught.sample(random.Random(1), 2).turns) == 2
