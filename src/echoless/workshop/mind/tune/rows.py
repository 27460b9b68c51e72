"""Dialogues as rows of tokens of which only the agent's are learnt. Needs transformers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerFast

from echoless.workshop.mind.errors import MindError
from echoless.workshop.mind.form import DIALOGUES, HELD_OUT, NEUTRAL, STYLED, find, read_talks

SKIP = -100
"""The label of a token that is not learnt, as torch's cross-entropy has it."""
Message = dict[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """Token ids and labels of the same length: the id where it is learnt, SKIP elsewhere."""

    ids: list[int]
    labels: list[int]


def render(tokenizer: PreTrainedTokenizerFast, messages: Sequence[Message], ask: bool = False) -> str:
    """The chat template's text. Raises MindError where the template refuses these messages."""
    try:
        return str(tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=ask))
    except Exception as why:  # jinja raises what the template says, as TemplateError or anything else
        raise MindError(f"the chat template refuses a dialogue ({why}): roles must take turns") from None


def spans(tokenizer: PreTrainedTokenizerFast, messages: Sequence[Message]) -> list[tuple[str, list[tuple[int, int]]]]:
    """Texts to learn from, with the stretches of characters that the agent says, its end token among them.

    One text where the template writes history as it writes the present. Some do not (thoughts are dropped from
    earlier turns): then one text a reply, each as it will be asked for.
    """
    whole, found = render(tokenizer, messages), []
    agent = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
    for place in agent:
        before = render(tokenizer, messages[:place], ask=True)
        after = render(tokenizer, messages[: place + 1])
        if not (after.startswith(before) and whole.startswith(after)):
            return [one for place in agent for one in _alone(tokenizer, messages[: place + 1])]
        found.append((len(before), _end(tokenizer, after, len(before))))
    return [(whole, found)] if found else []


def _alone(tokenizer: PreTrainedTokenizerFast, messages: Sequence[Message]) -> list[tuple[str, list[tuple[int, int]]]]:
    """A text whose last reply alone is learnt; none where even that cannot be told from the prompt."""
    before, after = render(tokenizer, messages[:-1], ask=True), render(tokenizer, messages)
    start = len(before)
    if not after.startswith(before):
        start = after.rfind(messages[-1]["content"].strip())
        if start < 0:
            return []
    return [(after, [(start, _end(tokenizer, after, start))])]


def _end(tokenizer: PreTrainedTokenizerFast, text: str, start: int) -> int:
    """Where a reply that begins at `start` ends: after the control token that closes it."""
    tail = text[start:].rstrip()
    closing = max((tail.endswith(token) and len(token) for token in tokenizer.get_added_vocab()), default=0)
    return start + len(tail) if closing else len(text)


def encode(tokenizer: PreTrainedTokenizerFast, messages: Sequence[Message], length: int) -> list[Row]:
    """Rows of at most `length` tokens; a dialogue that is longer loses its beginning at a turn of the user, so that no
    reply is learnt without what it answers. None where not even the last exchange fits."""
    rows = []
    for text, learnt in spans(tokenizer, messages):
        starts = bool(tokenizer.bos_token) and text.startswith(tokenizer.bos_token)
        coded = tokenizer(text, add_special_tokens=not starts, return_offsets_mapping=True)
        ids = list(coded["input_ids"])
        labels = [
            token if end > begin and any(first <= begin < last for first, last in learnt) else SKIP
            for token, (begin, end) in zip(ids, coded["offset_mapping"], strict=True)
        ]
        if len(ids) <= length:
            rows.append(Row(ids, labels))
    if rows or not messages:
        return [row for row in rows if any(label != SKIP for label in row.labels)]
    head = [message for message in messages[:1] if message["role"] == "system"]
    later = [place for place in range(len(head) + 1, len(messages)) if messages[place]["role"] == "user"]
    return encode(tokenizer, [*head, *messages[later[0] :]], length) if later else []


class Rows(Dataset):
    """Rows by number, as Trainer reads them."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> dict[str, list[int]]:
        row = self.rows[place]
        return {"input_ids": row.ids, "labels": row.labels}


def together(pad: int) -> Any:
    """What lays rows side by side, padded on the right: (rows, longest) int64 each."""

    def lay(rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        longest = max(len(row["input_ids"]) for row in rows)

        def column(name: str, fill: int) -> torch.Tensor:
            return torch.tensor([row[name] + [fill] * (longest - len(row[name])) for row in rows])

        seen = torch.tensor([[1] * len(row["input_ids"]) + [0] * (longest - len(row["input_ids"])) for row in rows])
        return {"input_ids": column("input_ids", pad), "labels": column("labels", SKIP), "attention_mask": seen}

    return lay


def read(tokenizer: PreTrainedTokenizerFast, folder: Path, names: Iterable[str], length: int) -> tuple[list[Row], int]:
    """The rows of those files of a folder that are there, and how many dialogues none came of. Raises MindError."""
    rows, lost = [], 0
    for name in names:
        if name != DIALOGUES and not (folder / name).is_file():
            continue
        for talk in read_talks(folder, name):
            messages = [{"role": message.role, "content": message.text} for message in talk.messages]
            while messages and messages[-1]["role"] != "assistant":
                messages.pop()
            new = encode(tokenizer, messages, length)
            lost += not new
            rows += new
    return rows, lost


def read_all(tokenizer: PreTrainedTokenizerFast, folder: Path, length: int) -> tuple[list[Row], list[Row], int]:
    """Rows to learn from, rows held out, and how many dialogues gave none. Raises MindError."""
    find(folder)
    if folder.is_file():
        rows, lost = read(tokenizer, folder, [DIALOGUES], length)
        return rows, [], lost
    rows, lost = read(tokenizer, folder, [DIALOGUES, STYLED, NEUTRAL], length)
    held, _ = read(tokenizer, folder, [HELD_OUT], length) if (folder / HELD_OUT).is_file() else ([], 0)
    return rows, held, lost
