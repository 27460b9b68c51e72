"""The embedded server's own process: `python -m echoless.mind.serve`, started only by `mind.server`.

Reads one line of JSON from standard input (settings, with the key, so that no process list shows it), writes one line
of JSON to standard output (`{"url": ...}` once it listens), and ends as soon as standard input ends: however its
parent dies, the pipe closes. On Linux the kernel also kills it with its parent, which covers the seconds in which
loading a model holds the interpreter.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from typing import Any

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Linux: SIGKILL for this process when the thread that started it ends. Elsewhere the pipe has to do."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we could ask
        os._exit(1)


def parameters(settings: dict[str, Any]) -> Any:
    """xllamacpp's parameters: loopback only, a key, no CORS, small batches so that a prefill can be cut short."""
    from xllamacpp import CommonParams, ggml_type, llama_flash_attn_type

    found = CommonParams()
    found.model.path = settings["model"]
    found.hostnames = ["127.0.0.1"]
    found.port = settings["port"]
    found.api_keys = [settings["key"]]
    found.cors_origins, found.cors_origins_explicit = "", True
    found.ui = False
    found.n_ctx = settings["context"] * settings["slots"]
    found.n_parallel = settings["slots"]
    found.n_batch = found.n_ubatch = settings["batch"]
    found.cpuparams.n_threads = found.cpuparams_batch.n_threads = settings["threads"]
    found.n_gpu_layers = settings["gpu_layers"]
    found.n_threads_http = 2 + 2 * settings["slots"]
    found.cache_ram_mib = 0
    if settings["exact"]:
        found.cache_type_k = found.cache_type_v = ggml_type.GGML_TYPE_F32
        found.flash_attn_type = llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    found.use_jinja = True
    found.offline = True
    found.verbosity = 2
    return found


def main() -> None:
    """Serve until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever the library prints belongs into the log
    settings = json.loads(sys.stdin.readline())
    die_with_parent(settings["parent"])
    try:
        from xllamacpp import Server

        server = Server(parameters(settings))
    except Exception as why:
        answers.write(json.dumps({"error": str(why)}) + "\n")
        sys.exit(1)  # an orderly end: llama.cpp writes its log from a thread of its own
    answers.write(json.dumps({"url": server.listening_address}) + "\n")
    while os.read(0, 4096):
        pass
    os._exit(0)  # no destructors: they wait for requests to end


if __name__ == "__main__":
    main()
