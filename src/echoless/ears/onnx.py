"""How the ears run a network: on the thread that asks, and what goes wrong is raised instead of written to stderr."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_FATAL = 4


def one_thread(file: Path) -> Any:
    """A session of the network in `file`. Raises whatever onnxruntime does where it is none."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def run_options() -> Any:
    """Options of single runs, by whose `terminate` they can be given up from another thread."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.log_severity_level = _FATAL
    return options
