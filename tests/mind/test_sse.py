"""Server-sent events: any cut of the bytes gives the same events, and nothing a server sends can hurt."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echoless.mind.sse import LONGEST_EVENT, ServerEvent, SseOverflow, SseParser


def parse(*pieces: bytes) -> list[ServerEvent]:
    parser = SseParser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    return events + parser.finish()


def test_a_character_cut_between_packets_stays_whole() -> None:
    whole = 'data: {"content":"你好 é"}\n\n'.encode()
    for cut in range(len(whole)):
        assert parse(whole[:cut], whole[cut:]) == [ServerEvent('{"content":"你好 é"}')]


def test_line_ends_of_every_kind() -> None:
    assert [event.data for event in parse(b"data: a\r\n\r\ndata: b\r\rdata: c\n\n")] == ["a", "b", "c"]
    assert [event.data for event in parse(b"data: a\r", b"\n\r", b"", b"\ndata: b\n\n")] == ["a", "b"]


def test_fields_comments_and_several_data_lines() -> None:
    stream = b": ping\nid: 7\nretry: 10\nevent: delta\ndata: one\ndata:two\n\ndata: next\n\n"
    assert parse(stream) == [ServerEvent("one\ntwo", "delta"), ServerEvent("next")]


def test_an_error_line_and_a_last_event_without_its_end() -> None:
    assert parse(b'error: {"message":"no"}\n\n') == [ServerEvent('{"message":"no"}', "error")]
    assert parse(b"data: tail") == [ServerEvent("tail")]


def test_lines_that_are_no_events_are_counted_and_skipped() -> None:
    parser = SseParser()
    events = parser.feed(b"<html>\xff\xfe\n<p>nope</p>\n\ndata: ok\n\n")
    assert events == [ServerEvent("ok")]
    assert parser.garbage == 2


def test_an_endless_event_is_refused() -> None:
    parser = SseParser()
    with pytest.raises(SseOverflow):
        for _ in range(LONGEST_EVENT // 1000 + 2):
            parser.feed(b"x" * 1000)


@given(st.lists(st.binary(max_size=12), max_size=20), st.data())
def test_cuts_never_matter(pieces: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(pieces) + b"data: a\xe4\xbd\xa0\r\n\r\nevent: e\ndata: b\n\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    edges = [0, *cuts, len(whole)]
    assert parse(*(whole[a:b] for a, b in itertools.pairwise(edges))) == parse(whole)
