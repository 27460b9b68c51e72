"""The pieces of text a pocket model reads and writes, and how a conversation becomes a row of them.

A byte-level BPE with GPT-2's splitting (llama.cpp calls it `gpt-2`), so that nothing a user says is out of vocabulary.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from echoless.workshop.mind.pocket.dialogue import Dialogue
from echoless.workshop.mind.pocket.template import CONTROL, CORPUS, END, START


def train_vocab(texts: Iterable[str], size: int, longest: int = 18) -> Tokenizer:
    """Learn `size` pieces of at most `longest` bytes, control tokens first, from `texts`."""
    vocab = Tokenizer(models.BPE())
    vocab.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    vocab.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(CONTROL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=longest,
        show_progress=False,
    )
    vocab.train_from_iterator(texts, trainer)
    return vocab


def join_vocabs(vocabs: Sequence[Tokenizer]) -> Tokenizer:
    """One vocabulary with the pieces and merges of all, in their order."""
    whole: dict[str, Any] = json.loads(vocabs[0].to_str())
    pieces: dict[str, int] = whole["model"]["vocab"]
    merges: list[Any] = whole["model"]["merges"]
    for vocab in vocabs[1:]:
        for merge in json.loads(vocab.to_str())["model"]["merges"]:
            parts = merge if isinstance(merge, list) else merge.split(" ")
            if "".join(parts) not in pieces:
                pieces["".join(parts)] = len(pieces)
                merges.append(merge)
    return Tokenizer.from_str(json.dumps(whole))


def load_vocab(path: Path) -> Tokenizer:
    """Read a saved tokenizer.json."""
    return Tokenizer.from_file(str(path))


def pieces_of(vocab: Tokenizer, text: str, rng: random.Random | None) -> list[int]:
    """Token ids of `text`; with `rng` it is sometimes cut in odd places, so that its words are met in other pieces."""
    if rng is None or len(text) < 3 or rng.random() > 0.3:
        return vocab.encode(text, add_special_tokens=False).ids
    cuts = sorted({0, len(text), *(rng.randrange(1, len(text)) for _ in range(rng.randint(1, 3)))})
    parts = [text[a:b] for a, b in pairwise(cuts)]
    return [token for part in parts for token in vocab.encode(part, add_special_tokens=False).ids]


def encode(
    vocab: Tokenizer, dialogue: Dialogue, user_weight: float, rng: random.Random | None = None
) -> tuple[list[int], list[float]]:
    """Token ids and how much each is to be learnt: agent turns 1, user turns `user_weight` (1 in a corpus), tags 0.
    `rng`: see pieces_of; for what users say only."""
    token: Callable[[str], Any] = vocab.token_to_id  # None only for pieces that it has not: these it has
    ids = [token(START)] + ([token(CORPUS)] if dialogue.corpus else [])
    weights, end = [0.0] * len(ids), token(END)
    for number, (role, text) in enumerate(dialogue.turns):
        said = [*pieces_of(vocab, text, rng if role == "user" else None), end]
        if role == "system" or number in dialogue.muted:
            weight = 0.0
        else:
            weight = 1.0 if dialogue.corpus or role == "assistant" else user_weight
        ids += [token(f"<|{role}|>"), *said]
        weights += [0.0] + [weight] * len(said)
    return ids, weights
