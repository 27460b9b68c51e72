"""Chromium with a recorded person at its microphone, driven through page/e2e/drive.mjs."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
import soxr

from echoless.ears.choose import open_recogniser

PAGE = Path(__file__).parents[2] / "page"
DRIVER = PAGE / "e2e" / "drive.mjs"
RATE = 16_000


def chromium() -> str | None:
    """The browser's program, if there is one."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def missing() -> str | None:
    """Why there can be no browser here."""
    if chromium() is None:
        return "no Chromium: apt-get install chromium"
    if shutil.which("node") is None:
        return "no node"
    if not (PAGE / "node_modules" / "playwright-core").is_dir():
        return "no playwright-core: npm ci in page/"
    return None


def recorded(name: str) -> np.ndarray:
    """A recorded person, float32 at 16 kHz. Raises FileNotFoundError."""
    shared = Path(os.environ.get("ECHOLESS_SHARED") or PAGE.parents[1] / "shared")
    path = shared / "speech" / name
    if not path.is_file():
        raise FileNotFoundError(f"no {path.name}: set ECHOLESS_SHARED to the folder that holds speech/")
    sound, rate = soundfile.read(path, dtype="float32")
    assert rate == RATE
    return np.asarray(0.3 * sound / np.abs(sound).max(), np.float32)


def pause(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.float32)


REPLY = (
    "The sea is wide and deep. Nobody has seen the bottom of it. Many ships sail over it every day. "
    "Some of them are very old. The water is cold in winter and warm in summer. Fish live in it, small and big. "
    "People have always loved to look at it. They stand on the shore for hours. The wind blows over the waves. "
    "In the evening the sun goes down behind it. Then the stars come out one by one."
)
FIRST, SECOND = "librispeech_test_other/367-130732-0001.wav", "librispeech_test_other/1688-142285-0003.wav"
SAID = "[...document.querySelectorAll('#log .user.done')].map(e => e.innerText.toLowerCase()).join(' ')"
FLOOR = "document.body.dataset.floor"


def person(*pieces: str | float) -> np.ndarray:
    """Recorded sentences and pauses (seconds), one after another; skips the test where there are no recordings."""
    try:
        return np.concatenate([recorded(each) if isinstance(each, str) else pause(each) for each in pieces])
    except FileNotFoundError as error:
        pytest.skip(str(error))


def recognised(sound: np.ndarray) -> str:
    """The words in a sound."""
    recogniser = open_recogniser("moonshine", "en")
    try:
        return recogniser.transcribe(sound, "en").text.lower()
    finally:
        recogniser.close()


class Browser:
    """One page in one browser."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def __call__(self, command: str, **more: Any) -> Any:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write((json.dumps({"command": command, **more}) + "\n").encode())
        line = await asyncio.wait_for(self._process.stdout.readline(), 120)
        answer = json.loads(line) if line else {"error": "the driver has gone"}
        assert "error" not in answer, answer["error"]
        return answer["value"]

    async def until(self, what: str, seconds: float = 60) -> None:
        """Wait until a JavaScript expression is true."""
        try:
            await self("wait", what=what, seconds=seconds)
        except AssertionError as error:
            seen = await self("tell", what=_SEEN)
            raise AssertionError(f"{error}: {what}; the page: {seen!r}") from None

    async def start_recording(self) -> None:
        """Keep what the page plays from now on."""
        await self("tell", what=_RECORD)

    async def recording(self) -> np.ndarray:
        """What the page played since: float32 at 16 kHz."""
        webm = base64.b64decode(await self("tell", what=_STOP))
        with av.open(io.BytesIO(webm)) as container:
            resampler = av.AudioResampler("flt", "mono", 48_000)
            pieces = [
                piece.to_ndarray().reshape(-1)
                for frame in container.decode(audio=0)
                for piece in resampler.resample(frame)
            ]
        return np.asarray(soxr.resample(np.concatenate(pieces), 48_000, RATE), np.float32)


_SEEN = "document.body.dataset.floor + ' | ' + document.body.innerText.slice(0, 900)"
_RECORD = """(() => {
  const recorder = new MediaRecorder(document.getElementById('voice').srcObject);
  window.kept = []; window.recorder = recorder;
  recorder.ondataavailable = (event) => window.kept.push(event.data);
  recorder.start(200);
})()"""
_STOP = """(async () => {
  await new Promise((resolve) => { window.recorder.onstop = resolve; window.recorder.stop(); });
  const bytes = new Uint8Array(await new Blob(window.kept).arrayBuffer());
  let text = ''; for (const each of bytes) text += String.fromCharCode(each);
  return btoa(text);
})()"""


@asynccontextmanager
async def browser(microphone: np.ndarray | None) -> AsyncIterator[Browser]:
    """A browser whose microphone plays this sound once, from when the page first asks; None denies it."""
    program = chromium()
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="echoless-browser-") as folder:
        heard = "denied"
        if microphone is not None:
            heard = f"{folder}/microphone.wav"
            soundfile.write(heard, microphone, RATE, subtype="PCM_16")
        process = await asyncio.create_subprocess_exec(
            *("node", str(DRIVER), program, f"{folder}/profile", heard),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=64 * 1024 * 1024,
        )
        try:
            yield Browser(process)
        finally:
            assert process.stdin
            with contextlib.suppress(ConnectionError):
                process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), 15)
            except TimeoutError:
                process.terminate()
                await process.wait()
