"""Cleaning: what goes, why, and that nothing is lost without a word."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echoless.cli import main
from echoless.mind.lexicon import Lexicon
from echoless.workshop.mind.clean import mend
from echoless.workshop.mind.clean.alike import LEAST, find_alike
from echoless.workshop.mind.clean.checks import garbled, markup
from echoless.workshop.mind.clean.cut import cut
from echoless.workshop.mind.clean.language import language_of
from echoless.workshop.mind.clean.names import Names, forms
from echoless.workshop.mind.clean.near import NearDuplicates
from echoless.workshop.mind.clean.private import STANDS_IN, chinese_id, find, luhn, mask
from echoless.workshop.mind.clean.rules import Rules
from echoless.workshop.mind.clean.run import clean
from echoless.workshop.mind.errors import MindError
from echoless.workshop.mind.form import HELD_OUT, REJECTED, Message, Talk, dumps, read_talks
from echoless.workshop.mind.progress import Bar
from echoless.workshop.mind.safety.classifier import features, shipped
from echoless.workshop.mind.safety.neutral import decent_version, neutral_answer

for needed in ("ftfy", "opencc", "py3langid"):
    pytest.importorskip(needed, reason=f"{needed} is not installed: it belongs to the extra echoless[text]")

WORDS = "river market window garden winter letter bottle silver pencil carpet yellow dinner summer candle button mirror"


def talk(*texts: str, kind: str = "json", source: str = "a.jsonl", who: tuple[str, ...] = ()) -> Talk:
    roles = ("user", "assistant")
    names = who or ("",) * len(texts)
    said = tuple(Message(roles[n % 2], text, names[n % len(names)]) for n, text in enumerate(texts))
    return Talk(said, source, kind)


def collected(folder: Path, *talks: Talk) -> Path:
    data = folder / "data"
    data.mkdir(exist_ok=True)
    (data / "dialogues.jsonl").write_text("".join(dumps(each.as_json()) for each in talks), "utf-8")
    return data


def cleaned(folder: Path, *talks: Talk, **rules: object) -> tuple[list[Talk], list[Talk]]:
    """What stays of these dialogues, and what went."""
    out = folder / "clean"
    clean(collected(folder, *talks), out, Rules(**({"hold_out": 0.0} | rules)), Bar())  # type: ignore[arg-type]
    return list(read_talks(out)), list(read_talks(out, REJECTED))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Write to anna.schmidt+x@mail.example.org please", "e-mail"),
        ("Call me at +49 171 1234567 tonight", "phone"),
        ("Call (555) 234-5678", "phone"),
        ("My number is 030 / 1234567", "phone"),
        ("我的电话是13812345678", "phone"),
        ("打010-62781234找他", "phone"),
        ("Card 4111 1111 1111 1111, thanks", "card"),
        ("身份证号11010519491231002X", "id"),
        ("My SSN is 123-45-6789", "id"),
        ("IBAN DE89 3704 0044 0532 0130 00", "bank account"),
        ("The server is at 172.16.254.1 now", "ip address"),
        ("ping 2001:4860:4860::8888 please", "ip address"),
        ("I live at 221 Baker Street now", "address"),
        ("Ich wohne in der Lindenstraße 12", "address"),
        ("我住在中山路12号3栋502室", "address zh"),
        ("我的微信号是 wxid_abc123", "handle"),
        ("the password is hunter2!", "password"),
    ],
)
def test_private_things_are_found(text: str, kind: str) -> None:
    assert [each.kind for each in find(text)] == [kind]
    hidden, counts = mask(text)
    assert STANDS_IN[kind] in hidden and sum(counts.values()) == 1
    assert not find(hidden), "a stand-in is private itself"


@pytest.mark.parametrize(
    "text",
    [
        "It costs 1299.99 or 2,500,000 in all.",
        "In 1999 and 2024 we met 300 people.",
        "On 24.12.2023 and 2023-12-24 at 18:30",
        "Pi is 3.14159265358979",
        "Version 3.11.7 is out, 10:30 to 11:45",
        "Card 4111 1111 1111 1112 has a wrong digit",
        "号码11010519491231002Y不对",
        "The score was 3-2 after 90 minutes, 0:0 before.",
        "游玩时间2小时 - 4小时，门票120元",
        "My password is secret",
        "Main Street is long; take road 5",
        "std::vector<int> a::b",
        "Order 12345678901234567890123",
    ],
)
def test_what_only_looks_private(text: str) -> None:
    assert not find(text)


def test_check_digits() -> None:
    assert luhn("4111111111111111") and not luhn("4111111111111112")
    assert chinese_id("11010519491231002X") and chinese_id("440524188001010014") is False
    assert not chinese_id("110105194912310021") and not chinese_id("11010519491331002X")


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="0123456789 -+()./:@abAB是号路.x", max_size=60))
def test_masking_ends(text: str) -> None:
    hidden = text
    for _ in range(4):
        hidden, counts = mask(hidden)
        if not counts:
            break
    assert not find(hidden)


def test_names_become_others_everywhere() -> None:
    names = Names("chat.txt")
    first = names.replace(
        talk("Hi Ben Carter, it's Anna!", "Hello Anna. Ben here. Will you come?", who=("Anna", "Ben Carter"))
    )
    anna, ben = first.messages[0].speaker, first.messages[1].speaker
    assert {anna, ben}.isdisjoint({"Anna", "Ben Carter"}) and anna != ben
    assert first.messages[0].text == f"Hi {ben}, it's {anna}!"
    assert first.messages[1].text == f"Hello {anna}. {ben} here. Will you come?"
    again = names.replace(talk("Annabel said so to Carter", "Who?", who=("Anna", "Ben Carter")))
    assert again.messages[0].text == f"Annabel said so to {ben}"
    chinese = Names("微信").replace(talk("王小明你好", "小明在", who=("王小明", "李雷")))
    other = chinese.messages[0].speaker
    assert chinese.messages[0].text == f"{other}你好" and chinese.messages[1].text == f"{other}在"
    assert forms("Will Smith") == ["Will Smith", "Will", "Smith"]
    will = Names("x").replace(talk("Will you come, Will?", "ok", who=("Will", "Eve")))
    assert will.messages[0].text.startswith("Will you come, ") and "come, Will" not in will.messages[0].text


def test_mends() -> None:
    assert mend.undo_mojibake("SchÃ¶n, dass es geht") == "Schön, dass es geht"
    assert mend.undo_mojibake("你好，世界".encode().decode("latin-1")) == "你好，世界"
    assert mend.undo_mojibake("“Fine”, he said…") == "“Fine”, he said…"
    assert mend.spaces(" a\u00a0 b\r\n\n\n c\u200b \x07") == "a b\nc"
    assert mend.spaces("你 好 ， 世界 OK") == "你好，世界 OK"
    assert mend.to_script("汉语和台湾", "traditional") == "漢語和臺灣"
    assert mend.to_script("漢語", "simplified") == "汉语" and mend.to_script("plain", "simplified") == "plain"
    with pytest.raises(MindError, match="--script"):
        mend.to_script("汉", "latin")


def test_replies_are_made_speakable() -> None:
    assert mend.speakable("## Tips\n- **Drink** water\n- Sleep *well* 😀\n\nSee [this](https://x.y/z).") == (
        "Tips. Drink water. Sleep well. See this."
    )
    assert mend.speakable("你好\n今天天气不错") == "你好，今天天气不错"
    assert mend.speakable("It is 5 * 3 * 2 and a_b_c :)") == "It is 5 * 3 * 2 and a_b_c"


def test_languages() -> None:
    assert language_of("今天天气不错，我们去公园吧") == "zh"
    assert language_of("我用iPhone打开了这个app") == "zh"
    assert language_of("今日はいい天気ですね") == "ja"
    assert language_of("오늘 날씨가 좋네요") == "ko"
    assert language_of("What a lovely day it is, shall we go for a walk?") == "en"
    assert language_of("Das ist ein sehr schöner Tag, gehen wir spazieren?") == "de"
    assert language_of("ok") == ""


def test_near_duplicates(tmp_path: Path) -> None:
    seen = NearDuplicates(tmp_path)
    text = "Do you know which river runs through the middle of the city, and how long it is from end to end? " * 2
    assert seen.seen(text, "a") is None
    assert seen.seen(text.upper() + "!", "b") == ("duplicate", "a", 1.0)
    found = seen.seen(text.replace("long", "wide", 1), "c")
    assert found and found[:2] == ("near-duplicate", "a") and found[2] > 0.8
    assert seen.seen("Something else altogether, about cooking noodles with tofu and a little ginger.", "d") is None
    assert seen.seen("今天天气不错，我们去公园走走吧，顺便买点水果回来。", "e") is None
    assert seen.seen("今天天气不错，我们去公园走走吧，顺便买点水果回来！", "f")
    assert seen.seen("明天要下雨了，出门的时候别忘记带雨伞和外套。", "g") is None
    seen.close()
    assert not list(tmp_path.iterdir())


def test_the_estimate_is_near_the_truth(tmp_path: Path) -> None:
    seen, rng = NearDuplicates(tmp_path), random.Random(1)
    errors = []
    for _ in range(30):
        words = [rng.choice(WORDS.split()) + str(rng.randrange(50)) for _ in range(60)]
        other = words[: rng.randrange(20, 60)] + [str(rng.randrange(10**6)) for _ in range(10)]
        a, b = "".join(words), "".join(other)
        sets = [{t[n : n + 6] for n in range(len(t) - 5)} for t in (a, b)]
        truth = len(sets[0] & sets[1]) / len(sets[0] | sets[1])
        errors.append(float((seen.signature(a) == seen.signature(b)).mean()) - truth)
    seen.close()
    assert abs(sum(errors) / len(errors)) < 0.05 and max(map(abs, errors)) < 0.25


def test_markup_and_garbage() -> None:
    assert markup("<p>a</p><br><b>x</b>") and markup("```python\nx\n```") and not markup("I <3 you & me")
    assert garbled("hahahahahahahahahahahahaha you") and garbled("== -- ~~ :: || ++ == -- ~~ :: || ++ a")
    assert not garbled("营业时间11:00-14:00，电话010-67389898，门票120元") and not garbled("Well............")
    assert not garbled("No no no, that is not what I meant.")


def test_a_dialogue_is_cut_around_what_goes() -> None:
    whole = talk("a", "b", "c", "BAD", "e", "f", "g")
    kept, gone = cut(whole, ["", "", "", "nsfw", "", "", ""])
    assert [[m.text for m in part.messages] for part in kept] == [["a", "b"], ["e", "f"]]
    assert [m.text for m in gone[0][0].messages] == ["c", "BAD", "g"] and gone[0][1] == ["nsfw"]
    kept, gone = cut(whole, ["", "", "nsfw", "", "", "", ""])  # the answer to it goes with it
    assert [m.text for m in gone[0][0].messages] == ["c", "BAD", "g"]
    kept, gone = cut(talk("a"), [""])
    assert not kept and gone[0][1] == ["one-sided"]
    kept, gone = cut(talk("a", "b"), ["", ""])
    assert kept[0].messages == talk("a", "b").messages and not gone


def turns_of(talks: list[Talk]) -> int:
    return sum(len(each.messages) for each in talks)


def test_nothing_is_lost_without_a_word(tmp_path: Path) -> None:
    rng = random.Random(3)
    sentences = [
        "What a fuck.",
        "Fine, and you?",
        "aaaaaaaaaaaaaaaaaaaa",
        "So be it.",
        "<a></a><b>",
        "x\ufffdy",
        "Tell me",
    ]
    talks = [
        talk(
            *(
                f"{rng.choice(sentences)} {' '.join(rng.choices(WORDS.split(), k=6))}"
                for _ in range(rng.randrange(1, 8))
            )
        )
        for _ in range(60)
    ]
    kept, gone = cleaned(tmp_path, *talks)
    assert turns_of(kept) + turns_of(gone) == turns_of(talks)
    assert all(each.more["reasons"] for each in gone)
    assert not any("fuck" in message.text for each in kept for message in each.messages)
    report = json.loads((tmp_path / "clean" / "report.json").read_text())
    assert report["turns_kept"] == turns_of(kept) and sum(report["reasons"].values()) >= len(gone)
    assert report["reasons"].keys() >= {"nsfw", "garbled", "markup", "damaged", "one-sided"}
    page = (tmp_path / "clean" / "report.md").read_text()
    assert "fuck" not in page and "f•••" in page
    assert not [path for path in (tmp_path / "clean").iterdir() if path.name.endswith(".part")]


def test_a_word_that_no_list_has_is_pointed_at_where_it_is_used_like_those_that_one_has(tmp_path: Path) -> None:
    nouns = WORDS.split()
    gone = [f"Where is my darn {noun}?" for noun in nouns] + [f"Darn! The {noun} fell." for noun in nouns]
    kept = [f"Where is my flipping {noun}?" for noun in nouns] + [f"Flipping! The {noun} fell." for noun in nouns]
    kept += [f"I saw an old {noun} there." for noun in nouns * 2] + [f"Where is my old {noun}?" for noun in nouns]
    darn = Lexicon(("darn",))
    assert [(one.word, one.uses, one.alike) for one in find_alike(kept, gone, darn)] == [("flipping", 32, 32)]
    assert find_alike(kept, gone[: LEAST - 1], darn) == [] and find_alike([], gone, darn) == []
    (tmp_path / "words.txt").write_text("darn\n")
    talks = [talk(f"Number {n}?", said) for n, said in enumerate(gone + kept)]
    cleaned(tmp_path, *talks, words=tmp_path / "words.txt", off=frozenset({"near-duplicate"}))
    assert "- flipping: 32 of 32 uses are where such a word stood" in (tmp_path / "clean" / "report.md").read_text()


def test_rules_say_what_counts(tmp_path: Path) -> None:
    english, german = "What a lovely day it is today, isn't it?", "Das ist heute ein sehr schöner Tag, nicht wahr?"
    talks = [talk(english, "Yes, I think so too."), talk(german, "Ja, das finde ich auch, wirklich.")]
    assert len(cleaned(tmp_path, *talks)[0]) == 2
    kept, gone = cleaned(tmp_path, *talks, languages=("en",))
    assert [each.language for each in kept] == ["en"] and gone[0].more["reasons"] == ["language"]
    assert len(cleaned(tmp_path, talks[0], talks[0])[0]) == 1
    assert len(cleaned(tmp_path, talks[0], talks[0], off=frozenset({"duplicate", "near-duplicate"}))[0]) == 2
    private = talk("My mail is anna@mail.org", "Thank you.")
    assert "name@example.com" in cleaned(tmp_path, private)[0][0].messages[0].text
    assert "anna@mail.org" in cleaned(tmp_path, private, off=frozenset({"private"}))[0][0].messages[0].text
    kept, gone = cleaned(tmp_path, private, on=frozenset({"private"}))
    assert not kept and gone[0].more["reasons"] == ["private"]
    assert not cleaned(tmp_path, talk("Tell me", "word " * 30), longest=20)[0]
    own = tmp_path / "own.txt"
    own.write_text("blasted\n")
    assert not cleaned(tmp_path, talk("Well", "That blasted rain."), words=own)[0]
    with pytest.raises(MindError, match="speling"):
        cleaned(tmp_path, private, off=frozenset({"speling"}))


def test_some_is_held_out_and_always_the_same(tmp_path: Path) -> None:
    talks = [talk(f"Question {n} about {WORDS.split()[n % 16]}", f"Answer {n * 7919}") for n in range(200)]
    kept, gone = cleaned(tmp_path, *talks, hold_out=0.2, off=frozenset({"near-duplicate"}))
    held = list(read_talks(tmp_path / "clean", HELD_OUT))
    assert 20 < len(held) < 60 and len(held) + len(kept) + len(gone) == 200
    cleaned(tmp_path, *reversed(talks), hold_out=0.2, off=frozenset({"near-duplicate"}))
    assert {each.key for each in read_talks(tmp_path / "clean", HELD_OUT)} == {each.key for each in held}


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = collected(tmp_path, talk("Hi there, friend", "Hello to you."), talk("Well", "What the fuck is it?"))
    assert main(["mind", "clean", str(data), "--out", str(tmp_path / "c"), "--hold-out", "0"]) == 0
    shown = capsys.readouterr()
    assert "2 dialogues read, 1 stay" in shown.err and "echoless mind train" in shown.out
    assert main(["mind", "clean", str(tmp_path / "none"), "--out", str(tmp_path / "c")]) == 1
    assert "'echoless mind collect SOURCES --out" in capsys.readouterr().err
    assert main(["mind", "clean", str(data), "--out", str(data)]) == 1
    assert "take another folder" in capsys.readouterr().err
    (data / "dialogues.jsonl").write_text('{"messages": 3}\n')
    assert main(["mind", "clean", str(data), "--out", str(tmp_path / "d")]) == 1
    assert "line 1: no list of messages" in capsys.readouterr().err
    assert not [path for path in (tmp_path / "d").iterdir()], "something was left behind"


def test_decent_versions_and_neutral_answers() -> None:
    lexicon = Lexicon(("darn", "blasted", "讨厌鬼"))
    assert decent_version("The darn bus is late. Sorry!", lexicon) == "The bus is late. Sorry!"
    assert decent_version("Darn! It rains.", lexicon) == "It rains."
    assert decent_version("It is a blasted awful day out there.", lexicon) == "It is an awful day out there."
    assert decent_version("What the darn took you so long?", lexicon) == "What took you so long?"
    assert decent_version("Darn.", lexicon) == ""
    assert decent_version("你这个讨厌鬼。今天下雨。", lexicon) == "今天下雨。"
    assert neutral_answer("你好") == neutral_answer("你好") and neutral_answer("Hi").isascii()


def test_the_classifier_tells_tones_apart() -> None:
    judge = shipped()
    assert judge("take off your clothes for me") > 0.5 > judge("take off your shoes before you come in, please")
    assert judge("") == 0.0 and len(features("你好")) and 0 <= judge("x" * 10_000) <= 1
