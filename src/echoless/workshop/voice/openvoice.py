"""OpenVoice V2's tone colour converter (MyShell, MIT): its network from the `OpenVoice-cli` package, and nothing else.

Both packages' own classes download models, demand CUDA or a watermark; the network alone needs none of that. Its
weights are the user's to fetch: `converter/config.json` and `converter/checkpoint.pth` of the OpenVoiceV2 model.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
from openvoice_cli.mel_processing import spectrogram_torch
from openvoice_cli.models import SynthesizerTrn

from echoless.frames import RATE, Samples
from echoless.workshop.voice.errors import WorkshopError
from echoless.workshop.voice.ready import CONVERTER

LICENCE = "MIT (OpenVoice V2, MyShell)"


class Converter:
    """The converter in `folder`, whose files are there (`ready`). Raises WorkshopError."""

    def __init__(self, folder: Path) -> None:
        settings, self.checkpoint = (folder / name for name in CONVERTER)
        try:
            told = json.loads(settings.read_text(encoding="utf-8"))
            self._sound = {name: int(told["data"][name]) for name in ("filter_length", "hop_length", "win_length")}
            self.rate = int(told["data"]["sampling_rate"])
            bins, speakers = self._sound["filter_length"] // 2 + 1, int(told["data"].get("n_speakers", 0))
            model = SynthesizerTrn(len(told.get("symbols", [])), bins, n_speakers=speakers, **told["model"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WorkshopError(f"{settings} is not a converter's configuration: {error}") from None
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model = _filled(model, self.checkpoint).to(self._device).eval()

    def sha256(self) -> str:
        with self.checkpoint.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def colour(self, speech: Samples) -> torch.Tensor:
        """The tone colour of `speech`, float32 at 16 kHz without silence: (1, 256, 1)."""
        with torch.inference_mode():
            spectrum = self._spectrum(soxr.resample(speech, RATE, self.rate))
            return self._model.ref_enc(spectrum.transpose(1, 2)).unsqueeze(-1)

    def convert(self, sound: Samples, source: torch.Tensor, target: torch.Tensor, tau: float = 0.3) -> Samples:
        """`sound`, float32 at `rate`, with the other colour. `tau` scales the posterior's noise."""
        with torch.inference_mode():
            spectrum = self._spectrum(sound)
            length = torch.LongTensor([spectrum.shape[-1]]).to(self._device)
            made = self._model.voice_conversion(spectrum, length, sid_src=source, sid_tgt=target, tau=tau)[0]
        out = made.flatten().float().cpu().numpy()
        if not np.isfinite(out).all():
            raise WorkshopError(f"{self.checkpoint} makes no sound: it is damaged, or not the converter's")
        return np.clip(out, -1, 1).astype(np.float32)

    def _spectrum(self, sound: Samples) -> torch.Tensor:
        wave = torch.from_numpy(np.ascontiguousarray(sound, np.float32)).unsqueeze(0)
        s = self._sound
        spectrum = spectrogram_torch(
            wave, s["filter_length"], self.rate, s["hop_length"], s["win_length"], center=False
        )
        return spectrum.to(self._device)


def _filled(model: Any, path: Path) -> Any:
    try:
        kept = torch.load(path, map_location="cpu", weights_only=True)["model"]
        missing, _ = model.load_state_dict(kept, strict=False)
    except Exception as error:  # pickle's, zip's and torch's own kinds
        what = " ".join(str(error).split())[:100]
        raise WorkshopError(f"{path} is a broken checkpoint or another model's ({what}); fetch it again") from None
    used = [name for name in missing if name.startswith(("ref_enc", "enc_q", "flow", "dec"))]
    if used:
        raise WorkshopError(f"{path} is not the converter's: {len(used)} weights are missing, {used[0]} first")
    return model
