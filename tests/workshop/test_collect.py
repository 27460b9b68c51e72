"""Collecting: each kind of file becomes the dialogues that are in it, and bad ones become one clear line."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echoless.cli import main
from echoless.workshop.mind.collect.encoding import detect
from echoless.workshop.mind.collect.kinds import tell
from echoless.workshop.mind.collect.run import collect
from echoless.workshop.mind.collect.source import Source, SourceError, Wish
from echoless.workshop.mind.collect.whatsapp import date_order, stamps
from echoless.workshop.mind.errors import MindError
from echoless.workshop.mind.form import Talk, from_json, read_talks
from echoless.workshop.mind.progress import Bar


def talks(path: Path, me: str = "", kind: str = "") -> list[list[tuple[str, str]]]:
    """What is collected from one file: role and text of each message of each dialogue."""
    out = path.parent / f"out-{path.name}"
    collect([str(path)], out, Wish(me), Bar(), kind)
    return [[(m.role[0], m.text) for m in talk.messages] for talk in read_talks(out)]


def written(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


PAIR = [("u", "Hi"), ("a", "Hello.")]
SHAPES = [
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]},
    {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            {"role": "model", "content": "Hello."},
        ]
    },
    {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}]},
    {"conversation": [{"input": "Hi", "output": "Hello."}]},
    {"conversation": [{"human": "Hi", "assistant": "Hello."}], "conversation_id": 7},
    {"instruction": "Hi", "input": "", "output": "Hello."},
    {"prompt": "Hi", "completion": "Hello."},
    {"question": "Hi", "answer": "Hello."},
    {"turns": ["Hi", "Hello."]},
    {"dialog": ["Hi", "Hello."]},
    {"Dialogue": [{"Speaker": "Tom", "Text": "Hi"}, {"Speaker": "Eve", "Text": "Hello."}]},
    {"text": "### Human: Hi### Assistant: Hello."},
    {"text": "### Human: Hi\n### Assistant: Hello."},
    ["Hi", "Hello."],
    [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}],
    {"chosen": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}], "rejected": []},
]


@pytest.mark.parametrize("shape", SHAPES, ids=range(len(SHAPES)))
def test_shapes_of_json(tmp_path: Path, shape: object) -> None:
    line = json.dumps(shape)
    assert talks(written(tmp_path, "a.jsonl", f"{line}\n{line}")) == [PAIR, PAIR]
    assert talks(written(tmp_path, "a.json", f"[{line}, {line}]")) == [PAIR, PAIR]
    if isinstance(shape, dict):
        assert talks(written(tmp_path, "b.json", json.dumps(shape, indent=1))) == [PAIR]
        assert talks(written(tmp_path, "c.json", json.dumps({"data": [shape]}))) == [PAIR]


def test_more_of_json(tmp_path: Path) -> None:
    lines = [
        {"instruction": "Sum", "input": "1 2", "output": "3", "system": "Be brief", "history": [["a", "b"]]},
        {"messages": [{"role": "tool", "content": "x"}, {"role": "user", "content": "y"}]},
        {"something": 1},
        {"turns": ["alone"]},
        3,
    ]
    path = written(
        tmp_path, "a.jsonl", "\n".join(map(json.dumps, lines)) + '\n{"turns": [NaN, "b"]}\n{"turns": ["a",\n'
    )
    assert talks(path) == [[("s", "Be brief"), ("u", "a"), ("a", "b"), ("u", "Sum\n1 2"), ("a", "3")]]
    state = json.loads((tmp_path / "out-a.jsonl" / "sources.json").read_text())["sources"][str(path)]
    assert state["items"] == 7 and sum(state["passed"].values()) == 6
    assert "line 6: no JSON: NaN is not JSON" in state["examples"]


WHATSAPP = {
    "ios-de": "[31.12.23, 23:59:01] Anna: Hallo\n[31.12.23, 23:59:30] Ben: Na du\nwie geht's?\n",
    "ios-us": "[12/31/23, 11:59:01\u202fPM] Anna: Hallo\n[12/31/23, 11:59:30\u202fPM] Ben: Na du\nwie geht's?\n",
    "ios-zh": "[2023/12/31 下午11:59:01] Anna: Hallo\n[2023/12/31 下午11:59:30] Ben: Na du\nwie geht's?\n",
    "android-uk": "31/12/2023, 23:59 - Anna: Hallo\n31/12/2023, 23:59 - Ben: Na du\nwie geht's?\n",
    "android-us": "12/31/23, 11:59 PM - Anna: Hallo\n12/31/23, 11:59 PM - Ben: Na du\nwie geht's?\n",
    "android-de": "31.12.23, 23:59 - Anna: Hallo\n31.12.23, 23:59 - Ben: Na du\nwie geht's?\n",
    "android-zh": "2023/12/31 下午11:59 - Anna: Hallo\n2023/12/31 下午11:59 - Ben: Na du\nwie geht's?\n",
    "android-es": "31/12/23, 11:59 p. m. - Anna: Hallo\n31/12/23, 11:59 p. m. - Ben: Na du\nwie geht's?\n",
    "android-iso": "2023-12-31, 23:59 - Anna: Hallo\n2023-12-31, 23:59 - Ben: Na du\nwie geht's?\n",
    "android-nl": "31-12-2023 23:59 - Anna: Hallo\n31-12-2023 23:59 - Ben: Na du\nwie geht's?\n",
    "android-ko": "2023년 12월 31일 오후 11:59, Anna : Hallo\n2023년 12월 31일 오후 11:59, Ben : Na du\nwie geht's?\n",
    "android-fr": "31/12/2023 à 23:59 - Anna: Hallo\n31/12/2023 à 23:59 - Ben: Na du\nwie geht's?\n",
    "android-de-um": "31.12.23 um 23:59 - Anna: Hallo\n31.12.23 um 23:59 - Ben: Na du\nwie geht's?\n",
    "android-ar": "٣١/١٢/٢٠٢٣, ١١:٥٩ م - Anna: Hallo\n٣١/١٢/٢٠٢٣, ١١:٥٩ م - Ben: Na du\nwie geht's?\n",
}


@pytest.mark.parametrize("chat", WHATSAPP.values(), ids=WHATSAPP)
def test_whatsapp_of_many_countries(tmp_path: Path, chat: str) -> None:
    path = written(tmp_path, "chat.txt", chat)
    assert talks(path) == [[("u", "Hallo"), ("a", "Na du\nwie geht's?")]]
    talk = next(read_talks(tmp_path / "out-chat.txt"))
    assert talk.kind == "whatsapp" and [m.speaker for m in talk.messages] == ["Anna", "Ben"]
    assert talk.messages[0].time.startswith("2023-12-31T23:59")


def test_whatsapp_leaves_out_what_nobody_typed(tmp_path: Path) -> None:
    chat = (
        "[01.02.24, 10:00:00] Anna: \u200eMessages and calls are end-to-end encrypted.\n"
        "[01.02.24, 10:00:00] Anna: Bist du da?\n"
        "\u200e[01.02.24, 10:00:05] Anna: \u200eimage omitted\n"
        "[01.02.24, 10:01:00] Ben: <Media omitted>\n"
        "[01.02.24, 10:01:00] Ben: Ja. <This message was edited>\n"
        "[01.02.24, 10:01:00] Ben: IMG-2024.jpg (file attached)\n"
        "[01.02.24, 18:00:00] Ben: Noch da?\n"
        "[01.02.24, 18:01:00] Anna: This message was deleted\n"
        "[01.02.24, 18:02:00] Anna: Klar\n"
    )
    path = written(tmp_path, "chat.txt", chat)
    assert talks(path, "ben") == [[("u", "Bist du da?"), ("a", "Ja.")], [("a", "Noch da?"), ("u", "Klar")]]


def test_the_order_of_dates_follows_the_whole_chat() -> None:
    assert date_order(stamps(["[01.02.24, 10:00] A: x", "[13.02.24, 10:00] A: x"])) == "dmy"
    assert date_order(stamps(["[1/2/24, 10:00] A: x", "[1/13/24, 10:00] A: x"])) == "mdy"
    assert date_order(stamps(["[3/1/24, 10:00] A: x", "[2/3/24, 10:00] A: x", "[1/5/24, 10:00] A: x"])) == "dmy"
    assert date_order(stamps(["[1/5/24, 10:00] A: x", "[2/3/24, 10:00] A: x", "[3/1/24, 10:00] A: x"])) == "mdy"
    assert date_order(stamps(["1/2/24, 10:00 AM - A: x"])) == "mdy"
    assert date_order(stamps(["1/2/24, 10:00 - A: x"])) == "dmy"


def test_me_decides_who_the_assistant_is(tmp_path: Path) -> None:
    path = written(tmp_path, "chat.txt", WHATSAPP["android-uk"])
    assert talks(path, "anna") == [[("a", "Hallo"), ("u", "Na du\nwie geht's?")]]
    found = collect([str(path)], tmp_path / "other", Wish("Carl"), Bar())
    assert not found.dialogues and "Carl" in found.errors[0] and "\n" not in found.errors[0]
    assert "--me takes one of" in (tmp_path / "other" / "summary.md").read_text()


WECHAT = {
    "desktop": "张三 2024-05-01 18:30:00\n去吃饭吗？\n\n李四 2024-05-01 18:31:00\n好啊\n走吧[微笑]\n",
    "mailed": "—————  2024-05-01  —————\n\n张三  18:30\n\n去吃饭吗？\n\n李四  18:31\n\n好啊\n走吧\n",
    "backup": "2024-05-01 18:30:00 张三\n去吃饭吗？\n\n2024-05-01 18:31:00 李四\n好啊\n走吧\n",
    "dump": "张三(2024-05-01 18:30:00):去吃饭吗？\n李四(2024-05-01 18:31:00):好啊\n李四(2024-05-01 18:31:02):走吧\n",
    "halves": "张三 2024年5月1日 下午6:30\n去吃饭吗？\n李四 2024年5月1日 下午6:31\n好啊\n"
    "李四 2024年5月1日 下午6:31\n走吧\n",
}


@pytest.mark.parametrize("chat", WECHAT.values(), ids=WECHAT)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_wechat(tmp_path: Path, chat: str, encoding: str) -> None:
    path = written(tmp_path, "chat.txt", chat.encode(encoding))
    assert talks(path) == [[("u", "去吃饭吗？"), ("a", "好啊\n走吧")]]
    talk = next(read_talks(tmp_path / "out-chat.txt"))
    assert talk.kind == "wechat" and talk.messages[0].time == "2024-05-01T18:30:00"


def test_wechat_tables_of_backup_tools(tmp_path: Path) -> None:
    memo = (
        "localId,TalkerId,Type,SubType,IsSender,CreateTime,Status,StrContent,StrTime,Remark,NickName,Sender\n"
        '1,2,1,0,0,1714559400,3,"去吃饭吗？",2024-05-01 18:30:00,张三,z,w1\n'
        "2,2,3,0,0,1714559410,3,<msg>,2024-05-01 18:30:10,张三,z,w1\n"
        "3,2,1,0,1,1714559460,2,好啊[图片],2024-05-01 18:31:00,我,me,w2\n"
    )
    dump = "id,MsgSvrID,type_name,is_sender,talker,room_name,msg,src,CreateTime\n"
    dump += "1,9,文本,0,w1,w1,去吃饭吗？,,2024-05-01 18:30:00\n2,9,文本,1,w1,w1,好啊,,2024-05-01 18:31:00\n"
    for name, text in (("memo.csv", memo), ("dump.csv", dump)):
        path = written(tmp_path, name, text)
        assert talks(path) == [[("u", "去吃饭吗？"), ("a", "好啊")]]
        assert collect([str(path)], tmp_path / f"again-{name}", Wish(), Bar()).private


def telegram(*said: tuple[str, object, str]) -> list[dict[str, object]]:
    return [
        {"id": n, "type": "message", "date": f"2024-05-01T{time}", "from": who, "from_id": "user1", "text": text}
        for n, (who, text, time) in enumerate(said)
    ]


def test_telegram_json(tmp_path: Path) -> None:
    rich = ["See ", {"type": "link", "text": "this"}, "!"]
    chat = telegram(("Anna", "Hi", "18:30:00"), ("Ben", rich, "18:31:00"), ("Anna", "", "18:32:00"))
    service = {"id": 9, "type": "service", "actor": "Anna", "action": "phone_call", "text": ""}
    one = {"name": "Anna", "type": "personal_chat", "id": 1, "messages": [service, *chat]}
    wanted = [("u", "Hi"), ("a", "See this!")]
    assert talks(written(tmp_path, "result.json", json.dumps(one, indent=1))) == [wanted]
    other = telegram(("Eve", "Bye", "19:00:00"), ("Ben", "Bye!", "19:01:00"))
    whole = {"about": "…", "chats": {"about": "", "list": [one, {"name": "Eve", "messages": other}]}}
    path = written(tmp_path, "all.json", json.dumps(whole))
    assert talks(path, "Ben") == [wanted, [("u", "Bye"), ("a", "Bye!")]]
    cut = written(tmp_path, "cut.json", json.dumps(one)[:-60])
    assert "is not JSON after 3 elements" in collect([str(cut)], tmp_path / "x", Wish(), Bar()).errors[0]


TELEGRAM_PAGE = """<!DOCTYPE html><html><body><div class="page_wrap"><div class="page_body chat_page">
<div class="history">
<div class="message service" id="message-1"><div class="body details">1 May 2024</div></div>
<div class="message default clearfix" id="message1"><div class="body">
 <div class="pull_right date details" title="01.05.2024 18:30:00 UTC+01:00">18:30</div>
 <div class="from_name">
Anna &amp; Co </div><div class="text">
Hi<br>you &lt;3 </div></div></div>
<div class="message default clearfix joined" id="message2"><div class="body">
 <div class="pull_right date details" title="01.05.2024 18:30:20 UTC+01:00">18:30</div>
 <div class="text"> How are <b>you</b>? </div></div></div>
<div class="message default clearfix" id="message3"><div class="body">
 <div class="pull_right date details" title="01.05.2024 18:31:00 UTC+01:00">18:31</div>
 <div class="from_name"> Ben </div><div class="text"> Fine. </div></div></div>
<div class="message default clearfix" id="message4"><div class="body"><div class="from_name"> Ben </div>
 <div class="forwarded body"><div class="from_name"> News </div><div class="text"> Read all about it </div></div>
 </div></div>
</div></div></div></body></html>"""


def test_telegram_page(tmp_path: Path) -> None:
    path = written(tmp_path, "messages.html", TELEGRAM_PAGE)
    assert talks(path) == [[("u", "Hi\nyou <3\nHow are you?"), ("a", "Fine.")]]
    talk = next(read_talks(tmp_path / "out-messages.html"))
    assert talk.messages[0].speaker == "Anna & Co" and talk.messages[1].time == "2024-05-01T18:31:00"


SRT = """1
00:00:01,000 --> 00:00:02,500
<i>Where are you</i>

2
00:00:02,600 --> 00:00:03,500
going?

3
00:00:04,000 --> 00:00:05,000
- Home.
- Already?

4
00:00:30,000 --> 00:00:31,000
[music] ANNA: Stop!

5
00:00:31,500 --> 00:00:32,000
BEN: No.

6
00:00:33,500 --> 00:00:34,000
Subtitles by somebody
"""
ASS = """[Script Info]
Title: x
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:01.00,0:00:02.00,Default,Anna,0,0,0,,{\\i1}Where to,\\Nthen?
Dialogue: 0,0:00:02.50,0:00:03.00,Default,Ben,0,0,0,,Home, I think.
Comment: 0,0:00:02.50,0:00:03.00,Default,Ben,0,0,0,,not this
"""
VTT = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Anna>Where to?</v>\n\n00:02.500 --> 00:03.000\n<v Ben>Home.\n"


def test_subtitles(tmp_path: Path) -> None:
    turns = [("u", "Where are you going?"), ("a", "Home."), ("u", "Already?")]
    assert talks(written(tmp_path, "a.srt", SRT)) == [turns, [("u", "Stop!"), ("a", "No.")]]
    assert talks(written(tmp_path, "b.srt", SRT.replace("\n\n", "\n").replace("\n", "\r\n").encode("utf-16"))) == [
        turns,
        [("u", "Stop!"), ("a", "No.")],
    ]
    assert talks(written(tmp_path, "a.vtt", VTT)) == [[("u", "Where to?"), ("a", "Home.")]]
    assert talks(written(tmp_path, "a.ass", ASS)) == [[("u", "Where to, then?"), ("a", "Home, I think.")]]
    chinese = "1\n00:00:01,000 --> 00:00:02,000\n你现在想去哪儿？\n\n2\n00:00:02,000 --> 00:00:03,000\n（叹气）回家。\n"
    assert talks(written(tmp_path, "zh.srt", chinese.encode("gb18030"))) == [
        [("u", "你现在想去哪儿？"), ("a", "回家。")]
    ]


def test_call_records_hold_what_was_heard(tmp_path: Path) -> None:
    events = [
        {"t": 0.5, "event": "user.started"},
        {"t": 2.0, "event": "user.said", "text": "Tell me a story", "turn": 1},
        {
            "t": 3.0,
            "event": "agent.sentence",
            "generation": 1,
            "text": "Once upon a time there was a king.",
            "marks": [],
        },
        {"t": 5.0, "event": "agent.said", "generation": 1, "text": "Once upon a", "unheard": " time there was a king."},
        {"t": 5.5, "event": "user.said", "text": "A shorter one", "turn": 2},
        {"t": 6.0, "event": "agent.said", "generation": 2, "text": "", "unheard": "All right."},
        {"t": 7.0, "event": "user.said", "text": "please", "turn": 3},
        {"t": 8.0, "event": "agent.said", "generation": 3, "text": "A king was.", "unheard": ""},
    ]
    folder = tmp_path / "calls" / "one"
    folder.mkdir(parents=True)
    (folder / "call.json").write_text("{}")
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events) + '{"t": 9, "ev')
    result = collect([str(tmp_path / "calls")], tmp_path / "out", Wish(), Bar())
    assert result.dialogues == 1 and result.private
    said = [(m.role[0], m.text) for m in next(read_talks(tmp_path / "out")).messages]
    wanted = ["Tell me a story", "Once upon a", "A shorter one please", "A king was."]
    assert said == list(zip("uaua", wanted, strict=True))


TABLES = {
    "pairs.csv": 'prompt,response\n"Hi","Hello."\n',
    "pairs.tsv": "question\tanswer\nHi\tHello.\n",
    "semicolon.csv": "Prompt;Completion\nHi;Hello.\n",
    "turns.csv": "speaker,text\nAnna,Hi\nBen,Hello.\n",
    "timed.csv": "time,sender,message\n2024-05-01 10:00:00,Anna,Hi\n2024-05-01 10:01:00,Ben,Hello.\n",
    "grouped.csv": "conversation_id,role,content\n1,user,Hi\n1,assistant,Hello.\n",
    "bare.csv": "Hi,Hello.\n",
    "chinese.csv": "问题,回答\nHi,Hello.\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(tmp_path: Path, name: str) -> None:
    assert talks(written(tmp_path, name, TABLES[name])) == [PAIR]


TEXTS = {
    "named": "A: Hi\nB: Hello.\n\nA: Hi\nB: Hello.\n",
    "roles": "User: Hi\nAssistant: Hello.\n\nUser: Hi\nAssistant: Hello.\n",
    "answers-first": "System: x\nUser: Hi\nAssistant: Hello.\n\nUser: Hi\nAssistant: Hello.\n",
    "dashes": "- Hi\n- Hello.\n\n- Hi\n- Hello.",
    "lines": "Hi\nHello.\n\nHi\nHello.\n",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_plain_dialogues(tmp_path: Path, text: str) -> None:
    found = talks(written(tmp_path, "a.txt", text))
    assert [[turn for turn in talk if turn[0] != "s"] for talk in found] == [PAIR, PAIR]


def test_prose_is_no_dialogue(tmp_path: Path) -> None:
    prose = ("It was a long day, and nothing in it was worth the telling. " * 8 + "\n") * 5
    with pytest.raises(SourceError, match="no kind that is known"):
        tell(Source("a.txt", written(tmp_path, "a.txt", prose)))


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("A: 今天天气不错，我们去公园走走吧。\nB: 好啊，几点出发？\n", "gb18030"),
        ("A: 今天天氣不錯，我們去公園走走吧。\nB: 好啊，幾點出發？\n", "big5"),
        ("A: 今日はいい天気ですね。\nB: そうですね、散歩に行きましょうか。\n", "shift_jis"),
        ("A: Schöne Grüße aus München!\nB: Danke, und wie geht's dir?\n", "cp1252"),
        ("A: Привет, как дела?\nB: Хорошо, спасибо.\n", "cp1251"),
        ("A: 你好，你在哪里？\nB: 我在家。\n", "utf-16-le"),
        ("A: Hello there\nB: And hello to you\n", "utf-16-be"),
    ],
)
def test_encodings(tmp_path: Path, text: str, encoding: str) -> None:
    found = talks(written(tmp_path, "a.txt", text.encode(encoding)))
    said = [line[3:] for line in text.strip().split("\n")]
    assert found == [[("u", said[0]), ("a", said[1])]]


def test_damaged_text_is_counted(tmp_path: Path) -> None:
    text = ("A: 你好，你在哪里？\nB: 我在家。\n\n" * 50).encode()
    path = written(tmp_path, "a.txt", text[:30] + b"\xff\xff" + text[30:])
    result = collect([str(path)], tmp_path / "out", Wish(), Bar())
    entry = result.entries[str(path)]
    assert entry.dialogues == 50 and entry.damaged == 2
    assert "2 characters could not be read" in (tmp_path / "out" / "summary.md").read_text()


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_have_an_encoding_or_none(head: bytes) -> None:
    found = detect(head)
    assert found is None or isinstance(head.decode(found, "replace"), str)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.srt", "a.html", "result.json", "a.txt", "a.ass"])
@settings(max_examples=15, deadline=None)
@given(data=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_rubbish_is_one_line(tmp_path_factory: pytest.TempPathFactory, name: str, data: bytes) -> None:
    path = written(tmp_path_factory.mktemp("rubbish"), name, data)
    try:
        items = list(tell(source := Source(name, path)).read(source, Wish()))
    except MindError as error:
        assert "\n" not in str(error)
    else:
        assert all(isinstance(from_json(item.as_json()), Talk) for item in items if isinstance(item, Talk))


def broken(folder: Path) -> dict[str, Path]:
    """Files that nobody can read, and a word of what is said about each."""
    many = " " * (2**20)
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.txt", "w") as file:
        file.write(b"A: Hi\nB: Hello.\n\n")
        for _ in range(80):
            file.write(many.encode())
    with gzip.open(folder / "bomb.jsonl.gz", "wb") as file:
        file.write(b'{"turns": ["')
        for _ in range(80):
            file.write(many.encode())
    whole = gzip.compress(b'{"turns": ["a", "b"]}\n' * 5000)
    return {
        "is empty": written(folder, "empty.jsonl", ""),
        "is not JSON": written(folder, "half.json", '[{"turns": ["a", "b"]}, {"tur'),
        "is not JSON: NaN": written(folder, "nan.json", '{"turns": ["a", NaN]}'),
        "not JSON after": written(folder, "nans.json", '[{"turns": ["a", NaN]}]'),
        "is no text": written(folder, "picture.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4),
        "no kind that is known": written(folder, "page.html", "<html><body>Hello</body></html>"),
        "longer than 8 MB": written(folder, "long.jsonl", '{"turns": ["' + "a" * (9 * 2**20) + '", "b"]}'),
        "grows more than": folder / "bomb.zip",
        "more than 200-fold": folder / "bomb.jsonl.gz",
        "is a broken archive": written(folder, "cut.jsonl.gz", whole[:-20]),
        "broken archive": written(folder, "cut.zip", b"PK\x03\x04" + b"x" * 100),
        "none of its columns": written(folder, "a.csv", "one,two,three\n1,2,3\n"),
        "elements: nested too deeply": written(folder, "list.json", "[" * 100_000 + "]" * 100_000),
        "nested too deeply": written(folder, "deep.json", '{"turns":' + "[" * 100_000 + "]" * 100_000 + "}"),
    }


def test_what_nobody_can_read_is_one_line_each(tmp_path: Path) -> None:
    for says, path in broken(tmp_path).items():
        try:
            errors = collect([str(path)], tmp_path / "out", Wish(), Bar())
            lines = [*errors.errors, *errors.skipped]
        except MindError as error:
            lines = [str(error)]
        assert len(lines) == 1 and says in lines[0] and "\n" not in lines[0], (path.name, lines)
        assert len(lines[0]) < 400


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = written(tmp_path, "good.jsonl", json.dumps({"turns": ["Hi", "Hello."]}))
    bad = written(tmp_path, "bad.json", "{")
    assert main(["mind", "collect", str(bad), str(good), "--out", str(tmp_path / "out")]) == 1
    shown = capsys.readouterr()
    assert "1 dialogues" in shown.out and "bad.json is not JSON" in shown.err
    assert main(["mind", "collect", str(tmp_path / "missing"), "--out", str(tmp_path / "out")]) == 1
    assert "missing does not exist" in capsys.readouterr().err
    assert main(["mind", "collect", str(good), "--out", str(good)]) == 1
    assert "--out takes a folder" in capsys.readouterr().err


def test_what_is_there_is_not_read_again(tmp_path: Path) -> None:
    one = written(tmp_path, "one.jsonl", json.dumps({"turns": ["Hi", "Hello."]}))
    two = written(tmp_path, "two.jsonl", json.dumps({"turns": ["Bye", "So long."]}))
    out = tmp_path / "out"
    assert collect([str(one)], out, Wish(), Bar()).new == [str(one)]
    assert collect([str(one), str(two)], out, Wish(), Bar()).new == [str(two)]
    assert len(list(read_talks(out))) == 2
    one.write_text(json.dumps({"turns": ["Hey", "Hello again."]}))
    assert collect([str(one), str(two)], out, Wish(), Bar()).new == [str(one)]
    assert sorted(talk.messages[0].text for talk in read_talks(out)) == ["Bye", "Hey"]
    assert out.stat().st_mode & 0o077 == 0


class _Stops(Bar):
    """Ctrl-C after some dialogues."""

    def says(self, note: str) -> None:
        raise KeyboardInterrupt


def test_a_stopped_run_goes_on(tmp_path: Path) -> None:
    lines = "".join(json.dumps({"turns": [f"Say {n}", f"{n}."]}) + "\n" for n in range(1000))
    path = written(tmp_path, "a.jsonl", lines)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        collect([str(path)], out, Wish(), _Stops())
    assert 0 < len(list(read_talks(out))) < 1000
    with (out / "dialogues.jsonl").open("ab") as file:  # what a kill between two checkpoints leaves
        file.write(b'{"messages": [{"role": "us')
    assert collect([str(path)], out, Wish(), Bar()).dialogues == 1000
    assert [talk.messages[1].text for talk in read_talks(out)] == [f"{n}." for n in range(1000)]


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    lines = "".join(json.dumps({"turns": [f"Say {n}", "x" * 100]}) + "\n" for n in range(3000))
    path = written(tmp_path, "a.jsonl", lines)
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)); from echoless.cli import main;"
        "sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "mind", "collect", str(path), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 1 and len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "is full" in done.stderr and "run the same command again" in done.stderr
    assert collect([str(path)], tmp_path / "out", Wish(), Bar()).dialogues == 3000
    assert len(list(read_talks(tmp_path / "out"))) == 3000


def test_zips_and_folders_are_opened(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    with zipfile.ZipFile(inside / "WhatsApp Chat.zip", "w") as archive:
        archive.writestr("_chat.txt", WHATSAPP["ios-de"])
        archive.writestr("IMG.jpg", b"x")
    written(inside, "a.jsonl.gz", gzip.compress(json.dumps({"turns": ["Hi", "Hello."]}).encode()))
    written(inside, "b.txt", "nothing that is a dialogue, on a line of its own")
    written(inside, ".hidden.json", "{")
    result = collect([str(inside)], tmp_path / "out", Wish(), Bar())
    assert result.dialogues == 2 and not result.errors and len(result.skipped) == 1
    assert {talk.kind for talk in read_talks(tmp_path / "out")} == {"whatsapp", "json"}
