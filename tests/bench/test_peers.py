"""The side-by-side bench: the model server that always says the same, the table, and the second opinion."""

from __future__ import annotations

import http.client
import json
from typing import Any

import numpy as np
import pytest
from bench.peers import calibrate, outside, scripts, table
from bench.peers.agents import AGENTS
from bench.peers.canned import REPLY, Canned, Manner
from bench.peers.table import Judged

from echoless.frames import RATE, Turn
from echoless.mind.llama import LlamaMind
from echoless.rooms.people import People
from echoless.rooms.scorer import Scores
from echoless.rooms.script import ScriptError, load

QUICK = Manner(first=0.0, pace=1e6)


def ask(server: Canned, path: str, body: Any) -> tuple[int, str]:
    """Status and text of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        connection.request("POST", path, body if isinstance(body, str) else json.dumps(body))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def events(text: str) -> list[Any]:
    """The events of a stream; [DONE] as it is."""
    data = [line.removeprefix("data: ") for line in text.splitlines() if line]
    return [each if each == "[DONE]" else json.loads(each) for each in data]


def test_completion_streams_the_reply() -> None:
    with Canned(QUICK) as server:
        status, text = ask(server, "/completion", {"prompt": "Hello?", "stream": True})
    pieces = events(text)
    assert status == 200
    assert "".join(p["content"] for p in pieces) == REPLY
    assert [p["stop"] for p in pieces] == [False] * (len(pieces) - 1) + [True]


def test_chat_streams_the_reply_and_says_done() -> None:
    with Canned(QUICK) as server:
        _, text = ask(server, "/v1/chat/completions", {"messages": [], "stream": True})
        _, whole = ask(server, "/v1/chat/completions", {"messages": []})
    *pieces, done = events(text)
    assert done == "[DONE]"
    assert "".join(p["choices"][0]["delta"].get("content", "") for p in pieces) == REPLY
    assert pieces[-1]["choices"][0]["finish_reason"] == "stop"
    assert json.loads(whole)["choices"][0]["message"]["content"] == REPLY


@pytest.mark.parametrize("body", ["", "no JSON", "[1]"])
def test_refuses_what_is_no_request(body: str) -> None:
    with Canned(QUICK) as server:
        assert ask(server, "/completion", body)[0] == 400
        assert ask(server, "/elsewhere", {})[0] == 404
        assert server.requests == []


def test_a_client_that_hangs_up_ends_the_reply() -> None:
    with Canned(Manner(reply="word " * 20_000, first=0.0, pace=1e4)) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        connection.request("POST", "/completion", json.dumps({"stream": True}))
        answer = connection.getresponse()
        answer.read(100)
        answer.close()
        connection.close()
        for _ in range(500):
            if server.requests[0].hung_up:
                break
            ask(server, "/completion", {"n_predict": 0})
        assert server.requests[0].hung_up
        assert server.requests[0].tokens < 20_000


async def test_our_own_client_takes_the_server_for_llama_cpp() -> None:
    with Canned(QUICK) as server:
        mind = LlamaMind(server.url)
        try:
            await mind.check()
            await mind.prefill([Turn("user", "Hello?")])
            said = "".join([piece async for piece in mind.reply([Turn("user", "Hello?")])])
        finally:
            await mind.aclose()
        assert said.strip() == REPLY
        assert server.requests[0].tokens == 0, "reading ahead says nothing"


def _scores(**keys: Any) -> Scores:
    return Scores(**{"seconds": 60.0, "agent_speech": 20.0, "agent_dbfs": -20.0, **keys})


def _cut_in(noticed: bool, stopped: float | None = None) -> dict[str, object]:
    return {"kind": "interrupt", "begin": 21.0, "noticed": noticed, "stopped": stopped, "answered": noticed}


RUN = {"valid": True, "cpu_share": 0.2, "load": [1, 1, 1], "trouble": ""}


def test_table_counts_over_valid_calls_only() -> None:
    reply = {"begin": 5.0, "end": 9.0, "kind": "reply", "latency": 1.0, "over_user": False}
    itself = {"begin": 11.0, "end": 15.0, "kind": "self_answer"}
    slow = {**reply, "latency": 2.0}
    calls = [
        Judged("pipecat", 5, 1, RUN, _scores(bursts=[reply, itself], talkers=[_cut_in(True, 0.4)])),
        Judged("pipecat", 5, 2, RUN, _scores(bursts=[slow], talkers=[_cut_in(False)], self_interruptions=[3.0])),
        Judged("pipecat", 5, 3, {**RUN, "valid": False}, _scores(bursts=[itself] * 9)),
        Judged("ours", -60, 1, {"trouble": "no call"}, None),
    ]
    ours, theirs = table.rows(calls, list(AGENTS))
    assert (ours.agent, ours.runs, ours.valid, ours.self_answers_a_minute) == ("ours", 1, 0, None)
    assert (theirs.runs, theirs.valid, theirs.minutes) == (3, 2, 2.0)
    assert theirs.self_answers_a_minute == 0.5
    assert (theirs.answered, theirs.asked) == (1, 2)
    assert theirs.latency_p50 == 1.5
    assert (theirs.noticed, theirs.cut_in, theirs.silence_p50) == (1, 2, 0.4)
    assert theirs.false_stops == 1
    text = table.markdown([ours, theirs], {"ours": "Echoless"})
    assert "| Echoless | headset | 1 (0) | – |" in text
    assert "| pipecat | +5 dB | 3 (2) | 0.5 |" in text
    assert len({line.count("|") for line in text.splitlines()}) == 1


def test_second_opinion_knows_resumed_replies_and_names_what_differs() -> None:
    reply, itself = {"kind": "reply"}, {"kind": "self_answer"}
    other = {
        "self_answers": 0,
        "resumed": 1,
        "replies": 1,
        "barge_in": [{"at": 21.1, "stop_s": 0.5}],
        "false_stops": [],
    }
    ours = _scores(bursts=[reply, itself], talkers=[_cut_in(True, 0.4)])
    assert outside.differences(ours, other) == []
    assert outside.differences(ours, {**other, "resumed": 0}) == ["self-answers 1 / 0 (resumed 0)"]
    deaf = {**other, "barge_in": [{"at": 21.1, "stop_s": 3.0}], "false_stops": [4.0]}
    assert len(outside.differences(ours, deaf)) == 2
    report = outside.report([Judged("ours", 5, 1, RUN, ours, other), Judged("ours", 5, 2, RUN, ours, deaf)])
    assert "in 1 of 2 calls" in report
    assert "seed 2" in report


def test_calibration_finds_the_way_through_the_card() -> None:
    user, speaker = np.zeros((2, 6 * RATE), np.float32)
    for at in (1.0, 3.0):
        user[int(at * RATE) : int((at + 0.5) * RATE)] = 0.1
        speaker[int((at + 0.11) * RATE) : int((at + 0.31) * RATE)] = 0.1
    assert calibrate.delays(user, speaker) == (100.0, 100.0)
    assert calibrate.delays(user, np.zeros_like(speaker)) == ()


def test_scripts_are_what_the_room_reads_and_repeat(tmp_path: Any) -> None:
    try:
        people = People()
    except ScriptError as why:
        pytest.skip(str(why))
    quiet, loud = (scripts.write(people, 1, level, tmp_path) for level in (-60, 10))
    again = scripts.write(people, 1, -60, tmp_path / "again" / "..")
    first, second = load(quiet), load(loud)
    assert load(again) == first
    assert second.talkers == first.talkers
    assert second.room.echo_db == 10
    assert second.room.model_copy(update={"echo_db": -60}) == first.room
