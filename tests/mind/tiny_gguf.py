"""A llama-shaped GGUF with random weights: a real model for the real server, made in milliseconds.

Its tokens are the 256 bytes plus a few chat tokens, so that its replies are broken UTF-8 and never end by
themselves: the hardest reply a client can get. `layers` and `width` make it slower.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIALS = ["<|pad|>", "<|begin|>", "<|end|>", "<|im_start|>", "<|im_end|>"]
TALKATIVE = {"seed": 7, "ignore_eos": True}
"""Sampling with which the model never ends by itself and says the same every time."""


def byte_letters() -> list[str]:
    """The 256 letters by which GPT-2's byte-level BPE writes the bytes (Radford et al. 2019)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters, extra = {}, 0
    for byte in range(256):
        letters[byte] = chr(byte) if byte in plain else chr(256 + extra)
        extra += byte not in plain
    return [letters[byte] for byte in range(256)]


def write_tiny_gguf(
    path: Path, *, layers: int = 2, width: int = 64, context: int = 2048, template: str | None = CHATML, seed: int = 0
) -> Path:
    """Write the model to `path` and return it. `width` is a multiple of 64; no `template` leaves it without one."""
    draw = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, "llama")
    heads, hidden = width // 32, width * 2
    specials = SPECIALS if template else SPECIALS[:3]
    tokens = specials + byte_letters()
    writer.add_name("tiny")
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(hidden)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_rope_dimension_count(32)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL] * len(specials) + [gguf.TokenType.NORMAL] * 256)
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    if template is not None:
        writer.add_chat_template(template)

    def tensor(name: str, *shape: int) -> None:
        writer.add_tensor(name, draw.normal(0, 0.05, shape).astype(np.float32))

    tensor("token_embd.weight", len(tokens), width)
    tensor("output.weight", len(tokens), width)
    writer.add_tensor("output_norm.weight", np.ones(width, np.float32))
    for layer in range(layers):
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{norm}.weight", np.ones(width, np.float32))
        for square in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensor(f"blk.{layer}.{square}.weight", width, width)
        tensor(f"blk.{layer}.ffn_gate.weight", hidden, width)
        tensor(f"blk.{layer}.ffn_up.weight", hidden, width)
        tensor(f"blk.{layer}.ffn_down.weight", width, hidden)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
