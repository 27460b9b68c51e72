"""The built page that is committed is the one that its source gives."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE, BUILT = ROOT / "page", ROOT / "src" / "echoless" / "serve" / "page"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.skipif(shutil.which("npm") is None, reason="no npm")
@pytest.mark.skipif(not (PAGE / "node_modules" / "vite").is_dir(), reason="no vite: npm ci in page/")
def test_a_rebuild_gives_the_committed_page(tmp_path: Path) -> None:
    command = ["npx", "--no-install", "vite", "build", "--outDir", str(tmp_path / "page"), "--logLevel", "error"]
    subprocess.run(command, cwd=PAGE, check=True, timeout=120)
    assert contents(tmp_path / "page") == contents(BUILT), "npm run build in page/, and commit what it makes"


def test_the_lock_file_names_no_registry() -> None:
    packages = json.loads((PAGE / "package-lock.json").read_text("utf-8"))["packages"]
    assert len(packages) > 10
    assert not [name for name, about in packages.items() if "resolved" in about]
    assert all("integrity" in about for name, about in packages.items() if name)


NAMED = {"http://www.w3.org/", "https://aomediacodec.github.io/", "https://cloud-api.livekit.io"}
"""Names, and what livekit-client asks where LiveKit's own cloud is used; the policy lets neither through."""


def test_the_built_page_loads_nothing_from_elsewhere() -> None:
    for name, body in contents(BUILT).items():
        text = body.decode("utf-8")
        assert not {word for word in ("eval(", "new Function", "innerHTML") if word in text}, name
        elsewhere = re.findall(r"https?://[\w.-]+/?", text)
        assert set(elsewhere) <= (NAMED if "livekit" in name else {"http://www.w3.org/"}), name


def test_a_page_that_needs_no_room_does_not_fetch_what_rooms_need() -> None:
    sizes = {name: len(body) for name, body in contents(BUILT).items()}
    assert sum(size for name, size in sizes.items() if "livekit" not in name) < 64_000
    assert "livekit" not in (BUILT / "index.html").read_text("utf-8")
