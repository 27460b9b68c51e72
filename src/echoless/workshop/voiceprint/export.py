"""Write Resemblyzer's speaker encoder as ONNX, and vectors that hold the front-end in numpy to it.

    make voice-setup
    .venv-voice/bin/python -m echoless.workshop.voiceprint.export

Runs once, where torch and resemblyzer are (`make voice-setup`). It refuses to write a network that differs. The
result is in the repository: src/echoless/ears/voiceprint.onnx with voiceprint.md, tests/ears/voiceprint_vectors.npz.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from resemblyzer import VoiceEncoder
from resemblyzer.audio import wav_to_mel_spectrogram
from torch import nn

from echoless.ears import voiceprint as ours
from echoless.workshop.voiceprint.made_up import made_up

CLOSEST = 1e-4
"""Largest difference that is let through; float32 leaves about 1e-6."""
ROOT = Path(__file__).parents[4]
MODEL = ours.MODEL
VECTORS = ROOT / "tests" / "ears" / "voiceprint_vectors.npz"


class Embedding(nn.Module):
    """The encoder's own layers, without what belongs to its Python class."""

    def __init__(self, encoder: VoiceEncoder) -> None:
        super().__init__()
        self.lstm, self.linear = encoder.lstm, encoder.linear

    def forward(self, mels: torch.Tensor) -> torch.Tensor:
        """(n, frames, 40) → (n, 256), each of length 1."""
        _, (hidden, _) = self.lstm(mels)
        raw = torch.relu(self.linear(hidden[-1]))
        return raw / torch.norm(raw, dim=1, keepdim=True)


def export(encoder: VoiceEncoder) -> None:
    """Write MODEL."""
    example = torch.from_numpy(np.random.default_rng(0).random((2, ours.WINDOW, 40)).astype(np.float32))
    torch.onnx.export(
        Embedding(encoder).eval(),
        (example,),
        str(MODEL),
        input_names=["mels"],
        output_names=["embeddings"],
        dynamic_axes={"mels": {0: "windows", 1: "frames"}, "embeddings": {0: "windows"}},
        opset_version=17,
        dynamo=False,
    )


def verify(encoder: VoiceEncoder) -> float:
    """The largest difference of network, front-end and whole embedding between theirs and ours."""
    session = onnxruntime.InferenceSession(str(MODEL), providers=["CPUExecutionProvider"])
    worst = 0.0
    for seed, frames in enumerate((80, ours.WINDOW, 300)):
        mels = np.random.default_rng(seed).random((3, frames, 40)).astype(np.float32)
        with torch.no_grad():
            theirs = encoder(torch.from_numpy(mels)).numpy()
        worst = max(worst, float(np.abs(theirs - session.run(None, {"mels": mels})[0]).max()))
    sound = made_up()
    theirs = wav_to_mel_spectrogram(sound)
    worst = max(worst, float(np.abs(theirs - ours.mel(sound)).max() / theirs.max()))
    return max(worst, float(np.abs(encoder.embed_utterance(ours.level(sound)) - ours.Encoder().embed(sound)).max()))


def main() -> None:
    """Export, verify, and write the vectors of the test."""
    encoder = VoiceEncoder("cpu", verbose=False)
    export(encoder)
    worst = verify(encoder)
    if worst > CLOSEST:
        MODEL.unlink()
        raise SystemExit(f"the exported encoder differs by {worst:.2e}; nothing was kept")
    sound = made_up()
    np.savez_compressed(
        VECTORS, mel=wav_to_mel_spectrogram(sound), embedding=encoder.embed_utterance(ours.level(sound))
    )
    digest = hashlib.sha256(MODEL.read_bytes()).hexdigest()
    print(f"{MODEL}: {MODEL.stat().st_size} bytes, sha256 {digest}, largest difference {worst:.1e}")


if __name__ == "__main__":
    main()
