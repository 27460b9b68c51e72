"""A LiveKit server of one's own, on loopback: configuration and keys made on the spot, ended with whoever started it.

    python -m echoless.livekit.server

runs one until Ctrl-C and leaves its address and keys in `.livekit/env` (LIVEKIT_URL, LIVEKIT_API_KEY,
LIVEKIT_API_SECRET), readable by its owner alone. `scripts/livekit-setup.sh` installs the program.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from echoless.livekit.access import Access, LiveKitError

PORT = 7880
PROGRAM = "livekit-server"
HERE = Path(".livekit")
"""Where a checkout keeps the program, and what a running server leaves."""
WITHIN = 20.0
"""Seconds that the server has to start."""


def binary() -> Path:
    """The program: `ECHOLESS_LIVEKIT_SERVER`, this checkout's, or the one on the PATH. Raises LiveKitError."""
    named = os.environ.get("ECHOLESS_LIVEKIT_SERVER")
    checkout = Path(__file__).parents[3] / HERE / "bin" / PROGRAM
    for place in (Path(named) if named else None, checkout, HERE / "bin" / PROGRAM):
        if place and place.is_file() and os.access(place, os.X_OK):
            return place
    if found := shutil.which(PROGRAM):
        return Path(found)
    raise LiveKitError("livekit-server is not installed: run 'make livekit-setup'.")


def configuration(port: int, udp_port: int, key: str, secret: str) -> str:
    """A configuration (YAML; JSON is YAML) that keeps every port on loopback."""
    # `--dev --bind 127.0.0.1` alone still opens media ports on every interface.
    rtc = {
        "tcp_port": 0,
        "udp_port": udp_port,
        "node_ip": "127.0.0.1",
        "use_external_ip": False,
        "enable_loopback_candidate": True,
        "interfaces": {"includes": ["lo" if sys.platform != "darwin" else "lo0"]},
        "ips": {"includes": ["127.0.0.1/32"]},
    }
    return json.dumps(
        {
            "port": port,
            "bind_addresses": ["127.0.0.1"],
            "rtc": rtc,
            "keys": {key: secret},
            "room": {"auto_create": True, "empty_timeout": 60, "departure_timeout": 20},
            "logging": {"level": "warn", "json": False},
        },
        indent=1,
    )


class LocalServer:
    """A running server; with `with`, it ends with the block. `access` opens it.

    `port` None is 7880, or any free one where that is taken. `folder` gets `server.yaml`, `server.log` and `env`;
    None is a folder that goes with the server. Raises LiveKitError.
    """

    def __init__(self, folder: Path | None = None, port: int | None = None) -> None:
        self._own = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="echoless-livekit-"))
        self._port = port
        self.access = Access("", "", "")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> LocalServer:
        try:
            self._start(binary())
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self, program: Path) -> None:
        port = self._port or (PORT if _free(PORT) else any_port())
        self.access = Access(f"ws://127.0.0.1:{port}", f"API{secrets.token_hex(6)}", secrets.token_urlsafe(36))
        self.folder.mkdir(parents=True, exist_ok=True)
        written = self.folder / "server.yaml"
        _write_private(written, configuration(port, any_port(udp=True), self.access.key, self.access.secret))
        environment = self.access.environment()
        _write_private(self.folder / "env", "".join(f"{name}={value}\n" for name, value in environment.items()))
        with (self.folder / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(program), "--config", str(written)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,  # a Ctrl-C is ours: the server goes last
            )
        self._wait(port)

    def _wait(self, port: int) -> None:
        until = time.monotonic() + WITHIN
        while time.monotonic() < until and self.alive:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1):
                return
            time.sleep(0.05)
        said = (self.folder / "server.log").read_text(errors="replace").strip().splitlines()[-1:]
        raise LiveKitError(f"livekit-server did not start: {said[0][:300] if said else 'it said nothing'}")

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._process.pid if self._process else 0

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            for how in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    self._process.send_signal(how)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(5)
                    break
        if self._own:
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            (self.folder / "env").unlink(missing_ok=True)  # keys of a server that has gone open nothing


def missing() -> str | None:
    """Why no server can be started here, or None."""
    try:
        binary()
    except LiveKitError as error:
        return str(error)
    return None


def _write_private(path: Path, text: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return True
    return False


def any_port(udp: bool = False) -> int:
    """A port of this machine that is free now."""
    with socket.socket(type=socket.SOCK_DGRAM if udp else socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main(arguments: list[str] | None = None) -> int:
    """Run a server until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m echoless.livekit.server", description=__doc__)
    parser.add_argument("--folder", type=Path, default=HERE, help="gets the configuration, the log and the keys")
    parser.add_argument("--port", type=int, help="of the signalling; as a rule 7880, or a free one")
    asked = parser.parse_args(arguments)
    end = threading.Event()
    for which in (signal.SIGINT, signal.SIGTERM):
        signal.signal(which, lambda *_: end.set())
    try:
        with LocalServer(asked.folder, asked.port) as server:
            print(f"LiveKit at {server.access.url}; its keys: set -a; . {asked.folder / 'env'}; set +a", flush=True)
            while server.alive and not end.wait(0.5):
                pass
            gone = not server.alive
    except LiveKitError as error:
        print(f"livekit: {error}", file=sys.stderr)
        return 1
    if gone:
        print(f"livekit: the server ended by itself; {asked.folder / 'server.log'} may say why", file=sys.stderr)
    return int(gone)


if __name__ == "__main__":
    sys.exit(main())
