"""A llama-shaped GGUF back into a Hugging Face folder: how a pocket model becomes a base to fine-tune.

Needs numpy, gguf, tokenizers and safetensors, not torch. Numbers that were quantised come back as they were rounded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf.quants import dequantize
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

from echoless.workshop.mind.errors import MindError

NAMES = {
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}  # fmt: skip
_TOP = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def unturned(weight: np.ndarray, heads: int) -> np.ndarray:
    """Undo llama.cpp's order of rotary pairs in a (heads x size, width) weight: interleaved there, in halves here."""
    size = weight.shape[0] // heads
    return weight.reshape(heads, size // 2, 2, -1).swapaxes(1, 2).reshape(weight.shape)


def _config(told: dict[str, Any], vocab: int, tied: bool) -> dict[str, Any]:
    """config.json of LlamaForCausalLM."""
    heads = int(told["llama.attention.head_count"])
    end = int(told["tokenizer.ggml.eos_token_id"])
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "dtype": "float32", "vocab_size": vocab,
        "hidden_size": int(told["llama.embedding_length"]), "num_hidden_layers": int(told["llama.block_count"]),
        "intermediate_size": int(told["llama.feed_forward_length"]), "num_attention_heads": heads,
        "num_key_value_heads": int(told.get("llama.attention.head_count_kv", heads)), "hidden_act": "silu",
        "max_position_embeddings": int(told["llama.context_length"]), "tie_word_embeddings": tied,
        "rms_norm_eps": float(told["llama.attention.layer_norm_rms_epsilon"]),
        "rope_theta": float(told.get("llama.rope.freq_base", 10000.0)),
        "bos_token_id": told.get("tokenizer.ggml.bos_token_id"), "eos_token_id": end,
        "pad_token_id": told.get("tokenizer.ggml.padding_token_id", end),
    }  # fmt: skip


def settings_of(reader: gguf.GGUFReader) -> dict[str, Any]:
    """Every field but the long lists, and the merges of the tokenizer."""
    return {name: field.contents() for name, field in reader.fields.items() if not name.startswith("tokenizer.ggml.t")}


def tokenizer_of(reader: gguf.GGUFReader) -> Tokenizer:
    """The byte-level BPE with GPT-2's splitting that lies in the file (SmolLM's: every digit by itself), without pieces
    that only fill it up. Raises MindError where it is another kind."""
    told = settings_of(reader)
    kind = told.get("tokenizer.ggml.pre")
    if told["tokenizer.ggml.model"] != "gpt2" or kind not in ("gpt-2", "smollm"):
        raise MindError(
            f"the tokenizer in this GGUF ({told['tokenizer.ggml.model']}, {kind}) cannot be taken out of it: name the "
            "model's source folder"
        )
    pieces = list(reader.fields["tokenizer.ggml.tokens"].contents())
    sorts = list(reader.fields["tokenizer.ggml.token_type"].contents())
    merges = [tuple(merge.split(" ")) for merge in told["tokenizer.ggml.merges"]]
    used = {
        piece: number
        for number, (piece, sort) in enumerate(zip(pieces, sorts, strict=True))
        if sort != gguf.TokenType.UNUSED
    }
    vocab = Tokenizer(models.BPE(used, merges))
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    digits = pre_tokenizers.Digits(individual_digits=True)
    vocab.pre_tokenizer = pre_tokenizers.Sequence([digits, whole]) if kind == "smollm" else whole
    vocab.decoder = decoders.ByteLevel()
    control = [piece for piece, sort in zip(pieces, sorts, strict=True) if sort == gguf.TokenType.CONTROL]
    vocab.add_special_tokens([AddedToken(piece, special=True, normalized=False) for piece in control])
    return vocab


def _write_tokenizer(reader: gguf.GGUFReader, told: dict[str, Any], goal: Path) -> None:
    """tokenizer.json and its settings."""
    vocab = tokenizer_of(reader)
    start, end = (str(vocab.id_to_token(int(told[f"tokenizer.ggml.{which}_token_id"]))) for which in ("bos", "eos"))
    begun = bool(told.get("tokenizer.ggml.add_bos_token", True))
    if begun:
        vocab.post_processor = processors.TemplateProcessing(
            single=f"{start} $A", special_tokens=[(start, vocab.token_to_id(start))]
        )
    vocab.save(str(goal / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": start, "eos_token": end, "pad_token": end,
        "model_max_length": int(told["llama.context_length"]), "clean_up_tokenization_spaces": False,
    }  # fmt: skip
    (goal / "tokenizer_config.json").write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    template = str(told.get("tokenizer.chat_template", ""))
    (goal / "chat_template.jinja").write_text("{{ bos_token }}" * begun + template, encoding="utf-8")


def unpack(file: Path, goal: Path) -> Path:
    """Write the Hugging Face folder `goal` of a GGUF. Raises MindError where it is of another family."""
    from safetensors.numpy import save_file

    reader = gguf.GGUFReader(file)
    told = settings_of(reader)
    if told["general.architecture"] != "llama":
        raise MindError(f"{file.name} is a {told['general.architecture']}: name the Hugging Face folder it came from")
    goal.mkdir(parents=True, exist_ok=True)
    heads = int(told["llama.attention.head_count"])
    shared = int(told.get("llama.attention.head_count_kv", heads))
    weights = {}
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        where, _, _ = tensor.name.removesuffix(".weight").partition(".weight")
        if where in _TOP:
            weights[f"{_TOP[where]}.weight"] = values
            continue
        _, number, part = where.split(".")
        if part in ("attn_q", "attn_k"):
            values = unturned(values, heads if part == "attn_q" else shared)
        weights[f"model.layers.{number}.{NAMES[part]}.weight"] = values
    vocab = len(weights["model.embed_tokens.weight"])
    tied = "lm_head.weight" not in weights
    save_file({name: np.ascontiguousarray(value) for name, value in weights.items()}, goal / "model.safetensors")
    (goal / "config.json").write_text(json.dumps(_config(told, vocab, tied), indent=1) + "\n", encoding="utf-8")
    _write_tokenizer(reader, told, goal)
    return goal
