"""The recogniser brings no threads of its own: a pool that waits by spinning takes the processors from all else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

COUNT = """
import os
import numpy as np
import onnxruntime  # brings a thread that sleeps
from echoless.ears.recognisers.moonshine import Moonshine
count = lambda: len(os.listdir("/proc/self/task"))
before = count()
engine = Moonshine()
engine.transcribe(np.zeros(16_000, np.float32))
print(count() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted in /proc")
def test_moonshine_works_in_the_thread_that_asks() -> None:
    pytest.importorskip("moonshine_voice", reason="moonshine-voice is not installed")
    done = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "0", done.stderr
