"""The agents that are compared: how each is started and stopped, and when it is ready. Nothing else of them is known.

The programs beside this file run in their own environments and cannot import anything of ours.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent.parent
END = 5.0
"""Seconds an agent gets to end in."""


NICE, PRIORITY = -10, 1
"""Every agent comes before what else the machine has to do, where that is allowed: while it starts, and once it talks
(a real-time priority, below the room's)."""


@dataclass(frozen=True, slots=True)
class Agent:
    """`environment` is a virtual environment, `program` runs in it; `says` stands in its log once it listens."""

    name: str
    label: str
    environment: str
    program: tuple[str, ...]
    says: str = "READY"

    def command(self, llm: str) -> list[str]:
        """The command line; `{llm}` stands for the model server's address."""
        first, *others = (part.replace("{llm}", llm) for part in self.program)
        tools = ROOT / self.environment / "bin"
        if first.endswith(".py"):
            return [str(tools / "python"), str(HERE / first), *others]
        return [str(tools / first), *others]

    def missing(self) -> str | None:
        """Why it cannot be started here, or None."""
        first = Path(self.command("")[0])
        return None if first.exists() else f"no {self.environment}: run 'make peers-setup'"


_OURS = ("echoless", "talk", "--llm-url", "{llm}", "--tts-model", "espeak", "--no-greet")
_PIPECAT, _LIVEKIT = ".venv-peers-pipecat", ".venv-peers-livekit"
AGENTS = {
    agent.name: agent
    for agent in (
        Agent("ours", "echoless", ".venv", _OURS, says=""),
        Agent("pipecat", "pipecat 1.14.0", _PIPECAT, ("pipecat_agent.py",)),
        Agent("livekit", "livekit-agents 1.8.9", _LIVEKIT, ("livekit_agent.py", "console")),
        Agent("naive", "no echo handling", _PIPECAT, ("naive_agent.py",)),
        Agent("ours-tuned", "echoless, 6 dB softer", ".venv", (*_OURS, "--volume", "-6"), says=""),
        Agent("pipecat-tuned", "pipecat, mute while speaking", _PIPECAT, ("pipecat_agent.py", "--tuned")),
        Agent("livekit-tuned", "livekit-agents, no deaf start", _LIVEKIT, ("livekit_agent.py", "console", "--tuned")),
        Agent("beep", "beep (calibration)", ".venv", ("beep_agent.py",)),
    )
}
"""By name, in the table's order."""


@dataclass(frozen=True, slots=True)
class Started:
    """Where an agent lives for one call: the model's address, the card's environment variables, its folder."""

    llm: str
    card: dict[str, str]
    folder: Path


class Running:
    """A started agent; with `with`, it and all that it started end with the block."""

    def __init__(self, agent: Agent, where: Started) -> None:
        self.agent, self.where = agent, where
        self.log = where.folder / "agent.log"
        self.cpu_share: float | None = None
        """Cores that it kept busy on average, start included."""

    def __enter__(self) -> Running:
        home = self.where.card["XDG_RUNTIME_DIR"]
        env = {
            **self.where.card,
            "CANNED_URL": self.where.llm,
            "PYTHONUNBUFFERED": "1",
            "OMP_WAIT_POLICY": "PASSIVE",
            "XDG_CONFIG_HOME": home,  # nobody's settings but the defaults
            "NO_COLOR": "1",
        }
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self.agent.command(self.where.llm),
                env=env,
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._begun = time.monotonic()
        with suppress(OSError):  # only root may
            os.setpriority(os.PRIO_PROCESS, self._process.pid, NICE)
        return self

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def says_ready(self) -> bool:
        """Whether its log has the word that it says when it listens."""
        return self.agent.says in self.log.read_text(errors="replace")

    def __exit__(self, *exc: object) -> None:
        self.cpu_share = self._cpu_share()
        for how in (signal.SIGINT, signal.SIGKILL):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, how)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(END)
        if self._process.poll() is None:
            print(f"peers: {self.agent.name} (process {self._process.pid}) does not end", file=sys.stderr)

    def hurry(self) -> None:
        """Put it before whatever else the machine does, so that every agent has the cores to itself. Only root may."""
        for process in self._processes():
            with suppress(OSError):
                for thread in (process / "task").iterdir():
                    os.sched_setscheduler(int(thread.name), os.SCHED_RR, os.sched_param(PRIORITY))

    def _processes(self) -> list[Path]:
        """Where /proc has it and what it started: the session's number is its first process's."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError, ValueError, IndexError):
                if int(_fields(stat)[3]) == self._process.pid:
                    found.append(stat.parent)
        return found

    def _cpu_share(self) -> float | None:
        ticks = 0
        for process in self._processes():
            with suppress(OSError, ValueError, IndexError):
                ticks += sum(int(field) for field in _fields(process / "stat")[11:13])
        seconds = time.monotonic() - self._begun
        return round(ticks / os.sysconf("SC_CLK_TCK") / seconds, 3) if ticks else None


def _fields(stat: Path) -> list[str]:
    """What /proc says after the command's name: state, parent, group, session, ... (proc_pid_stat(5))."""
    return stat.read_text().rpartition(")")[2].split()
