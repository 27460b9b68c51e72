"""A call can end while its recogniser works: closing waits, and what comes later is refused."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from echoless.ears.door import RecogniserError, RecogniserTraits
from echoless.ears.recognisers.guard import Guarded
from echoless.frames import RATE, Samples, Transcript


class Slow:
    """An engine that works until it is let go, and notes whether it was closed meanwhile."""

    traits = RecogniserTraits("slow")

    def __init__(self) -> None:
        self.at_work, self.go_on = threading.Event(), threading.Event()
        self.closed = 0
        self.closed_at_work = False

    def transcribe(self, speech: Samples, language: str | None = None) -> Transcript:
        self.at_work.set()
        assert self.go_on.wait(10)
        self.closed_at_work = bool(self.closed)
        return Transcript("hello there")

    def close(self) -> None:
        self.closed += 1


def test_closing_waits_for_work_and_refuses_what_comes_later():
    engine = Slow()
    guarded = Guarded(engine, voice_activity=False)
    speech = np.full(RATE, 0.1, np.float32)
    worker = threading.Thread(target=guarded.transcribe, args=(speech,))
    worker.start()
    assert engine.at_work.wait(10)
    closer = threading.Thread(target=guarded.close)
    closer.start()
    closer.join(0.05)
    assert closer.is_alive() and not engine.closed
    engine.go_on.set()
    worker.join(10)
    closer.join(10)
    assert engine.closed == 1 and not engine.closed_at_work
    with pytest.raises(RecogniserError, match="closed"):
        guarded.transcribe(speech)
    guarded.close()
    assert engine.closed == 1
