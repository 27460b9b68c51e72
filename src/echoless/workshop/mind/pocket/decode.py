"""Many conversations at once out of one model: a key-value cache with a row a conversation, each at its own place.

Everything stays on the device; a whole step is one token more for every row, whether it is foretold (the opening, the
marks between turns) or drawn. Keys and values are kept in the model's reckoning type.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from echoless.workshop.mind.pocket.model import Llama, rotate

KEPT = 100
"""Likeliest pieces that are drawn from."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Ids: the piece that ends a turn, and what follows on a turn's end before the next one's text, user's first."""

    end: int
    user: tuple[int, ...]
    agent: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Manner:
    """How turns are drawn: temperatures of user and agent, and the share of the probability that is drawn from."""

    user: float = 1.1
    agent: float = 0.3
    top_p: float = 0.95


@dataclass(frozen=True, slots=True)
class Script:
    """How a conversation begins: its first `ids`, how many `turns` there are to be in all, a system turn among them,
    and whether that one stands first (`told`)."""

    ids: tuple[int, ...]
    turns: int
    told: bool = False


class Decoder:
    """One token after another for `rows` conversations of `length` tokens at most."""

    def __init__(self, model: Llama, rows: int, length: int, kind: torch.dtype) -> None:
        shape, device = model.shape, model.token_embd.weight.device
        self.model, self.length = model, length
        self.heads, self.shared = shape.heads, shape.shared or shape.heads
        self.size = shape.width // shape.heads
        self.weights = {name: weight.detach().to(kind) for name, weight in model.named_parameters()}
        self.kept = torch.zeros(shape.layers, 2, rows, self.shared, length, self.size, dtype=kind, device=device)
        self.all = torch.arange(rows, device=device)

    def _norm(self, x: Tensor, name: str) -> Tensor:
        weight = self.weights[f"{name}.weight"]
        return F.rms_norm(x, (x.shape[-1],), weight, self.model.shape.epsilon)

    def _attend(self, h: Tensor, layer: int, places: Tensor, turn: tuple[Tensor, Tensor], seen: Tensor) -> Tensor:
        rows, name = len(h), f"blk.{layer}.attn_"
        q, k, v = (F.linear(h, self.weights[f"{name}{part}.weight"]).view(rows, -1, self.size) for part in "qkv")
        keys, values = self.kept[layer]
        keys[self.all, :, places] = rotate(k, *turn)
        values[self.all, :, places] = v
        asked = rotate(q, *turn).view(rows, self.shared, self.heads // self.shared, self.size)
        scores = (asked @ keys.mT).float() * self.size**-0.5
        scores = scores.masked_fill(~seen, -torch.inf).softmax(-1).to(values.dtype)
        return F.linear((scores @ values).view(rows, -1), self.weights[f"{name}output.weight"])

    @torch.no_grad()
    def step(self, tokens: Tensor, places: Tensor) -> Tensor:
        """Each row's next-token logits (rows, vocab) after `tokens` (rows,) at `places` (rows,)."""
        x = self.weights["token_embd.weight"][tokens]
        turn = (self.model.cos[places][:, None], self.model.sin[places][:, None])
        seen = (torch.arange(self.length, device=x.device) <= places[:, None])[:, None, None]
        for layer in range(self.model.shape.layers):
            name = f"blk.{layer}."
            x = x + self._attend(self._norm(x, f"{name}attn_norm"), layer, places, turn, seen)
            h = self._norm(x, f"{name}ffn_norm")
            gate = F.silu(F.linear(h, self.weights[f"{name}ffn_gate.weight"]))
            x = x + F.linear(
                gate * F.linear(h, self.weights[f"{name}ffn_up.weight"]), self.weights[f"{name}ffn_down.weight"]
            )
        return F.linear(self._norm(x, "output_norm"), self.weights["token_embd.weight"])


def drawn(logits: Tensor, temperature: Tensor, top_p: float) -> Tensor:
    """A token a row out of `logits` (rows, vocab) at its `temperature` (rows,), of the likeliest that make `top_p`."""
    best, ids = logits.topk(min(KEPT, logits.shape[-1]))
    chances = (best.float() / temperature[:, None]).softmax(-1)
    chances = chances.masked_fill(chances.cumsum(-1) - chances >= top_p, 0.0)
    return ids.gather(1, torch.multinomial(chances, 1))[:, 0]


class Talks:
    """Conversations in progress. `text` (rows, length) holds their ids, `sure` each id's log probability at temperature
    1 (nats), `place` the last id that is there, `known` how many are fixed, `left` the turns still to come. `agent`
    says whose turn it is; a system turn counts as the agent's."""

    def __init__(self, decoder: Decoder, rows: int, marks: Marks, manner: Manner) -> None:
        device = decoder.kept.device
        self.decoder, self.marks, self.manner = decoder, marks, manner
        self.text = torch.zeros(rows, decoder.length, dtype=torch.long, device=device)
        self.sure = torch.zeros(rows, decoder.length, device=device)
        self.place, self.known, self.left = (torch.zeros(rows, dtype=torch.long, device=device) for _ in range(3))
        self.agent = torch.zeros(rows, dtype=torch.bool, device=device)
        sizes = [len(marks.user), len(marks.agent)]
        padded = [[*ids, *[0] * (max(sizes) - len(ids))] for ids in (marks.user, marks.agent)]
        self.after = torch.tensor(padded, device=device)
        self.sizes = torch.tensor(sizes, device=device)

    @property
    def done(self) -> Tensor:
        """(rows,), bool: no turn is left, or no room."""
        return self.left == 0

    def begin(self, rows: Tensor, scripts: list[Script]) -> None:
        """Put new conversations into `rows`."""
        device, longest = self.text.device, max(len(script.ids) for script in scripts)
        ids = torch.tensor([[*script.ids, *[0] * (longest - len(script.ids))] for script in scripts], device=device)
        self.text[rows, :longest] = ids
        self.sure[rows] = 0.0
        self.place[rows] = 0
        self.known[rows] = torch.tensor([len(script.ids) for script in scripts], device=device)
        self.left[rows] = torch.tensor([script.turns for script in scripts], device=device)
        self.agent[rows] = torch.tensor([script.told for script in scripts], device=device)

    def step(self) -> None:
        """One token more for every conversation that is not done. A turn's end brings the marks of the next."""
        rows, going = self.decoder.all, ~self.done
        logits = self.decoder.step(self.text[rows, self.place], self.place)
        after = self.place + going.long()
        there, fixed = self.text[rows, after], after < self.known
        temperature = torch.where(self.agent, self.manner.agent, self.manner.user)
        token = torch.where(fixed | ~going, there, drawn(logits, temperature, self.manner.top_p))
        sure = logits.gather(1, token[:, None])[:, 0].float() - logits.float().logsumexp(-1)
        self.text[rows, after] = token
        self.sure[rows, after] = torch.where(going, sure, self.sure[rows, after])
        self.known = torch.maximum(self.known, after + 1)
        self.place = after
        self._turn(going & (token == self.marks.end), after)

    def _turn(self, ended: Tensor, after: Tensor) -> None:
        """Where a turn ended: one less is left, the other speaks, and the marks before it are foretold."""
        longest = self.after.shape[1]
        self.left = self.left - ended.long()
        self.agent = self.agent ^ ended
        go_on = ended & (self.left > 0) & (after + longest + 1 < self.decoder.length)
        for number in range(longest):  # a shorter mark's last places are not known yet, and drawn over
            spot = (after + 1 + number).clamp(max=self.decoder.length - 1)
            mark = self.after[self.agent.long(), number]
            self.text[self.decoder.all, spot] = torch.where(go_on, mark, self.text[self.decoder.all, spot])
        self.known = torch.where(
            go_on, torch.maximum(self.known, after + 1 + self.sizes[self.agent.long()]), self.known
        )
        full = (ended & ~go_on) | (after + 1 >= self.decoder.length)
        self.left = torch.where(full, 0, self.left)
