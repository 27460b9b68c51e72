"""Runs llama.cpp's converter in a process of its own: it brings its own version of `gguf`.

    python -m echoless.workshop.mind.export.child CONVERTER < JOBS

JOBS is JSON: a list of {"pretokens": NAME or null, "arguments": [what convert_hf_to_gguf.py takes]}.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main() -> None:
    """Patch in what a tokenizer trained at home needs, then be the converter, once a job."""
    folder = sys.argv[1]
    jobs = json.load(sys.stdin)
    sys.path[:0] = [folder, f"{folder}/gguf-py"]
    import convert_hf_to_gguf as llama  # type: ignore[import-not-found]
    from conversion.base import TextModel  # type: ignore[import-not-found]

    known = TextModel.get_vocab_base_pre
    for job in jobs:

        def told(self: Any, tokenizer: Any, pre: str | None = job["pretokens"]) -> str:
            try:
                return str(known(self, tokenizer))
            except NotImplementedError:
                if pre is None:
                    raise
                return pre

        TextModel.get_vocab_base_pre = told
        sys.argv = [f"{folder}/convert_hf_to_gguf.py", *job["arguments"]]
        llama.main()


if __name__ == "__main__":
    main()
