"""llama.cpp's own converter, taken unbuilt out of the source package of llama-cpp-python.

    python -m echoless.workshop.mind.export.converter     fetch it (77 MB travel, 2 MB stay); `make mind-setup` does so

It lies in the environment that runs it, under share/, checked by the SHA-256 of the package.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from echoless.workshop.mind.errors import MindError

PACKAGE, VERSION = "llama-cpp-python", "0.3.36"
SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
LICENCE = "MIT"
INSIDE = f"llama_cpp_python-{VERSION}/vendor/llama.cpp/"
WANTED = ("conversion/", "gguf-py/gguf/", "convert_hf_to_gguf.py", "LICENSE")


def folder() -> Path:
    """Where it lies in this environment, there or not."""
    return Path(sys.prefix) / "share" / f"llama.cpp-converter-{VERSION}"


def converter() -> Path:
    """The folder with convert_hf_to_gguf.py. Raises MindError where it was not fetched."""
    if not (folder() / "convert_hf_to_gguf.py").is_file():
        raise MindError(f"llama.cpp's converter is not in {folder()}: run 'make mind-setup' with a network")
    return folder()


def unpack(package: Path, goal: Path) -> None:
    """Take the converter out of the source package into `goal`. Raises MindError where it is another package."""
    if hashlib.sha256(package.read_bytes()).hexdigest() != SHA256:
        raise MindError(f"{package.name} is not the expected file (its SHA-256 differs): nothing of it is used")
    with tempfile.TemporaryDirectory(dir=goal.parent) as scratch:
        with tarfile.open(package) as archive:
            for member in archive:
                name = member.name.removeprefix(INSIDE)
                if member.isfile() and name != member.name and name.startswith(WANTED):
                    member.name = name
                    archive.extract(member, scratch, filter="data")
        shutil.rmtree(goal, ignore_errors=True)
        shutil.copytree(scratch, goal)


def fetch() -> Path:
    """Fetch and unpack it once, through pip; the folder. Nothing is built. Raises MindError."""
    goal = folder()
    if (goal / "convert_hf_to_gguf.py").is_file():
        return goal
    goal.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                   "--no-build-isolation", "--no-binary", PACKAGE, "--dest", scratch,
                   f"{PACKAGE}=={VERSION}"]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=900)
        found = sorted(Path(scratch).glob("*.tar.gz"))
        if done.returncode or not found:
            why = (done.stderr.strip().splitlines() or ["no source package came"])[-1]
            raise MindError(f"{PACKAGE} {VERSION} could not be fetched: {why}")
        unpack(found[0], goal)
    return goal


if __name__ == "__main__":
    try:
        print(fetch())
    except MindError as error:
        sys.exit(f"mind-setup: {error}")
