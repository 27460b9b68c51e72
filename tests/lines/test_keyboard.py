"""Typed text from everything a standard input can be."""

import asyncio
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from echoless.lines.door import LineError
from echoless.lines.keyboard import LONGEST, typed


async def through_a_pipe(data: bytes) -> list[str]:
    out, into = os.pipe()

    def feed() -> None:
        with os.fdopen(into, "wb") as f:
            f.write(data)

    feeding = asyncio.create_task(asyncio.to_thread(feed))
    try:
        return [line async for line in typed(out)]
    finally:
        await feeding
        os.close(out)


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"hello\nhow are you?\n", ["hello", "how are you?"]),
        (b"no line end", ["no line end"]),
        (b"\n\n  \n x \r\ny\r\n", ["x", "y"]),
        ("你好，世界\nnaïve\n".encode(), ["你好，世界", "naïve"]),
        (b"broken \xff\xfe text\n", ["broken \ufffd\ufffd text"]),
        (b"cut in a letter \xe4\xbd", ["cut in a letter \ufffd"]),
    ],
)
async def test_lines_from_a_pipe(data: bytes, lines: list[str]) -> None:
    assert await through_a_pipe(data) == lines


async def test_an_endless_line_comes_in_pieces() -> None:
    lines = await through_a_pipe(b"x" * 100_000)
    assert sum(map(len, lines)) == 100_000
    assert max(map(len, lines)) <= LONGEST


async def test_letters_cut_by_a_read_are_whole() -> None:
    text = "é" * 5001
    assert "".join(await through_a_pipe(b"a" + text.encode())) == "a" + text


async def test_a_plain_file(tmp_path: Path) -> None:
    (tmp_path / "talk.txt").write_text("one\ntwo\n")
    with (tmp_path / "talk.txt").open() as f:
        assert [line async for line in typed(f.fileno())] == ["one", "two"]


async def test_a_closed_keyboard_is_one_clear_line() -> None:
    out, into = os.pipe()
    os.close(out)
    os.close(into)
    with pytest.raises(LineError):
        [line async for line in typed(out)]


async def test_other_tasks_run_while_nobody_types() -> None:
    out, into = os.pipe()
    waiting = asyncio.create_task(anext(typed(out)))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    os.write(into, b"now\n")
    assert await waiting == "now"
    os.close(out)
    os.close(into)


PROGRAM = """
import asyncio, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is started deaf to it
from echoless.lines.keyboard import typed
async def main():
    print("ready", flush=True)
    async for line in typed():
        print("got", line, flush=True)
    print("end", flush=True)
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


def on_a_terminal(*keys: bytes) -> tuple[str, int]:
    main, side = pty.openpty()
    program = subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=side, stdout=subprocess.PIPE)
    assert program.stdout is not None
    said = program.stdout.readline().decode()
    for key in keys:
        if key == b"^C":
            program.send_signal(signal.SIGINT)
        else:
            os.write(main, key)
            if b"\n" in key:
                said += program.stdout.readline().decode()
        time.sleep(0.02)
    said += program.communicate(timeout=20)[0].decode()
    os.close(main)
    os.close(side)
    return said, program.returncode


def test_a_terminal_until_ctrl_d() -> None:
    assert on_a_terminal(b"hi there\n", b"\x04") == ("ready\ngot hi there\nend\n", 0)


def test_ctrl_c_ends_it_at_once() -> None:
    said, code = on_a_terminal(b"half a li", b"^C")
    assert said == "ready\nstopped\n"
    assert code == 0
