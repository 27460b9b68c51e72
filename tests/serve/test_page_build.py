"""The built page that is committed is the one that its source gives."""

from __future__ import annotations

import json
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


def test_the_built_page_loads_nothing_from_elsewhere() -> None:
    for name, body in contents(BUILT).items():
        text = body.decode("utf-8")
        named = {word for word in ("http://", "https://", "eval(", "new Function", "innerHTML") if word in text}
        assert named <= {"http://"} and text.count("http://") == text.count("http://www.w3.org/"), name
