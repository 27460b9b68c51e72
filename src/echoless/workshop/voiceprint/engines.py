"""The encoder that voiceprints are made with: ours in ONNX, or Resemblyzer's own to check it (an extra)."""

from __future__ import annotations

from typing import Protocol

from echoless.ears.voiceprint import Embedding, Encoder, VoiceprintError, level
from echoless.frames import Samples


class Engine(Protocol):
    """Speech, float32 mono at 16 kHz without silence → embedding."""

    def embed(self, speech: Samples) -> Embedding: ...


class Resemblyzer:
    """Resemblyzer's own code and weights, in torch."""

    def __init__(self) -> None:
        try:
            from resemblyzer import VoiceEncoder
        except ImportError as error:
            raise VoiceprintError(
                f"resemblyzer is not installed here: pip install 'echoless[voiceprint]' ({error})"
            ) from None
        self._encoder = VoiceEncoder("cpu", verbose=False)

    def embed(self, speech: Samples) -> Embedding:
        """Raises nothing of its own."""
        return self._encoder.embed_utterance(level(speech))  # type: ignore[no-any-return]


def open_engine(name: str) -> Engine:
    """`onnx` or `resemblyzer`. Raises VoiceprintError."""
    if name == "onnx":
        return Encoder()
    if name == "resemblyzer":
        return Resemblyzer()
    raise VoiceprintError(f"no engine {name!r}: it is onnx or resemblyzer")
