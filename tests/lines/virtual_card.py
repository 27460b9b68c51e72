"""A sound card that is not there: a private PulseAudio whose loudspeaker and microphone are pipes.

    with VirtualCard() as card:                      # from Python
        subprocess.Popen([...], env=card.env)
        card.play(Path("question.wav"))              # into the agent's microphone
        with card.recording(Path("agent.wav")): ...  # what the agent's loudspeaker got

    python tests/lines/virtual_card.py [--loop] -- echoless talk --record /tmp/call     # from a shell

What the program plays goes to the null sink `spk`; what is played into the null sink `mic_in` is its microphone
`mic`. `loop()` lets the room in: the loudspeaker comes back through the microphone.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

RATE = 48_000
_ASOUND = """</usr/share/alsa/alsa.conf>
pcm.!default { type pulse }
ctl.!default { type pulse }
pcm.pulse { type pulse }
ctl.pulse { type pulse }
"""


def missing() -> str | None:
    """Why no virtual card can be had here, or None."""
    absent = [tool for tool in ("pulseaudio", "pactl", "parecord", "paplay") if not shutil.which(tool)]
    if absent:
        return f"no {', '.join(absent)} (apt-get install pulseaudio pulseaudio-utils)"
    plugin = list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so"))
    return None if plugin else "no ALSA plugin for PulseAudio (apt-get install libasound2-plugins)"


class VirtualCard:
    """See the module's text. `env` is what a program needs to see this card and no other."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="card-")
        self.home = Path(self._folder.name)
        self._socket = self.home / "pulse.sock"
        self._server: subprocess.Popen[bytes] | None = None
        self.modules: dict[str, str] = {}
        self.env = dict(
            os.environ,
            XDG_RUNTIME_DIR=str(self.home),
            PULSE_RUNTIME_PATH=str(self.home),
            PULSE_SERVER=f"unix:{self._socket}",
            PULSE_SINK="spk",
            PULSE_SOURCE="mic",
            ALSA_CONFIG_PATH=str(self.home / "asoundrc"),
        )

    def __enter__(self) -> VirtualCard:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        self._folder.cleanup()

    def start(self) -> None:
        """Start the server (again)."""
        (self.home / "asoundrc").write_text(_ASOUND)
        script = self.home / "card.pa"
        script.write_text(f"load-module module-native-protocol-unix socket={self._socket} auth-anonymous=1\n")
        flags = ["--exit-idle-time=120", "--use-pid-file=no", "--daemonize=no", "--realtime=no", "--high-priority=yes"]
        with (self.home / "log").open("wb") as log:
            self._server = subprocess.Popen(
                ["pulseaudio", "-n", "-F", str(script), *flags],
                env=dict(self.env, HOME=str(self.home)),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the program under test
            )
        for _ in range(200):
            if self._socket.exists() and self._ask("info", check=False).returncode == 0:
                break
            time.sleep(0.05)
        else:
            raise RuntimeError(f"pulseaudio did not start: {(self.home / 'log').read_text()[-500:]}")
        for name, channels in (("spk", 2), ("mic_in", 1)):
            self.plug_sink(name, channels)
        self.plug_microphone()
        self.pactl("set-default-sink", "spk")

    def stop(self) -> None:
        """End the server: all cards are gone at once."""
        if self._server is not None:
            self._server.terminate()
            try:
                self._server.wait(5)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
            self._server = None
        self.modules.clear()
        self._socket.unlink(missing_ok=True)

    def _ask(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["pactl", *words], env=self.env, capture_output=True, text=True, check=check, timeout=20)

    def pactl(self, *words: str) -> str:
        return self._ask(*words).stdout.strip()

    def load(self, name: str, module: str, *arguments: str) -> None:
        self.modules[name] = self.pactl("load-module", module, *arguments)

    def unplug(self, name: str) -> None:
        """Take away `spk`, `mic_in`, `mic`, `loop` or whatever was loaded under that name."""
        self.pactl("unload-module", self.modules.pop(name))

    def plug_sink(self, name: str, channels: int = 2) -> None:
        self.load(name, "module-null-sink", f"sink_name={name}", f"rate={RATE}", f"channels={channels}")

    def plug_microphone(self) -> None:
        self.load("mic", "module-remap-source", "master=mic_in.monitor", "source_name=mic")
        self.pactl("set-default-source", "mic")

    def loop(self, milliseconds: int = 20) -> None:
        """Let the loudspeaker come back through the microphone, at least so many milliseconds later."""
        where = ("source=spk.monitor", "sink=mic_in", f"latency_msec={milliseconds}")
        self.load("loop", "module-loopback", *where)

    def play(self, wav: Path, sink: str = "mic_in", wait: bool = True) -> subprocess.Popen[bytes]:
        """Play a WAV into the program's microphone (or into another sink)."""
        player = subprocess.Popen(["paplay", f"--device={sink}", "--latency-msec=30", str(wav)], env=self.env)
        if wait:
            player.wait()
        return player

    @contextlib.contextmanager
    def recording(self, wav: Path, source: str = "spk.monitor") -> Iterator[None]:
        """Record what the program plays, for as long as the block runs: mono, 48 kHz, 16 bit."""
        recorder = subprocess.Popen(
            ["parecord", f"--device={source}", "--file-format=wav", f"--rate={RATE}", "--channels=1",
             "--format=s16le", "--latency-msec=20", str(wav)],
            env=self.env,
        )  # fmt: skip
        try:
            began = time.monotonic()  # parecord says that it has begun by what it writes
            while time.monotonic() - began < 5 and not (wav.exists() and wav.stat().st_size > 2000):
                time.sleep(0.05)
            yield
        finally:
            recorder.terminate()
            recorder.wait(5)


def main() -> int:
    """Run a command with the virtual card as its only sound card."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--loop", action="store_true", help="the loudspeaker comes back through the microphone")
    parser.add_argument("--play", type=Path, help="a WAV for the microphone, once")
    parser.add_argument("--after", type=float, default=8.0, help="seconds before --play")
    parser.add_argument("--record", type=Path, help="a WAV of what the loudspeaker got")
    parser.add_argument("command", nargs="+")
    asked = parser.parse_args()
    with VirtualCard() as card, contextlib.ExitStack() as stack:
        if asked.loop:
            card.loop()
        if asked.record:
            stack.enter_context(card.recording(asked.record))
        program = subprocess.Popen(asked.command, env=card.env)
        try:
            if asked.play:
                time.sleep(asked.after)
                card.play(asked.play)
            return program.wait()
        except KeyboardInterrupt:
            return program.wait(10)
        finally:
            if program.poll() is None:
                program.terminate()


if __name__ == "__main__":
    sys.exit(main())
