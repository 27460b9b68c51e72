"""Is this a model at all? Asked before anything is started, so that a wrong file gets one clear line."""

from __future__ import annotations

import struct
from pathlib import Path

from echoless.mind.door import MindError

_HEADER = struct.Struct("<4sIQQ")
_MOST = 10_000_000


def check_gguf(path: Path) -> None:
    """Raises MindError where `path` is no GGUF model that llama.cpp could read, judged by its header (GGUF 2 and 3:
    magic, version, numbers of tensors and of key-value pairs). Truncated tensors are found by the server."""
    if path.is_dir():
        raise MindError(f"{path} is a folder: name the .gguf file in it")
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except FileNotFoundError:
        raise MindError(f"there is no model at {path}: check the path, or fetch one with `echoless pull`") from None
    except OSError as why:
        raise MindError(f"cannot read the model {path}: {why.strerror or why}") from None
    again = "fetch it again"
    if head.startswith(b"version https://git-lfs"):
        raise MindError(f"{path} is only a pointer to a model (Git LFS): {again} with `git lfs pull`")
    if head.lstrip()[:1] == b"<":
        raise MindError(f"{path} is a web page, not a model: {again}")
    if len(head) < _HEADER.size or head[:4] != b"GGUF":
        raise MindError(f"{path} is no GGUF model: convert it to GGUF or name another file")
    _, version, tensors, pairs = _HEADER.unpack_from(head)
    if version == 1 or version > 0xFFFF:
        raise MindError(f"{path} is a GGUF that llama.cpp no longer reads (version 1 or big-endian): convert it again")
    if not (0 < tensors < _MOST and 0 < pairs < _MOST):
        raise MindError(f"{path} is a damaged GGUF ({tensors} tensors, {pairs} settings): {again}")
