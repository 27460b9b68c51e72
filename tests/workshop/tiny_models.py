"""Tiny models with random weights, one of each family that Echoless exports, as Hugging Face folders. Needs torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    Lfm2Config,
    Lfm2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from echoless.workshop.mind.export.pretokens import SPLITS

TEXTS = [
    "hello there, how are you doing today? I'm fine, thank you; it's 25 degrees.",
    "what a nice day it is, let us go for a walk and talk about the weather we've had",
    "你好，今天天气很好，我们一起去公园散步吧。你最喜欢吃什么？我喜欢吃面条和饺子。",
    "User: Assistant: system user assistant model 0123456789",
] * 4
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] | trim }}"
    "{{ '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TURNS = (
    "{{ bos_token }}{% for message in messages %}{{ '<start_of_turn>' + ('model' if message['role'] == "
    "'assistant' else 'user') + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
FAMILIES = ("llama", "qwen2", "qwen3", "gemma3", "lfm2")
COMMON = {"hidden_size": 64, "intermediate_size": 96, "max_position_embeddings": 512}


def bpe(split: str, *, bos: str | None, nfc: bool) -> PreTrainedTokenizerFast:
    """A byte-level BPE of 500 pieces; `split` as pretokens names it."""
    vocab = Tokenizer(models.BPE())
    pattern = next(regex for regex, name in SPLITS.items() if name == split)
    if nfc:
        vocab.normalizer = normalizers.NFC()
    vocab.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    vocab.decoder = decoders.ByteLevel()
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *([bos] if bos else [])]
    vocab.train_from_iterator(
        TEXTS,
        trainers.BpeTrainer(
            vocab_size=500,
            special_tokens=specials,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    if bos:
        vocab.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, vocab.token_to_id(bos))]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=vocab, bos_token=bos, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=CHATML
    )


def sentencepiece(folder: Path) -> PreTrainedTokenizerFast:
    """Gemma's sort of tokenizer: a sentencepiece BPE with byte fallback, as tokenizer.model and as tokenizer.json."""
    import sentencepiece as spm

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "texts.tmp").write_text("\n".join(TEXTS), "utf-8")
    control = ["<pad>", "<eos>", "<bos>", "<unk>"]
    turns = ["<start_of_turn>", "<end_of_turn>"]
    spm.SentencePieceTrainer.Train(
        input=str(folder / "texts.tmp"), model_prefix=str(folder / "tokenizer"), vocab_size=450, model_type="bpe",
        pad_id=0, eos_id=1, bos_id=2, unk_id=3, pad_piece="<pad>", eos_piece="<eos>", bos_piece="<bos>",
        user_defined_symbols=turns, byte_fallback=True, split_digits=True, add_dummy_prefix=False,
        remove_extra_whitespaces=False, normalization_rule_name="identity", allow_whitespace_only_pieces=True,
        character_coverage=1.0, hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    (folder / "texts.tmp").unlink()
    (folder / "tokenizer.vocab").unlink()
    trained = spm.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    vocab = {trained.IdToPiece(number): number for number in range(trained.GetPieceSize())}
    merges = [
        (piece[:cut], piece[cut:])
        for piece in vocab
        if not trained.IsByte(vocab[piece]) and piece not in (*control, *turns)
        for cut in sorted(range(1, len(piece)), key=lambda cut: vocab.get(piece[:cut], 0))
        if piece[:cut] in vocab and piece[cut:] in vocab
    ]
    made = Tokenizer(models.BPE(vocab, merges, byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    made.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", vocab["<bos>"])])
    made.add_special_tokens([*control, *turns])
    return PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>", unk_token="<unk>",
        chat_template=TURNS,
    )  # fmt: skip


def configured(family: str, tokenizer: PreTrainedTokenizerFast) -> Any:
    """The family's model, a few ten thousand weights."""
    vocab = {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    heads = {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    if family == "llama":
        return LlamaForCausalLM(LlamaConfig(**COMMON, **heads, **vocab))
    if family == "qwen2":
        return Qwen2ForCausalLM(Qwen2Config(**COMMON, **heads, **vocab, tie_word_embeddings=True))
    if family == "qwen3":
        return Qwen3ForCausalLM(Qwen3Config(**COMMON, **heads, **vocab, head_dim=32))
    if family == "gemma3":
        return Gemma3ForCausalLM(
            Gemma3TextConfig(
                **COMMON,
                **{**heads, "num_hidden_layers": 6},
                **vocab,
                head_dim=32,
                sliding_window=16,
                query_pre_attn_scalar=32,
            )
        )
    layers = ["conv", "full_attention", "conv"]
    return Lfm2ForCausalLM(
        Lfm2Config(**COMMON, **{**heads, "num_hidden_layers": 3}, **vocab, layer_types=layers, block_multiple_of=32)
    )


def make(family: str, folder: Path, seed: int = 0) -> Path:
    """Write a model of `family` into `folder`. Its weights are large, so that no two of its logits nearly tie, and of
    few values, so that its file can be packed."""
    torch.manual_seed(seed)
    if family == "gemma3":
        tokenizer = sentencepiece(folder)
    else:
        bos = {"llama": "<|begin_of_text|>", "lfm2": "<|startoftext|>"}.get(family)
        tokenizer = bpe("llama-bpe" if bos else "qwen2", bos=bos, nfc=not bos)
    tokenizer.save_pretrained(folder)
    model = configured(family, tokenizer).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            steps = torch.randint(-4, 5, weight.shape) / 16
            weight.copy_(steps if weight.dim() >= 2 or name.endswith("bias") else weight + steps / 4)
    model.save_pretrained(folder)
    return folder
