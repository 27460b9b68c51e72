"""Training and recolouring need torch, which lives in an environment of its own: the same command is run there."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from echoless.workshop.voice.errors import WorkshopError

PLACE = "ECHOLESS_VOICE_ENV"
"""Names the environment where it is not `.venv-voice`, here or beside the sources."""
_THERE = "ECHOLESS_VOICE_THERE"
_RUN = "import sys; from echoless.cli import main; sys.exit(main(sys.argv[1:]))"


def ready() -> bool:
    """Whether what `echoless[voice]` brings is installed in this environment."""
    return all(find_spec(name) for name in ("torch", "lightning"))


def environment() -> Path:
    """The Python of the voice environment. Raises WorkshopError where there is none."""
    given = os.environ.get(PLACE)
    places = [Path(given)] if given else [Path.cwd() / ".venv-voice", Path(__file__).parents[4] / ".venv-voice"]
    for place in places:
        for python in (place / "bin" / "python", place / "Scripts" / "python.exe"):
            if python.is_file():
                return python
    raise WorkshopError(
        f"torch is needed for this and is not in {places[0]}: run 'make voice-setup' (6 GB), or set {PLACE}"
    )


def elsewhere(arguments: list[str]) -> int | None:
    """Run this command line in the voice environment and give its exit code; None where we are in it already.

    Raises WorkshopError.
    """
    if ready():
        return None
    if os.environ.get(_THERE):
        raise WorkshopError(f"{sys.prefix} lacks torch or lightning: run 'make voice-setup' again")
    python = environment()
    settings = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, _THERE: "1"}
    child = subprocess.Popen([str(python), "-P", "-W", "ignore", "-c", _RUN, *arguments], env=settings)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:  # the terminal sent it to the child, too, which ends by itself
            continue
