"""The models and voices that `echoless pull` knows by name, and where pulled ones lie."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from echoless.settings import data_dir


@dataclass(frozen=True, slots=True)
class Entry:
    """A model on the hub. `sha256` is empty where no sum is known beforehand; then the hub's own is checked."""

    name: str
    repo: str
    file: str
    licence: str
    megabytes: int
    sha256: str = ""
    extra: str = ""
    """A file that belongs to it: a Piper voice's configuration."""
    beside: tuple[str, ...] = ()
    """Files that lie beside it in a folder by its name: a recogniser's."""


VOICES = "rhasspy/piper-voices"
_VOICE = re.compile(
    r"(?P<tongue>[a-z]{2,3})_(?P<region>[A-Z]{2})-(?P<who>[A-Za-z0-9_]+)-(?P<quality>x_low|low|medium|high)"
)

MODELS = (
    Entry(
        "gemma-3-270m-it", "ggml-org/gemma-3-270m-it-GGUF", "gemma-3-270m-it-Q8_0.gguf", "Gemma terms of use", 292,
        "0ef57d2c838458a1952664260dcba38e5bdda37494f3af732f06e4add24068e3",
    ),
    Entry(
        "TinyLlama-1.1B-Chat", "TheBloke/TinyLlama-1.1B-Chat-v1.0-GGUF", "tinyllama-1.1b-chat-v1.0.Q4_K_M.gguf",
        "Apache-2.0", 669, "9fecc3b3cd76bba89d504f29b616eedf7da85b96540e490ca5824d3f7d2776a0",
    ),
    Entry(
        "LFM2-1.2B", "LiquidAI/LFM2-1.2B-GGUF", "LFM2-1.2B-Q4_K_M.gguf", "LFM Open License 1.0", 731,
        "55175400e3f509a9616227afeffd58d87e80b9f628a5d3d54ada884d85221fed",
    ),
    Entry(
        "Qwen2.5-1.5B-Instruct", "Qwen/Qwen2.5-1.5B-Instruct-GGUF", "qwen2.5-1.5b-instruct-q4_k_m.gguf", "Apache-2.0",
        1117, "6a1a2eb6d15622bf3c96857206351ba97e1af16c30d7a74ee38970e434e9407e",
    ),
    Entry(
        "Qwen2.5-3B-Instruct", "Qwen/Qwen2.5-3B-Instruct-GGUF", "qwen2.5-3b-instruct-q4_k_m.gguf",
        "Qwen Research License (not commercial)", 2105,
    ),
    # The first names of this repository are known from its sister models; a wrong one would say so in one line.
    Entry("minichat-3b", "afrideva/MiniChat-3B-GGUF", "minichat-3b.q4_k_m.gguf", "Apache-2.0", 1850),
    Entry(
        "SmallThinker-3B", "bartowski/SmallThinker-3B-Preview-GGUF", "SmallThinker-3B-Preview-Q4_K_M.gguf",
        "its base model's: Qwen Research License (not commercial)", 2100,
    ),
    Entry(
        "Llama-3.2-3B-Instruct", "bartowski/Llama-3.2-3B-Instruct-GGUF", "Llama-3.2-3B-Instruct-Q4_K_M.gguf",
        "Llama 3.2 Community License", 2019, "6c1a2b41161032677be168d354123594c0e6e67d2b9227c84f296ad037c728ff",
    ),
)  # fmt: skip
RECOGNISERS = (
    Entry(
        "sense-voice", "csukuangfj/sherpa-onnx-sense-voice-zh-en-ja-ko-yue-2024-07-17", "model.int8.onnx",
        "FunASR model licence", 239, beside=("tokens.txt",),
    ),
    Entry(
        "paraformer-zh", "csukuangfj/sherpa-onnx-paraformer-zh-2024-03-09", "model.int8.onnx",
        "FunASR model licence", 227, beside=("tokens.txt",),
    ),
    Entry(
        "whisper-base", "Systran/faster-whisper-base", "model.bin", "MIT", 145,
        beside=("config.json", "tokenizer.json", "vocabulary.txt"),
    ),
    Entry(
        "whisper-small", "Systran/faster-whisper-small", "model.bin", "MIT", 484,
        beside=("config.json", "tokenizer.json", "vocabulary.txt"),
    ),
)  # fmt: skip
"""Models for other languages than English: of sherpa-onnx (`echoless[sherpa]`) and of faster-whisper
(`echoless[whisper]`)."""
SPOKEN = ("en_US-hfc_female-medium", "zh_CN-huayan-medium")
"""Voices that the list shows; every other Piper voice goes by its name just so."""


def models_dir() -> Path:
    """Where pulled files lie: `models` in the user's data folder, or where `ECHOLESS_MODELS` says."""
    return Path(os.environ.get("ECHOLESS_MODELS") or data_dir() / "models")


def entry(name: str) -> Entry | None:
    """What is known by this name: a listed model (in any case of letters), or any Piper voice."""
    for each in (*MODELS, *RECOGNISERS):
        if each.name.lower() == name.lower():
            return each
    if match := _VOICE.fullmatch(name):
        part = match.groupdict()
        folder = f"{part['tongue']}/{part['tongue']}_{part['region']}/{part['who']}/{part['quality']}"
        file = f"{folder}/{name}.onnx"
        return Entry(name, VOICES, file, "see its MODEL_CARD", 63, extra=f"{file}.json")
    return None


def pulled(name: str) -> Path | None:
    """The file of a model or voice that was pulled by this name, or the folder of a recogniser's; None where it was
    not, or not whole."""
    known = entry(name)
    if known and known.beside:
        folder = models_dir() / known.name
        return folder if all((folder / file).is_file() for file in (known.file, *known.beside)) else None
    path = models_dir() / (Path(known.file).name if known else name)
    return path if (known or "/" not in name) and path.is_file() else None
