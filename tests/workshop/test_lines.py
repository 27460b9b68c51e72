"""The hand-written lines, and the check that keeps the judged openings out of them."""

from __future__ import annotations

import random
import re
from itertools import pairwise
from pathlib import Path

import pytest

from echoless.workshop.mind.pocket.english import articles, plural, spoken
from echoless.workshop.mind.pocket.lines import Lines, LinesError, alternatives
from echoless.workshop.mind.pocket.mandarin import spoken as said
from echoless.workshop.mind.pocket.nearness import Nearness, plain, read_openings
from echoless.workshop.mind.pocket.recipe import HERE, load_recipe
from echoless.workshop.mind.pocket.talks import OwnTalks, Switching

ENGLISH = HERE / "lines" / "en"
MANDARIN = HERE / "lines" / "zh"
OPENINGS = HERE / "openings" / "en.txt"


@pytest.fixture(scope="module", params=["en", "zh"])
def talks(request: pytest.FixtureRequest) -> OwnTalks:
    return OwnTalks(HERE / "lines" / request.param)


def write_lines(folder: Path, text: str, slots: str = "food: apple, pie") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "slots.txt").write_text(slots)
    (folder / "systems.txt").write_text("Be kind.")
    (folder / "talk.txt").write_text(text)
    return folder


@pytest.mark.parametrize("language", ["en", "zh"])
def test_there_are_fifty_openings_and_no_two_are_near_each_other(language: str) -> None:
    openings = read_openings(OPENINGS.with_stem(language))
    assert len(openings) == 50
    assert len(read_openings(OPENINGS.with_stem(f"{language}-unseen"))) == 40
    turns = [turn for opening in openings for turn in opening]
    for number, turn in enumerate(turns):
        assert not Nearness([(other,) for other in turns[:number]])(turn), turn


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("what kind of music do you enjoy", True),
        ("Hey, um, what kind of music do you enjoy?", True),
        ("What kind of musics do you enjoy", True),
        ("Do you enjoy what kind of music", True),
        ("stop talking", True),
        ("What kind of books do you read?", False),
        ("stop", False),
        ("I love Italian food.", False),
    ],
)
def test_near_copies_are_found_and_others_are_not(text: str, near: bool) -> None:
    assert bool(Nearness(read_openings(OPENINGS))(text)) is near


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("你平时爱听什么音乐", True),
        ("那个，你平时爱听什么音乐呢？", True),
        ("什么音乐你平时爱听啊", True),
        ("外面下了一整天雨", True),
        ("你平时爱看什么书", False),
        ("外面下雪了", False),
    ],
)
def test_near_copies_in_mandarin(text: str, near: bool) -> None:
    assert bool(Nearness(read_openings(OPENINGS.with_stem("zh")))(text)) is near


def test_plain_opens_contractions_and_drops_empty_words() -> None:
    assert plain("Hey, I'm SO tired!") == "i am tired"
    assert plain("Okay, so?") == "okay so"


def test_no_line_that_is_drawn_is_near_an_opening(talks: OwnTalks) -> None:
    for seed in range(700):
        dialogue = talks.sample(random.Random(seed), 12)
        heard = [text for role, text in dialogue.turns if role == "user"]
        assert not [text for text in heard if talks.near(plain(text))], seed


def test_a_line_that_copies_an_opening_is_refused(tmp_path: Path) -> None:
    folder = write_lines(tmp_path / "en", "> what kind of music do you enjoy\n< Jazz, I think.\n")
    talks = OwnTalks(folder, OPENINGS)
    with pytest.raises(ValueError, match="near an opening"):
        for seed in range(20):
            talks.sample(random.Random(seed), 4)


def test_there_are_enough_lines_and_replies_can_be_spoken(talks: OwnTalks) -> None:
    nodes = talks.lines.walk()
    assert sum(len(node.users) for node in nodes) > 3000
    for node in nodes:
        for reply in node.replies:
            assert len(reply.split()) <= 30 and len(re.findall(r"[\u4e00-\u9fff]", reply)) <= 60, reply
            assert not re.search(r"[*#`_<>|{}]", reply), reply


def test_dialogues_are_whole(talks: OwnTalks) -> None:
    for seed in range(700):
        turns = talks.sample(random.Random(seed), 12).turns
        assert turns[-1][0] == "assistant"
        for role, text in turns:
            assert text == text.strip() and text, turns
            assert not re.search(r"[\[\]{}|@~]|\?\w", text), text
            assert len(text.split()) < (60 if role == "system" else 40), text


def test_the_same_seed_draws_the_same_dialogue(talks: OwnTalks) -> None:
    again = OwnTalks(HERE / "lines" / ("zh" if talks.tongue.space == "" else "en"))
    assert talks.sample(random.Random("20 own 7"), 8) == again.sample(random.Random("20 own 7"), 8)


def test_users_are_written_with_and_without_capitals_and_stops(talks: OwnTalks) -> None:
    said = [t for seed in range(300) for role, t in talks.sample(random.Random(seed), 4).turns if role == "user"]
    bare = sum(text == text.lower() and text[-1] not in ".!?。！？" for text in said)
    assert 0.3 < bare / len(said) < 0.7


def test_a_filler_is_the_same_in_the_line_and_its_answer(tmp_path: Path) -> None:
    folder = write_lines(tmp_path / "en", "> i like [food]\n< [Food] it is, not [food2].\n", "food: apple, pie, rice")
    lines = Lines(folder)
    for seed in range(30):
        rng, bound = random.Random(seed), dict[str, str]()
        user = lines.expand(lines.nodes[0].users[0], rng, bound)
        assert lines.expand(lines.nodes[0].replies[0], rng, bound).startswith(user.split()[-1].capitalize())
        assert bound["food"] != bound["food2"]


def test_follow_ups_hang_on_the_reply_above(tmp_path: Path) -> None:
    text = "? day\n: How was it?\n> good | {very|so} good\n< Fine.\n== x\n> hi\n< Hello! ?day\n>> bye\n<< See you.\n"
    lines = Lines(write_lines(tmp_path / "en", text))
    assert [node.users for node in lines.nodes] == [["hi"]]
    assert lines.nodes[0].after[0].replies == ["See you."]
    assert lines.questions["day"].after[0].users == ["good", "{very|so} good"]
    assert lines.variants("{very|so} [food]") == 4


@pytest.mark.parametrize(
    "text",
    ["> hi\n", "<< Hello.\n", "> hi\n< I like [cars].\n", "> hi\n< Hello. ?nobody\n", ">> deep\n< Hello.\n", "what\n"],
)
def test_broken_lines_are_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(LinesError):
        Lines(write_lines(tmp_path / "en", text))


def test_fillers_go_together_and_frames_go_around_words(tmp_path: Path) -> None:
    slots = "@ask: do you like ~ | is ~ good\nland/capital: France/Paris, Italy/Rome"
    text = "> the capital of [land]\n< [Capital].\n> @ask(tea) | tea\n< Yes.\n> [sum]\n< [Result]!\n"
    lines = Lines(write_lines(tmp_path / "en", text, slots))
    assert lines.nodes[1].users == ["do you like tea", "is tea good", "tea"]
    for seed in range(20):
        bound: dict[str, str] = {}
        user = lines.expand(lines.nodes[0].users[0], random.Random(seed), bound)
        reply = lines.expand(lines.nodes[0].replies[0], random.Random(seed), bound)
        assert (user, reply) in [("the capital of France", "Paris."), ("the capital of Italy", "Rome.")]
    with pytest.raises(LinesError, match="frame"):
        Lines(write_lines(tmp_path / "en", "> @tell(tea)\n< Yes.\n", slots))
    with pytest.raises(LinesError, match="parts"):
        Lines(write_lines(tmp_path / "en", "> hi\n< Yes.\n", "land/capital: France"))


def test_small_sums_are_right_in_both_languages() -> None:
    for folder, numbers in ((ENGLISH, spoken), (MANDARIN, said)):
        lines = Lines(folder)
        words = {numbers(number): number for number in range(101)}
        for task, result in zip(lines.slots["sum"], lines.slots["result"], strict=True):
            if found := re.fullmatch(r"(\d+) ?([-+x/]) ?(\d+)", task):
                left, right = int(found[1]), int(found[3])
                right_results = {"+": left + right, "-": left - right, "x": left * right, "/": left / max(right, 1)}
                assert words[result] == right_results[found[2]], task


def test_a_name_is_remembered(tmp_path: Path) -> None:
    text = "> i am [myname]\n< Hello.\n> who am i\n< You are [myname].\n< I don't know.\n"
    folder = write_lines(tmp_path / "en", text, "myname: Ann, Bob, Cy")
    told = 0
    for seed in range(30):
        turns, name = OwnTalks(folder, OPENINGS).sample(random.Random(seed), 30).turns, ""
        turns = turns[1:] if turns[0][0] == "system" else turns
        turns = turns[1:] if turns[0][0] == "assistant" else turns
        for (_, user), (_, agent) in zip(turns[::2], turns[1::2], strict=False):
            found = re.search(r"Ann|Bob|Cy", user, re.I)
            name = found[0].lower() if found else name
            if agent.startswith("You are "):
                assert name and name in agent.lower(), turns
                told += 1
    assert told


def test_two_languages_in_one_conversation() -> None:
    both = Switching(OwnTalks(ENGLISH), OwnTalks(MANDARIN))
    for seed in range(40):
        turns = both.sample(random.Random(seed), 8).turns
        roles = [role for role, _ in turns if role != "system"]
        assert all(a != b for a, b in pairwise(roles)) and roles[-1] == "assistant"


def test_a_line_of_mandarin_is_joined_without_spaces() -> None:
    lines = Lines(MANDARIN)
    assert lines.expand("我 叫 {Tom|Tom} ，你 好", random.Random(0), {}) == "我叫Tom，你好"
    assert lines.expand("speak {English|English} please", random.Random(0), {}) == "speak English please"


def test_small_grammar() -> None:
    assert alternatives("a {b|c} | d") == ["a {b|c}", "d"]
    assert alternatives("{b|c}") == ["b", "c"]
    assert articles("a apple and an pear and a unicorn") == "an apple and a pear and a unicorn"
    assert articles("a animator, a onion, a user and a ukulele") == "an animator, an onion, a user and a ukulele"
    assert [plural(word) for word in ("fox", "cat", "puppy", "mouse")] == ["foxes", "cats", "puppies", "mice"]


def test_the_recipe_reads_and_its_rows_fit_q8_0() -> None:
    recipe, digest = load_recipe(HERE / "recipes" / "pocket.toml")
    assert len(digest) == 64
    assert recipe.model.width % 32 == recipe.model.hidden % 32 == recipe.model.width % recipe.model.heads == 0
