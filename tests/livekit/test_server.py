"""Starting and ending a server of one's own; its configuration and keys."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from livekit import api

from echoless.livekit import server as servers
from echoless.livekit.access import Access, LiveKitError, access, checked_url
from echoless.livekit.server import LocalServer, configuration


def test_every_port_stays_on_loopback() -> None:
    written = json.loads(configuration(7880, 7882, "key", "secret"))
    assert written["bind_addresses"] == ["127.0.0.1"]
    assert written["rtc"]["ips"] == {"includes": ["127.0.0.1/32"]} and written["rtc"]["node_ip"] == "127.0.0.1"
    assert written["rtc"]["tcp_port"] == 0


def listening(pid: int) -> set[str]:
    """Local addresses (hexadecimal) on which a process has sockets, from /proc."""
    inodes = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        try:
            name = str(each.readlink())
        except OSError:
            continue
        if name.startswith("socket:["):
            inodes.add(name[8:-1])
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = row.split()
            if fields[9] in inodes and (table.startswith("udp") or fields[3] == "0A"):
                found.add(fields[1].partition(":")[0])
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
async def test_a_running_server_listens_on_loopback_alone(server: LocalServer) -> None:
    assert listening(server.pid) <= {"0100007F", "00000000000000000000000001000000"}
    async with server.access.admin() as admin:
        rooms = await admin.room.list_rooms(api.ListRoomsRequest(names=["nowhere"]))
        assert list(rooms.rooms) == []


def test_keys_are_its_owners_alone(server: LocalServer) -> None:
    for name in ("env", "server.yaml"):
        assert stat.S_IMODE((server.folder / name).stat().st_mode) == 0o600
    assert f"LIVEKIT_API_SECRET={server.access.secret}" in (server.folder / "env").read_text()


def test_a_taken_port_is_not_fought_over(server: LocalServer, tmp_path: Path) -> None:
    with LocalServer(tmp_path) as second:
        assert second.access.url != server.access.url
        assert second.alive
    assert not second.alive and not (tmp_path / "env").exists()


def test_a_server_that_cannot_start_says_why(server: LocalServer, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with (
            pytest.raises(LiveKitError, match="did not start") as caught,
            LocalServer(tmp_path, taken.getsockname()[1]),
        ):
            pass
    assert "\n" not in str(caught.value)


def test_ctrl_c_leaves_no_server(server: LocalServer, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "echoless.livekit.server", "--folder", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = process.stdout.readline().split()[2].rstrip(";")
    process.send_signal(signal.SIGINT)
    assert process.wait(15) == 0
    with socket.socket() as probe:
        for _ in range(50):
            if probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))):
                break
            time.sleep(0.1)
        else:
            pytest.fail("the server is still there")


def test_without_the_program_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("ECHOLESS_LIVEKIT_SERVER", str(tmp_path / "none"))
    monkeypatch.setattr(servers, "HERE", tmp_path)
    assert "make livekit-setup" in (servers.missing() or "")


def test_a_token_opens_one_room_and_may_send_for_an_agent() -> None:
    made = Access("ws://127.0.0.1:1", "key", "s" * 40).token("den", "anna", name="Anna", dispatch="echoless")
    claims = api.TokenVerifier("key", "s" * 40).verify(made)
    assert claims.identity == "anna" and claims.name == "Anna"
    assert claims.video and claims.video.room == "den" and claims.video.room_join
    assert not claims.video.room_admin and not claims.video.room_create
    assert claims.room_config and [agent.agent_name for agent in claims.room_config.agents] == ["echoless"]


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(LiveKitError, match="--key and --secret missing"):
        access("ws://localhost:7880")
    monkeypatch.setenv("LIVEKIT_API_KEY", "k")
    monkeypatch.setenv("LIVEKIT_API_SECRET", "s")
    assert access("http://localhost:7880") == Access("ws://localhost:7880", "k", "s")


@pytest.mark.parametrize("url", ["", "localhost:7880", "ftp://x", "ws://", "ws://x:99999", "ws://[::1"])
def test_a_wrong_address_is_one_line(url: str) -> None:
    with pytest.raises(LiveKitError, match="no address") as caught:
        checked_url(url)
    assert "\n" not in str(caught.value)
