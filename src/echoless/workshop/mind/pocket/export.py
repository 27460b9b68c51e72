"""Write a trained pocket model as GGUF: weights, pieces, chat template, licence.

    python -m echoless.workshop.mind.pocket.export out/mind/pocket --stage long --type q8_0

The tensors of model.Llama already lie in llama.cpp's order, so nothing is permuted; the tied head is left out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf.quants import quantize

from echoless.workshop.mind.errors import MindError
from echoless.workshop.mind.pocket.model import Llama, Shape
from echoless.workshop.mind.pocket.recipe import Recipe
from echoless.workshop.mind.pocket.template import CONTROL, END, START, TEMPLATE
from echoless.workshop.mind.tune.unpack import unpack

TYPES = {
    "f32": (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
    "f16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    "q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
}


def load_run(out: Path, stage: str) -> tuple[Recipe, Llama]:
    """The recipe a run was made with, and the model as `stage` left it."""
    raw = json.loads((out / "recipe.json").read_text())
    raw.pop("sha256")
    recipe = Recipe.model_validate(raw)
    model = Llama(Shape(**recipe.model.model_dump())).eval()
    model.load_state_dict(torch.load(out / f"{stage}.pt", weights_only=True)["model"])
    return recipe, model


def add_vocab(writer: gguf.GGUFWriter, tokenizer: Path, size: int) -> None:
    """The pieces, merges and control tokens of a tokenizer.json, padded to `size`, and the template that uses them."""
    kept = json.loads(tokenizer.read_text(encoding="utf-8"))["model"]
    ids: dict[str, int] = kept["vocab"]
    pieces = sorted(ids, key=lambda piece: ids[piece])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    kinds = [gguf.TokenType.CONTROL if piece in CONTROL else gguf.TokenType.NORMAL for piece in pieces]
    unused = [f"<|unused {number}|>" for number in range(len(pieces), size)]
    writer.add_token_list(pieces + unused)
    writer.add_token_types(kinds + [gguf.TokenType.UNUSED] * len(unused))
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in kept["merges"]])
    writer.add_bos_token_id(ids[START])
    writer.add_eos_token_id(ids[END])
    writer.add_pad_token_id(ids[END])
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_chat_template(TEMPLATE)


def add_shape(writer: gguf.GGUFWriter, shape: Shape) -> None:
    """The sizes of a model, as llama.cpp reads them."""
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.shared or shape.heads)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_vocab_size(shape.vocab)


def export(out: Path, stage: str, kind: str, path: Path) -> Path:
    """Write the model to `path` in the number format `kind` (f32, f16, q8_0); norms stay float32."""
    recipe, model = load_run(out, stage)
    shape, (number, file_type) = model.shape, TYPES[kind]
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    writer = gguf.GGUFWriter(part, "llama")
    writer.add_name(recipe.title)
    writer.add_author("The Echoless authors")
    writer.add_license(recipe.licence)
    writer.add_languages(recipe.languages)
    writer.add_file_type(file_type)
    add_shape(writer, shape)
    add_vocab(writer, out / "tokenizer.json", shape.vocab)
    for name, weight in model.state_dict().items():
        values = weight.float().numpy()
        if values.ndim == 1:
            writer.add_tensor(name, values)
        elif kind == "q8_0":
            writer.add_tensor(name, quantize(values, number), raw_dtype=number)
        else:
            writer.add_tensor(name, values.astype(np.float16 if kind == "f16" else np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    part.replace(path)
    return path


def is_pocket_run(place: Path) -> bool:
    """Whether a folder is a run of `train`."""
    return (place / "recipe.json").is_file() and (place / "tokenizer.json").is_file()


def as_folder(out: Path, goal: Path) -> Path:
    """A run as transformers reads it, in the folder `goal`. Raises MindError where it is not trained to its end."""
    last = json.loads((out / "recipe.json").read_text())["stages"][-1]["name"]
    if not (out / f"{last}.pt").is_file() or not torch.load(out / f"{last}.pt", weights_only=True)["done"]:
        raise MindError(f"{out} is not trained to its end yet: go on with 'echoless mind train --resume --out {out}'")
    file = export(out, last, "f32", goal.with_suffix(".gguf"))
    try:
        return unpack(file, goal)
    finally:
        file.unlink()


def main() -> None:
    """The command line of this module."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("out", type=Path, help="the folder of a run of train")
    ask.add_argument("--stage", required=True, help="one of the recipe's stages, as a rule the last")
    ask.add_argument("--type", choices=sorted(TYPES), default="q8_0")
    ask.add_argument("--to", type=Path)
    given = ask.parse_args()
    path = given.to or given.out / f"{given.out.name}-{given.type}.gguf"
    export(given.out, given.stage, given.type, path)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
