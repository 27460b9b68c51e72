"""Who may come in. Nothing here listens on a port."""

from __future__ import annotations

import pytest

from echoless.serve.gate import ENTRY_SECONDS, LINK_SECONDS, Admission, Origins, loopback_origins
from echoless.serve.limits import Bucket, Buckets

OURS = Origins(loopback_origins(8642))


@pytest.mark.parametrize("host", ["localhost:8642", "127.0.0.1:8642", "[::1]:8642", "LOCALHOST:8642"])
def test_our_own_names_are_welcome(host: str) -> None:
    assert OURS.refuse({"Host": host}) is None
    assert OURS.refuse({"Host": host, "Origin": "http://localhost:8642", "Sec-Fetch-Site": "same-origin"}) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8642",
        "localhost",
        "localhost:80",
        "localhost:8642@evil",
        "",
        "[::1",
        "0.0.0.0:8642",
    ],
)
def test_another_name_for_our_address_is_refused(host: str) -> None:
    """DNS rebinding: the name is somebody else's, the address ours."""
    refusal = OURS.refuse({"Host": host})
    assert refusal is not None and refusal.status == 421


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://localhost:9999",
        "https://localhost:8642",
        "http://localhost:8642.evil.example",
    ],
)
@pytest.mark.parametrize("socket", [False, True])
def test_foreign_origins_are_refused(origin: str, socket: bool) -> None:
    refusal = OURS.refuse({"Host": "localhost:8642", "Origin": origin}, socket=socket)
    assert refusal is not None and refusal.status == 403


def test_a_socket_needs_an_origin() -> None:
    assert OURS.refuse({"Host": "localhost:8642"}, socket=True) is not None
    assert OURS.refuse({"Host": "localhost:8642", "Origin": "http://localhost:8642"}, socket=True) is None


def test_another_site_may_link_to_the_page_but_nothing_else() -> None:
    headers = {"Host": "localhost:8642", "Sec-Fetch-Site": "cross-site"}
    link = headers | {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert OURS.refuse(link, page=True) is None
    assert OURS.refuse(link, page=False) is not None
    assert OURS.refuse(link | {"Sec-Fetch-Dest": "iframe"}, page=True) is not None
    assert OURS.refuse(headers | {"Sec-Fetch-Mode": "no-cors"}, page=True) is not None


def test_a_proxy_without_a_port_is_named_without_one() -> None:
    ours = Origins(frozenset({"https://talk.example.org"}))
    assert ours.refuse({"Host": "talk.example.org", "Origin": "https://talk.example.org"}) is None


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_link_lets_in_once() -> None:
    door = Admission(Clock())
    code = door.link()
    cookie = door.enter(code)
    assert cookie is not None and door.admits(cookie)
    assert door.enter(code) is None


def test_a_link_grows_old() -> None:
    clock = Clock()
    door = Admission(clock)
    code = door.link()
    clock.now = LINK_SECONDS
    assert door.enter(code) is None


def test_who_came_in_does_not_stay_for_ever() -> None:
    clock = Clock()
    door = Admission(clock)
    cookie = door.enter(door.token)
    clock.now = ENTRY_SECONDS - 1
    assert door.admits(cookie)
    clock.now = ENTRY_SECONDS
    assert not door.admits(cookie)


@pytest.mark.parametrize("code", ["", "x", "\ud800", "é" * 200])
def test_a_wrong_token_does_not(code: str) -> None:
    door = Admission(Clock())
    assert door.enter(code) is None
    assert not door.admits(code)
    assert not door.admits(None)


def test_the_token_itself_is_no_cookie_and_is_not_kept_in_the_clear() -> None:
    door = Admission(Clock())
    cookie = door.enter(door.token)
    assert not door.admits(door.token)
    assert cookie not in str(vars(door)["_entries"])


def test_a_short_token_is_refused() -> None:
    with pytest.raises(ValueError, match="24"):
        Admission(Clock(), "secret")


def test_entries_are_bounded() -> None:
    door = Admission(Clock())
    first = door.enter(door.token)
    for _ in range(256):
        door.enter(door.token)
    assert not door.admits(first)


def test_a_bucket_allows_a_burst_and_then_its_rate() -> None:
    bucket = Bucket(rate=2, burst=3)
    assert [bucket.take(10.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.take(10.5) and not bucket.take(10.5)
    assert [bucket.take(1000.0) for _ in range(4)] == [True, True, True, False]


def test_addresses_have_a_bucket_each_and_are_forgotten() -> None:
    buckets = Buckets(rate=0, burst=1, most=2)
    assert buckets.take("a", 0) and not buckets.take("a", 0)
    assert buckets.take("b", 0)
    assert buckets.take("c", 0)
    assert len(buckets._buckets) == 2
