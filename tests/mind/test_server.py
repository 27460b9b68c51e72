"""The embedded server: it starts, answers, is idle again soon, comes back from the dead and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import aclosing, suppress
from pathlib import Path

import httpx
import pytest
from tests.mind.tiny_gguf import TALKATIVE

from echoless.frames import Turn
from echoless.mind.door import MindError
from echoless.mind.llama import LlamaMind
from echoless.mind.modelfile import check_gguf
from echoless.mind.server import LlamaServer, spare_threads

HELLO = [Turn("user", "Hello there")]


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    if Path("/proc/self/stat").exists():
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


async def gone(pid: int) -> None:
    async with asyncio.timeout(10):
        while alive(pid):
            await asyncio.sleep(0.01)


async def busy(server: LlamaServer) -> bool:
    endpoint = server.endpoint
    async with httpx.AsyncClient(
        headers={"Authorization": f"Bearer {endpoint.key}"}, trust_env=False, verify=False
    ) as client:
        slots = (await client.get(f"{endpoint.url}/slots")).json()
    return any(slot["is_processing"] for slot in slots)


async def idle(server: LlamaServer) -> None:
    async with asyncio.timeout(10):
        while await busy(server):
            await asyncio.sleep(0.005)


async def test_it_answers_and_stops_without_a_trace(tiny: Path) -> None:
    server = LlamaServer(tiny, context=1024)
    seen: list[float] = []
    await server.start(seen.append)
    pid, log = server.pid, server.log
    assert pid and log.exists()
    mind = LlamaMind(lambda: server.endpoint, sampling=TALKATIVE, limit=16)
    assert (await mind.check()).context == 1024
    assert mind.traits.name == "tiny.gguf" and mind.traits.template
    assert "".join([piece async for piece in mind.reply(HELLO)]).strip()
    await mind.prefill(HELLO)
    await mind.aclose()
    await server.stop()
    await server.stop()
    await gone(pid)
    assert not log.exists()
    with pytest.raises(MindError, match="not running"):
        server.endpoint  # noqa: B018


async def test_only_we_can_reach_it(server: LlamaServer) -> None:
    url = server.endpoint.url
    assert httpx.URL(url).host == "127.0.0.1"
    async with httpx.AsyncClient(trust_env=False) as client:
        refused = await client.post(
            f"{url}/completion", json={"prompt": "x"}, headers={"Origin": "http://evil.example"}
        )
        assert refused.status_code == 401
        assert refused.headers.get("access-control-allow-origin", "") == ""
    port = httpx.URL(url).port
    with socket.socket(socket.AF_INET) as other, pytest.raises(OSError):
        other.settimeout(1)
        other.connect(("127.0.0.2", port))


async def test_a_model_without_a_template_gets_a_plain_transcript(bare: Path) -> None:
    async with LlamaServer(bare, context=1024) as server:
        mind = LlamaMind(lambda: server.endpoint, sampling=TALKATIVE, limit=16)
        assert not (await mind.check()).template
        assert [piece async for piece in mind.reply(HELLO)]
        await mind.aclose()


async def test_closing_a_reply_stops_the_decoding(server: LlamaServer) -> None:
    mind = LlamaMind(lambda: server.endpoint, sampling=TALKATIVE, limit=1500, context=2048)
    async with aclosing(mind.reply(HELLO)) as pieces:  # type: ignore[type-var]
        await anext(pieces)
    await idle(server)
    assert [piece async for piece in LlamaMind(lambda: server.endpoint, sampling=TALKATIVE, limit=8).reply(HELLO)]
    await mind.aclose()


async def test_cutting_a_prefill_stops_it_and_it_can_be_taken_up_again(slow: Path) -> None:
    turns = [Turn("user", "This is a long story. " * 80)]
    async with LlamaServer(slow, context=2048, threads=1) as server:
        mind = LlamaMind(lambda: server.endpoint, sampling=TALKATIVE, limit=8)
        await mind.check()
        prefill = asyncio.ensure_future(mind.prefill(turns))
        async with asyncio.timeout(20):
            while not await busy(server):
                await asyncio.sleep(0.002)
        prefill.cancel()
        await asyncio.wait({prefill})
        assert prefill.cancelled()
        await idle(server)
        await mind.prefill(turns)
        await mind.aclose()


async def test_it_comes_back_after_being_killed(server: LlamaServer) -> None:
    mind = LlamaMind(lambda: server.endpoint, sampling=TALKATIVE, limit=8)
    assert not await server.ensure()
    first = server.pid
    assert first
    os.kill(first, signal.SIGKILL)
    await gone(first)
    assert await server.ensure()
    assert server.pid not in (None, first)
    assert [piece async for piece in mind.reply(HELLO)]
    await mind.aclose()


async def test_the_supervisor_restarts_it_until_it_dies_too_often(tiny: Path) -> None:
    notes: list[tuple[str, str, str]] = []
    server = LlamaServer(tiny, restarts=2, note=lambda *note: notes.append(note))
    await server.start()
    watch = asyncio.ensure_future(server.supervise())
    seen: set[int | None] = {None}
    async with asyncio.timeout(30):
        for _ in range(3):
            while (server._endpoint is None or server.pid in seen) and not watch.done():
                await asyncio.sleep(0.005)
            pid = server.pid
            assert pid
            seen.add(pid)
            os.kill(pid, signal.SIGKILL)
            await gone(pid)
        with pytest.raises(MindError, match="died 3 times"):
            await watch
    assert [action for _, _, action in notes] == ["restarted", "restarted", "gave_up"]
    await server.stop()


async def test_a_hung_server_is_restarted(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("echoless.mind.server.HEALTHY_WITHIN", 0.2)
    async with LlamaServer(tiny) as server:
        first = server.pid
        assert first
        os.kill(first, signal.SIGSTOP)
        await asyncio.sleep(0.05)  # until its threads have really stopped
        assert await server.ensure()
        await gone(first)
        assert server.pid != first


async def test_stopping_ends_the_supervisor(tiny: Path) -> None:
    server = LlamaServer(tiny)
    await server.start()
    watch = asyncio.ensure_future(server.supervise())
    await asyncio.sleep(0)
    await server.stop()
    async with asyncio.timeout(5):
        await watch


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_it_dies_with_its_parent(tiny: Path, tmp_path: Path, how: signal.Signals) -> None:
    script = (
        "import asyncio, sys\nfrom echoless.mind.server import LlamaServer\n"
        "async def main():\n    server = LlamaServer(sys.argv[1])\n    await server.start()\n"
        "    print(server.pid, flush=True)\n    await asyncio.Event().wait()\nasyncio.run(main())\n"
    )
    command, place = [sys.executable, "-c", script, str(tiny)], {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=place) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert alive(child)
        parent.send_signal(how)
        parent.wait(10)
    await gone(child)


async def test_the_pipe_alone_ends_it_too(tiny: Path) -> None:
    """Where there is no PR_SET_PDEATHSIG."""
    async with LlamaServer(tiny) as server:
        pid, process = server.pid, server._process
        assert pid and process and process.stdin
        process.stdin.close()
        await gone(pid)


def damaged(kind: str, tiny: Path, path: Path) -> Path:
    whole = tiny.read_bytes()
    contents = {
        "empty": b"",
        "text": b"just some text that is no model at all",
        "page": b"<!DOCTYPE html><html>401</html>          ",
        "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
        "counts": whole[:8] + b"\xff" * 16 + whole[24:],
        "version": whole[:4] + b"\x01\x00\x00\x00" + whole[8:],
        "head": whole[:3000],
        "tail": whole[: len(whole) // 2],
        "settings": whole[:40] + os.urandom(8) + whole[48:],
    }
    path.write_bytes(contents[kind])
    return path


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("empty", "no GGUF model"),
        ("text", "no GGUF model"),
        ("page", "web page"),
        ("pointer", "Git LFS"),
        ("counts", "damaged GGUF"),
        ("version", "version 1"),
        ("head", "does not load: .{5,}"),
        ("tail", "does not load: .*corrupted or incomplete"),
        ("settings", "does not load"),
    ],
)
async def test_a_file_that_is_no_model_gets_one_line(kind: str, line: str, tiny: Path, tmp_path: Path) -> None:
    server = LlamaServer(damaged(kind, tiny, tmp_path / "x.gguf"))
    with pytest.raises(MindError, match=line) as failure:
        await server.start()
    assert "\n" not in str(failure.value)
    assert server.pid is None
    await server.stop()


async def test_no_model_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(MindError, match="there is no model at"):
        check_gguf(tmp_path / "none.gguf")
    with pytest.raises(MindError, match="is a folder"):
        check_gguf(tmp_path)


async def test_cancelling_the_start_leaves_no_process(tiny: Path) -> None:
    server = LlamaServer(tiny)
    start = asyncio.ensure_future(server.start())
    while server._process is None:
        await asyncio.sleep(0)
    pid = server._process.pid
    start.cancel()
    await asyncio.wait({start})
    await gone(pid)
    await server.stop()


def test_one_core_stays_free() -> None:
    assert 1 <= spare_threads() <= max(1, (os.cpu_count() or 1) - 1)


async def test_the_folder_one_stands_in_is_not_loaded_from(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script of one's own called json.py must not become the server's."""
    (tmp_path / "json.py").write_text("raise SystemExit('loaded')")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.gguf").write_bytes(tiny.read_bytes())
    server = LlamaServer(Path("here.gguf"))
    await server.start()
    await server.stop()
