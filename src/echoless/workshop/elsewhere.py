"""Training needs torch, which lives in an environment of its own: the same command line is run there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

_RUN = "import sys; from echoless.cli import main; sys.exit(main(sys.argv[1:]))"


class ElsewhereError(Exception):
    """The environment is missing or the command died there. One line that says what to do."""


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment beside the default one: the `modules` that tell it, its `folder`, what makes it and how big it is.

    The variable `place` names it where it is neither here nor beside the sources.
    """

    modules: tuple[str, ...]
    folder: str
    make: str
    size: str
    place: str

    def ready(self) -> bool:
        """Whether what it brings is installed in the environment that we run in."""
        return all(find_spec(name) for name in self.modules)

    def python(self) -> Path:
        """Its Python. Raises ElsewhereError where there is none."""
        given = os.environ.get(self.place)
        places = [Path(given)] if given else [Path.cwd() / self.folder, Path(__file__).parents[3] / self.folder]
        for place in places:
            for python in (place / "bin" / "python", place / "Scripts" / "python.exe"):
                if python.is_file():
                    return python
        raise ElsewhereError(
            f"torch is needed for this and is not in {places[0]}: run '{self.make}' ({self.size}), or set {self.place}"
        )

    def run(self, arguments: list[str]) -> int | None:
        """Run this command line of echoless there and give its exit code; None where we are in it already.

        Raises ElsewhereError, also where the system killed it (as a rule because memory ran out).
        """
        if self.ready():
            return None
        there = f"{self.place}_THERE"
        if os.environ.get(there):
            raise ElsewhereError(f"{sys.prefix} lacks {' or '.join(self.modules)}: run '{self.make}' again")
        settings = {"OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false", **os.environ, there: "1"}
        child = subprocess.Popen([str(self.python()), "-P", "-W", "ignore", "-c", _RUN, *arguments], env=settings)
        while True:
            try:
                code = child.wait()
                break
            except KeyboardInterrupt:  # the terminal sent it to the child, too, which ends by itself
                continue
        if code == -signal.SIGKILL:
            raise ElsewhereError(
                "the system ended it, as a rule because memory ran out. What the last checkpoint holds is safe: "
                "the same command again goes on from there; with smaller rows or a smaller model it fits"
            )
        if code < 0 and code != -signal.SIGINT:
            raise ElsewhereError(f"{self.folder}'s Python was ended by {signal.Signals(-code).name}: run it again")
        return code


MIND = Environment(("torch", "transformers"), ".venv-mind", "make mind-setup", "6 GB", "ECHOLESS_MIND_ENV")
"""What trains and exports language models."""
VOICE = Environment(("torch", "lightning"), ".venv-voice", "make voice-setup", "6 GB", "ECHOLESS_VOICE_ENV")
"""What trains and recolours voices."""
