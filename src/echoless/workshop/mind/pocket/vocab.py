"""The pieces of text a pocket model reads and writes, and how a conversation becomes a row of them.

A byte-level BPE with GPT-2's splitting (llama.cpp calls it `gpt-2`), so that nothing a user says is out of vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from echoless.workshop.mind.pocket.dialogue import Dialogue
from echoless.workshop.mind.pocket.template import CONTROL, CORPUS, END, START


def train_vocab(texts: Iterable[str], size: int) -> Tokenizer:
    """Learn `size` pieces, control tokens first, from `texts`."""
    vocab = Tokenizer(models.BPE())
    vocab.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    vocab.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(CONTROL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    vocab.train_from_iterator(texts, trainer)
    return vocab


def load_vocab(path: Path) -> Tokenizer:
    """Read a saved tokenizer.json."""
    return Tokenizer.from_file(str(path))


def encode(vocab: Tokenizer, dialogue: Dialogue, user_weight: float) -> tuple[list[int], list[float]]:
    """Token ids and how much each is to be learnt: agent turns 1, user turns `user_weight` (1 in a corpus), tags 0."""
    ids = [vocab.token_to_id(START)] + ([vocab.token_to_id(CORPUS)] if dialogue.corpus else [])
    weights = [0.0] * len(ids)
    end = vocab.token_to_id(END)
    for number, (role, text) in enumerate(dialogue.turns):
        said = [*vocab.encode(text, add_special_tokens=False).ids, end]
        if role == "system" or number in dialogue.muted:
            weight = 0.0
        else:
            weight = 1.0 if dialogue.corpus or role == "assistant" else user_weight
        ids += [vocab.token_to_id(f"<|{role}|>"), *said]
        weights += [0.0] + [weight] * len(said)
    return ids, weights
