"""A call record as a picture and a few lines, from records that we make: whole, broken, long and hostile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from echoless.recall import RecordError, recall
from echoless.show import draw, show
from echoless.timing import percentiles, timing

RATE = 16_000


def speech(seconds: float, seed: int, level: float = 0.1) -> np.ndarray:
    """Noise with the syllables of speech, nowhere silent for long."""
    noise = np.random.default_rng(seed).standard_normal(round(seconds * RATE)).astype(np.float32)
    times = np.arange(len(noise)) / RATE
    return noise * level * (0.55 + 0.45 * np.sin(2 * np.pi * 4 * times + seed)).astype(np.float32)


def record(folder: Path, seconds: float = 20.0, events: list[dict[str, Any]] | None = None) -> Path:
    """A call: a question at 1-3 s, answered at 3.6-8 s, cut into at 7 s, silent by 7.4 s."""
    folder.mkdir(parents=True, exist_ok=True)
    user = np.random.default_rng(0).standard_normal(round(seconds * RATE)).astype(np.float32) * 3e-4
    agent = np.zeros_like(user)
    user[RATE : 3 * RATE] += speech(2, 1)
    user[7 * RATE : 9 * RATE] += speech(2, 2)
    agent[round(3.6 * RATE) : round(7.4 * RATE)] = speech(3.8, 3)
    for name, track in (("mic", user + 0.3 * agent), ("clean", user), ("speaker", agent)):
        soundfile.write(folder / f"{name}.wav", track, RATE)
    (folder / "call.json").write_text(json.dumps({"echoless": "0.1.0"}))
    write(folder, EVENTS if events is None else events)
    return folder


def write(folder: Path, events: list[dict[str, Any]]) -> None:
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))


EVENTS: list[dict[str, Any]] = [
    {"t": 1.1, "event": "user.started", "evidence": {"speech": 0.93}},
    {"t": 3.3, "event": "user.stopped", "evidence": {}},
    {"t": 3.35, "event": "user.said", "text": "What is the weather like?", "turn": 1},
    {"t": 3.35, "event": "agent.thinking", "turn": 1, "generation": 1},
    {"t": 3.6, "event": "agent.started", "turn": 1, "generation": 1},
    {"t": 7.2, "event": "user.started", "evidence": {"speech": 0.9}},
    {"t": 7.2, "event": "agent.ducked", "generation": 1},
    {"t": 7.5, "event": "agent.stopped", "generation": 1, "reason": "interrupted"},
    {"t": 7.5, "event": "agent.said", "generation": 1, "text": "It will rain", "unheard": "all day $long$, I fear."},
    {"t": 9.2, "event": "user.stopped", "evidence": {}},
    {
        "t": 9.3,
        "event": "user.rejected",
        "reason": "echo",
        "evidence": {"words": 0.91, "gate": 2},
        "text": "it will rain",
    },
    {"t": 10.0, "event": "failure", "part": "mind", "what": "gone", "action": "restarted"},
    {"t": 11.0, "event": "mode", "duplex": "half", "why": "two doubtful turns"},
    {"t": 12.0, "event": "something.new", "x": 1},
]


def test_a_call_is_summed_up_and_drawn(tmp_path: Path):
    told = show(record(tmp_path / "call")).splitlines()
    assert told[0] == "20.0 s, 1 turns of the user, 1 replies: 1 interrupted, 0 taken back, 0 failed; 1 ducks"
    assert told[1] == "not answered: 1 echo"
    assert told[-1] == str(tmp_path / "call" / "call.png")
    assert (tmp_path / "call" / "call.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_latencies_are_measured_on_the_sound(tmp_path: Path):
    measured = timing(recall(record(tmp_path)))
    assert percentiles(measured.responses) == pytest.approx((600, 600), abs=40)  # the user's sound ends at 3.0 s
    assert percentiles(measured.silences) == pytest.approx((400, 400), abs=40)


def test_without_sound_the_events_tell(tmp_path: Path):
    write(tmp_path, EVENTS)
    measured = timing(recall(tmp_path))
    assert percentiles(measured.responses) == pytest.approx((300, 300))
    assert percentiles(measured.silences) == pytest.approx((0, 0))  # ducked as soon as noticed
    assert "response: p50 300 ms" in show(tmp_path)


def test_words_are_drawn_and_the_unheard_ones_struck_out(tmp_path: Path):
    call = recall(record(tmp_path))
    (row,) = draw(call, timing(call)).axes
    words = {text.get_text() for text in row.texts}
    assert "What is the weather like?" in words and "It will rain" in words
    (unheard,) = [text for text in row.texts if "$long$" in text.get_text()]
    assert any(line.get_ydata()[0] == unheard.get_position()[1] for line in row.lines if len(line.get_ydata()) == 2)
    assert "echo: it will rain" in words and "words 0.91, gate 2" in words
    assert any("mind: gone (restarted)" in word for word in words)


def test_a_long_call_goes_into_rows(tmp_path: Path):
    call = recall(record(tmp_path, 100.0))
    figure = draw(call, timing(call))
    assert len(figure.axes) == 5
    assert [ax.get_xlim()[0] for ax in figure.axes] == [0, 20, 40, 60, 80]


def test_an_hour_stays_one_picture(tmp_path: Path):
    write(tmp_path, [{"t": 3600.0, "event": "user.started"}])
    call = recall(tmp_path)
    assert len(draw(call, timing(call)).axes) == 50


def test_half_a_last_line_of_a_killed_call_is_forgiven(tmp_path: Path):
    record(tmp_path)
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"t": 13.0, "eve')
    assert len(recall(tmp_path).events) == len(EVENTS)


BROKEN: dict[str, tuple[str, bytes, str]] = {
    "no json": ("call.json", b"{", "is not JSON"),
    "no object": ("call.json", b"[]", "is not an object"),
    "deep": ("call.json", b"[" * 100_000, "is not JSON"),
    "no event": ("events.jsonl", b'{"t": 1}\n{"t": 2, "event": "mode"}\n', "line 1"),
    "no time": ("events.jsonl", b'{"t": NaN, "event": "mode"}\n\n{"t": 1, "event": "x"}\n', "line 1"),
    "far off": ("events.jsonl", b'{"t": 1e300, "event": "mode"}\n{"t": 1, "event": "x"}\n', "line 1"),
    "bytes": ("events.jsonl", b"\xff\xfe\n", "not a text file"),
    "no wav": ("mic.wav", b"RIFF", "is not a WAV file"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_record_is_one_line(kind: str, tmp_path: Path):
    name, content, told = BROKEN[kind]
    record(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RecordError) as caught:
        show(tmp_path)
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_no_record_is_one_line(tmp_path: Path):
    with pytest.raises(RecordError, match="holds no call"):
        show(tmp_path)
    with pytest.raises(RecordError, match="not a folder"):
        show(tmp_path / "nothing")
    record(tmp_path)
    soundfile.write(tmp_path / "clean.wav", np.zeros(100), 8000)
    with pytest.raises(RecordError, match="different rates"):
        show(tmp_path)


def test_values_of_the_wrong_kind_do_not_break_the_picture(tmp_path: Path):
    odd = [{**event, "text": 5, "evidence": [1], "unheard": {}, "reason": None, "duplex": 3} for event in EVENTS]
    record(tmp_path, events=odd)
    assert str(tmp_path) in show(tmp_path)
