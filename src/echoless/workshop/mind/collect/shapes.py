"""The shapes in which dialogues lie in JSON: an object becomes a dialogue, whatever it calls its parts."""

from __future__ import annotations

import re
from typing import Any

from echoless.workshop.mind.collect.plain import from_names
from echoless.workshop.mind.collect.source import Item, Passed, Wish
from echoless.workshop.mind.form import Message, Talk

ROLES = {
    **dict.fromkeys(("system", "developer", "系统"), "system"),
    **dict.fromkeys(("user", "human", "prompter", "customer", "usr", "client", "instruction", "用户", "问"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot", "model", "ai", "agent", "chatgpt", "bing", "助手", "答"), "assistant"),
}
"""What sides are called, and what that is here. Tools and functions are neither: they end a dialogue."""
PAIRS = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("prompt", "chosen"),
    ("instruction", "response"),
    ("instruction", "output"),
    ("question", "answer"),
    ("question", "response"),
    ("query", "response"),
    ("query", "answer"),
    ("input", "output"),
    ("input", "target"),
    ("human", "assistant"),
    ("user", "assistant"),
    ("user", "bot"),
    ("ask", "say"),
    ("q", "a"),
    ("问题", "回答"),
    ("问题", "答案"),
    ("问", "答"),
)
"""Names of what is said and what is answered."""
LISTS = ("messages", "conversations", "conversation", "dialogue", "dialog", "turns", "utterances", "history")
_MARKED = re.compile(
    r"(?:(?:^|\n)\s*(?:<\|(?:im_start\|>)?)?|###\s*)(Human|User|Assistant|System|用户|助手)\s*(?:\|>|[:：\n])"
)


def dialogue(given: Any, wish: Wish, source: str, kind: str = "json") -> Item:
    """The dialogue in a piece of JSON; Passed where there is none in it."""
    if isinstance(given, list):
        found = _from_list(given, "", source, wish)
    elif isinstance(given, dict):
        found = _from_object({str(name).lower(): value for name, value in given.items()}, source, wish)
    elif isinstance(given, str):
        found = _from_marked(given)
    else:
        found = None
    if found is None:
        return Passed(f"no dialogue in it ({_what(given)})")
    if isinstance(found, Passed):
        return found
    messages = list(found.messages) if isinstance(found, Talk) else found
    messages = [message for message in messages if message.text.strip()]
    if not {"user", "assistant"} <= {message.role for message in messages}:
        return Passed("only one side speaks")
    about = given if isinstance(given, dict) else {}
    licence = _word(about, "licence", "license") or wish.licence
    language = _word(about, "language", "lang")
    name = _word(about, "id", "conversation_id", "dialogue_id", "conv_id")
    return Talk(
        tuple(messages), source, kind, language.lower()[:3].rstrip("-_"), licence, f"{source}#{name}" if name else ""
    )


def _what(given: Any) -> str:
    if isinstance(given, dict):
        return "keys: " + (", ".join(map(str, list(given)[:6])) or "none")
    return type(given).__name__


def _word(about: dict[str, Any], *names: str) -> str:
    return next(
        (str(about[name]) for name in names if isinstance(about.get(name), str | int) and about[name] != ""), ""
    )


def _from_object(given: dict[str, Any], source: str, wish: Wish) -> list[Message] | Passed | Talk | None:
    system = given["system"] if isinstance(given.get("system"), str) else given.get("system_prompt")
    for name in LISTS:
        if isinstance(given.get(name), list) and given[name] and not (name == "history" and _pair(given)):
            return _from_list(given[name], system, source, wish)
    if isinstance(given.get("data"), list):
        return _from_list(given["data"], system, source, wish)
    if isinstance(given.get("chosen"), list):
        return _from_list(given["chosen"], system, source, wish)
    if pair := _pair(given):
        asked, answered = (_text(given[name]) for name in pair)
        context = _text(given.get("input") or given.get("context")) if "input" not in pair else ""
        asked = f"{asked}\n{context}" if context else asked
        before = [part for pair in _history(given.get("history")) for part in pair]
        return [*_system(system), *before, Message("user", asked), Message("assistant", answered)]
    if isinstance(given.get("text"), str):
        return _from_marked(given["text"])
    return None


def _pair(given: dict[str, Any]) -> tuple[str, str] | None:
    for asked, answered in PAIRS:
        if _text(given.get(asked)) and _text(given.get(answered)):
            return asked, answered
    return None


def _history(given: Any) -> list[tuple[Message, Message]]:
    pairs = given if isinstance(given, list) else []
    return [
        (Message("user", _text(pair[0])), Message("assistant", _text(pair[1])))
        for pair in pairs
        if isinstance(pair, list | tuple) and len(pair) == 2
    ]


def _system(text: Any) -> list[Message]:
    return [Message("system", text)] if isinstance(text, str) and text.strip() else []


def _text(given: Any) -> str:
    """A string; the texts of a list of parts, as some services write a message."""
    if isinstance(given, str):
        return given
    if isinstance(given, list) and all(
        isinstance(part, str) or (isinstance(part, dict) and "text" in part) for part in given
    ):
        return "\n".join(part if isinstance(part, str) else str(part["text"]) for part in given)
    return ""


def _from_list(given: list[Any], system: Any, source: str, wish: Wish) -> list[Message] | Passed | Talk | None:
    if len(given) == 1 and isinstance(given[0], list):
        given = given[0]
    if given and all(isinstance(turn, str) for turn in given):
        return [*_system(system), *_alternating(given)]
    if not given or not all(isinstance(turn, dict) for turn in given):
        return None
    turns = [{str(name).lower(): value for name, value in turn.items()} for turn in given]
    if any(_said(turn) is None for turn in turns):
        pairs = [_pair(turn) for turn in turns]
        asked = [
            (Message("user", _text(turn[pair[0]])), Message("assistant", _text(turn[pair[1]])))
            for turn, pair in zip(turns, pairs, strict=True)
            if pair
        ]
        return [*_system(system), *(part for both in asked for part in both)] if all(pairs) else None
    return _from_turns(turns, system, source, wish)


def _alternating(texts: list[str]) -> list[Message]:
    return [Message("assistant" if number % 2 else "user", text) for number, text in enumerate(texts)]


def _said(turn: dict[str, Any]) -> tuple[str, str] | None:
    who = next(
        (turn[name] for name in ("role", "from", "speaker", "author", "user", "sender", "name") if name in turn), None
    )
    what = next(
        (_text(turn[name]) for name in ("content", "value", "text", "utterance", "message") if name in turn), None
    )
    if isinstance(who, dict):
        who = who.get("role") or who.get("name")
    return (str(who), what) if who is not None and what is not None else None


def _from_turns(turns: list[dict[str, Any]], system: Any, source: str, wish: Wish) -> list[Message] | Passed | Talk:
    said = [each for turn in turns if (each := _said(turn))]
    if any(who.lower() not in ROLES for who, _ in said):
        if any(who.lower() in ("tool", "function", "function_call", "observation") for who, _ in said):
            return Passed("calls tools")
        found = from_names(said, source, wish, "json")
        if isinstance(found, Talk):
            return [*_system(system), *found.messages]
        return found
    messages = list[Message]()
    for who, text in said:
        role = ROLES[who.lower()]
        if messages and messages[-1].role == role:
            messages[-1] = Message(role, f"{messages[-1].text}\n{text}")
        else:
            messages.append(Message(role, text))
    return messages if any(m.role == "system" for m in messages) else [*_system(system), *messages]


def _from_marked(text: str) -> list[Message] | None:
    """`### Human: ... ### Assistant: ...` within one string."""
    marks = list(_MARKED.finditer(text))
    if len(marks) < 2:
        return None
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    cleaned = (
        re.sub(r"(?:###|<\|im_end\|>|</s>)\s*$", "", text[m.end() : e].strip()).strip()
        for m, e in zip(marks, ends, strict=True)
    )
    return [Message(ROLES[mark[1].lower()], said) for mark, said in zip(marks, cleaned, strict=True)]
