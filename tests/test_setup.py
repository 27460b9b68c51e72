"""What a fresh clone is set up with: lock files, scripts, the Makefile. Nothing is fetched here."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LOCKS = tuple(sorted(path.name for path in ROOT.glob("requirements*.lock")))


def wanted(*groups: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lists = {"run": project["project"]["dependencies"], **project["dependency-groups"]}
    lists |= project["project"].get("optional-dependencies", {})
    return {_name(each) for group in groups for each in lists[group]}


def _name(requirement: str) -> str:
    return re.split(r"[=<>!~\[; ]", requirement)[0].lower().replace("_", "-")


def pinned(lock: str) -> dict[str, list[str]]:
    """Package → the hashes of its files."""
    pins: dict[str, list[str]] = {}
    name = ""
    for line in (ROOT / lock).read_text().splitlines():
        if match := re.match(r"([a-z0-9][a-z0-9.-]*)==\S+", line):
            name = match[1]
            pins[name] = []
        pins.get(name, []).extend(re.findall(r"sha256:[0-9a-f]{64}", line))
    return pins


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_pins_by_hash_and_names_no_address(lock: str):
    pins = pinned(lock)
    assert pins and all(pins.values())
    assert not re.search(r"https?://|--index-url|--find-links|file:", (ROOT / lock).read_text())


def test_whatever_the_project_asks_for_is_pinned():
    assert wanted("run") <= set(pinned("requirements.lock")), "run make lock"
    assert wanted("dev") <= set(pinned("requirements-dev.lock")), "run make lock"
    assert wanted("run", "mind") <= set(pinned("requirements-mind.lock")), "run make lock"
    assert wanted("run", "livekit") <= set(pinned("requirements-livekit.lock")), "run make lock"


def test_a_worker_has_the_same_versions_as_everybody():
    """Both lock files go into one environment."""
    everybody, worker = (
        set(re.findall(r"(?m)^[a-z0-9.-]+==[^ ]+", (ROOT / f"requirements{which}.lock").read_text()))
        for which in ("", "-livekit")
    )
    assert everybody <= worker, "run make lock"


def test_every_dependency_has_its_line_in_the_docs():
    text = (ROOT / "docs" / "dependencies.md").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    told = {each.lower().replace("_", "-") for each in re.findall(r"`([A-Za-z0-9_.-]+)`", text)}
    assert wanted("run", "dev", *project.get("optional-dependencies", {})) <= told


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, env={**os.environ, **environment}
    )


def test_setup_refuses_what_it_does_not_know():
    done = run("bash", "scripts/setup.sh", "everything")
    assert done.returncode == 2 and "'everything' is not known" in done.stderr


def test_without_a_python_it_says_what_to_install(tmp_path: Path):
    """A copy of the script where `python3` is too old; no other Python is on the path."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "setup.sh").write_bytes((ROOT / "scripts" / "setup.sh").read_bytes())
    old = tmp_path / "bin" / "python3"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    for tool in ("dirname", "cat", "cksum", "head", "id", "uname"):
        found = shutil.which(tool)
        assert found
        (old.parent / tool).symlink_to(found)
    done = subprocess.run(
        ["/bin/bash", str(tmp_path / "scripts" / "setup.sh")],
        capture_output=True, text=True, timeout=60, env={"PATH": str(old.parent), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed" in done.stderr and "apt-get install" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_make_lists_its_targets_and_none_is_dead():
    listed = run("make", "-s", "help").stdout
    rules = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^([a-z-]+):.*##", rules, re.MULTILINE):
        assert f"make {target}" in listed
    for script in re.findall(r"scripts/[\w.-]+", rules):
        assert (ROOT / script).is_file()
    for module in re.findall(r"-m (echoless[\w.]+)", rules):
        assert importlib.util.find_spec(module)


def test_continuous_integration_runs_what_everybody_runs():
    script = (ROOT / ".ci" / "run").read_text()
    assert "set -euo pipefail" in script and "make test </dev/null" in script
