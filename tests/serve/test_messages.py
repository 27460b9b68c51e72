"""What a page may say."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echoless.serve import messages as m


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ('{"type":"hello","session":null}', m.Hello(None)),
        ('{"type":"hello","session":"abc"}', m.Hello("abc")),
        ('{"type":"type","text":"hi"}', m.Typed("hi")),
        ('{"type":"mute","on":true}', m.Mute(True)),
        ('{"type":"playout","seconds":0.25}', m.Playout(0.25)),
        ('{"type":"stop","more":1}', m.Stop()),
    ],
)
def test_a_page_is_understood(raw: str, message: m.Message) -> None:
    assert m.parse(raw) == message


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 5000,
        '{"type":"shutdown"}',
        '{"type":"type"}',
        '{"type":"type","text":7}',
        json.dumps({"type": "type", "text": "x" * 4001}),
        json.dumps({"type": "hello", "session": "x" * 129}),
        '{"type":"mute","on":1}',
        '{"type":"playout","seconds":NaN}',
        '{"type":"playout","seconds":true}',
        '{"type":"playout","seconds":1e999}',
    ],
)
def test_anything_else_is_refused(raw: str) -> None:
    with pytest.raises(m.BadMessage):
        m.parse(raw)


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_no_json_breaks_the_parser(value: object) -> None:
    with pytest.raises(m.BadMessage):
        m.parse(json.dumps(value))
