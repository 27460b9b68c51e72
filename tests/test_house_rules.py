"""The house stays in order: who may import whom, where clocks may be read, how long files may be."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "echoless"
FILES = sorted(path for path in SOURCE.rglob("*.py"))
ORGANS = ("ears", "mind", "voice", "lines")
MAY_IMPORT = {organ: {organ, "frames", "meter"} for organ in ORGANS} | {
    "frames": set(),
    "floor": set(),
    "meter": set(),
    "record": {"frames"},
    "talk": {*ORGANS, "frames", "meter", "floor", "record"},
}
OUTSIDE = ("server.py", "wire.py", "scripted.py")
CLOCKS = {"time", "monotonic", "perf_counter", "process_time"}


def room(path: Path) -> str:
    """The organ or module at the top of the package that a file belongs to."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """The rooms of ours that a file imports, lazily or not."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("echoless.") and name.count(".")}
    return found - {"__version__"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_one_way(path: Path) -> None:
    here = room(path)
    if here in MAY_IMPORT:
        assert imports(path) <= MAY_IMPORT[here]
    if here not in ("workshop", "cli"):
        assert "workshop" not in imports(path)
    if here not in ("rooms", "bench", "workshop", "cli", "doctor", "demo", "replay"):
        assert "rooms" not in imports(path)


@pytest.mark.parametrize("path", [p for p in FILES if room(p) in ("ears", "mind", "voice", "floor", "talk")])
def test_only_audio_time_counts(path: Path) -> None:
    """What takes part in a call reads no clock and never sleeps, but for those that wait for another process."""
    if path.name in OUTSIDE:
        return
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert not (node.value.id == "time" and node.attr in CLOCKS), f"line {node.lineno}"
            assert not (node.value.id == "asyncio" and node.attr == "sleep"), f"line {node.lineno}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 600
