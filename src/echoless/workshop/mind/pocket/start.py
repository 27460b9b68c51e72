"""Begin where another pocket model ended: with the weights and the pieces of its GGUF.

Numbers that were quantised come back as they were rounded, which costs a Q8_0 next to nothing; the optimiser starts
anew.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import torch
from gguf.quants import dequantize

from echoless.workshop.mind.pocket.model import Llama, Shape
from echoless.workshop.mind.pocket.recipe import RecipeError
from echoless.workshop.mind.tune.unpack import settings_of, tokenizer_of


def take_pieces(file: Path, goal: Path) -> None:
    """Write the pieces of a GGUF to `goal` (tokenizer.json)."""
    tokenizer_of(gguf.GGUFReader(file)).save(str(goal))


def take_weights(file: Path, model: Llama) -> None:
    """Load the weights of a GGUF into `model`. Raises RecipeError where their shapes differ."""
    found = {
        tensor.name: torch.tensor(dequantize(tensor.data, tensor.tensor_type), dtype=torch.float32)
        for tensor in gguf.GGUFReader(file).tensors
    }
    try:
        model.load_state_dict(found)
    except RuntimeError as why:
        raise RecipeError(f"{file.name} has another shape than the recipe: {str(why).splitlines()[1].strip()}") from why


def load_gguf(file: Path) -> tuple[Llama, list[str]]:
    """The model of a GGUF with its numbers in float32, and its languages."""
    told = settings_of(gguf.GGUFReader(file))
    names = {"layers": "block_count", "width": "embedding_length", "heads": "attention.head_count",
             "hidden": "feed_forward_length", "context": "context_length", "vocab": "vocab_size",
             "shared": "attention.head_count_kv"}  # fmt: skip
    sizes = {part: int(told[f"llama.{name}"]) for part, name in names.items()}
    turns, small = float(told["llama.rope.freq_base"]), float(told["llama.attention.layer_norm_rms_epsilon"])
    model = Llama(Shape(**sizes, rope_base=turns, epsilon=small)).eval()
    take_weights(file, model)
    return model, list(told.get("general.languages", ()))
