"""Other ears for comparison: layers of the guard switched off, and the guards that others use."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from echoless.ears.guard import EchoGuard, Heard
from echoless.ears.listener import Listener, Tuning
from echoless.ears.vad import VoiceActivity
from echoless.frames import Samples
from echoless.rooms.network import FarCanceller
from echoless.rooms.script import ScriptError


class DeafGuard:
    """No echo canceller at all: voice activity on the microphone."""

    def __init__(self) -> None:
        self._voice_activity, self._voice = VoiceActivity(), 0.0
        self._pending: Samples | None = None

    def hear(self, microphone: Samples, reference: Samples) -> Heard:
        return self._heard(microphone)

    def _heard(self, clean: Samples) -> Heard:
        if self._pending is None:
            self._pending = clean
        else:
            self._voice = self._voice_activity(np.concatenate((self._pending, clean)))
            self._pending = None
        return Heard(clean, self._voice, self._voice, False, "full", {"voice": self._voice})


class Aec3Guard(DeafGuard):
    """WebRTC's AEC3 as it comes (`livekit.rtc.apm`, 10 ms frames) and Silero: what most agents have today."""

    def __init__(self) -> None:
        super().__init__()
        self._canceller = FarCanceller(noise_suppression=False)

    def hear(self, microphone: Samples, reference: Samples) -> Heard:
        return self._heard(self._canceller(microphone, reference))


GUARDS: Mapping[str, Callable[[], Any]] = {"own": EchoGuard, "aec3": Aec3Guard, "none": DeafGuard}
"""Guards to compare by name."""


class _NoCanceller:
    """Gives the microphone back as it is, and no echo."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def hear(self, microphone: Samples, aligned: Samples) -> tuple[Samples, Samples]:
        self._real.hear(microphone, aligned)
        return microphone, np.zeros_like(microphone)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class _NoDrift:
    rate = slide = 0.0

    def hint(self, *_: Any) -> None: ...

    def hear(self, *_: Any) -> float:
        return 0.0

    def restart(self) -> None: ...


UNJUDGED = Tuning(begin_over_agent=2.6)
"""For voice activity alone: it is sure of everything, so that the agent's own threshold would suit it badly."""


class _NoBreaker:
    duplex = "full"

    def tick(self, *_: Any) -> None: ...

    def echo(self) -> None: ...

    def user_spoke(self) -> None: ...


def _without_canceller(ears: Any) -> None:
    ears.guard.canceller = _NoCanceller(ears.guard.canceller)


def _without_drift(ears: Any) -> None:
    ears.guard.drift = _NoDrift()


def _without_judge(ears: Any) -> None:
    """Voice activity on the residual decides alone."""
    hear = ears.guard.hear

    def plain(microphone: Samples, reference: Samples) -> Heard:
        heard = hear(microphone, reference)
        return replace(heard, near=heard.voice)

    ears.guard.hear = plain
    ears.listener = Listener(UNJUDGED)


def _without_words(ears: Any) -> None:
    ears._weights = replace(ears._weights, echo_share=2.0)


def _without_silence(ears: Any) -> None:
    """What is heard once the loudspeaker has fallen silent proves nothing."""
    ears._weights = replace(ears._weights, free_sure=10**9)


def _without_breaker(ears: Any) -> None:
    ears.breaker = _NoBreaker()


def _without_polish(ears: Any) -> None:
    """The recogniser gets the canceller's residual as it is."""
    hear = ears.guard.hear
    ears.guard.hear = lambda microphone, reference: replace(hear(microphone, reference), left=None)


LAYERS: Mapping[str, Callable[[Any], None]] = {
    "canceller": _without_canceller,
    "drift": _without_drift,
    "judge": _without_judge,
    "silence": _without_silence,
    "words": _without_words,
    "breaker": _without_breaker,
    "polish": _without_polish,
}
"""Layers of the guard, each with what switches it off."""


def check(guard: str, without: Collection[str]) -> None:
    """Raises ScriptError for a guard or a layer that there is not."""
    if guard not in GUARDS:
        raise ScriptError(f"there is no guard {guard!r}; there is {', '.join(GUARDS)}")
    for name in without:
        if name not in LAYERS:
            raise ScriptError(f"the guard has no layer {name!r}; it has {', '.join(LAYERS)}")


def vary(ears: Any, guard: str, without: Collection[str]) -> None:
    """Give `ears` another guard, or take layers out of its own. Raises ScriptError."""
    check(guard, without)
    if guard != "own":
        ears.guard = GUARDS[guard]()
        ears.listener = Listener(UNJUDGED)
    for name in sorted(without):
        LAYERS[name](ears)
