"""A small llama-shaped language model in torch, laid out so that its tensors go into a GGUF unchanged.

RMSNorm (Zhang and Sennrich 2019), rotary positions (Su et al. 2021) on interleaved pairs - llama.cpp's own order, so q
and k need no permutation -, SwiGLU (Shazeer 2020), tied embeddings.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes. `context` in tokens; `width` divides by `heads`; `width` and `hidden` divide by 32 for Q8_0."""

    vocab: int
    layers: int = 6
    width: int = 320
    heads: int = 5
    hidden: int = 896
    context: int = 1024
    rope_base: float = 10000.0
    epsilon: float = 1e-5
    shared: int = 0
    """Heads of keys and values, each shared by several of the queries' (Ainslie et al. 2023); 0: one each."""


class Norm(nn.Module):
    """Root-mean-square norm over the last axis, computed in float32."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x.float(), (x.shape[-1],), self.weight, self.epsilon)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the pairs (0,1), (2,3), … of the last axis of `x` (batch, heads, time, size) by their position's angle."""
    even, odd = x[..., 0::2].float(), x[..., 1::2].float()
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2).to(x.dtype)


class Layer(nn.Module):
    """One block: attention and a gated feed-forward net, each behind its norm."""

    def __init__(self, shape: Shape, dropout: float) -> None:
        super().__init__()
        self.heads, self.shared, self.dropout = shape.heads, shape.shared or shape.heads, dropout
        narrow = shape.width // shape.heads * self.shared
        self.attn_norm = Norm(shape.width, shape.epsilon)
        self.attn_q = nn.Linear(shape.width, shape.width, bias=False)
        self.attn_k = nn.Linear(shape.width, narrow, bias=False)
        self.attn_v = nn.Linear(shape.width, narrow, bias=False)
        self.attn_output = nn.Linear(shape.width, shape.width, bias=False)
        self.ffn_norm = Norm(shape.width, shape.epsilon)
        self.ffn_gate = nn.Linear(shape.width, shape.hidden, bias=False)
        self.ffn_up = nn.Linear(shape.width, shape.hidden, bias=False)
        self.ffn_down = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        batch, time, width = x.shape
        h = self.attn_norm(x)
        q, k, v = (
            f(h).view(batch, time, -1, width // self.heads).transpose(1, 2)
            for f in (self.attn_q, self.attn_k, self.attn_v)
        )
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if self.shared < self.heads:
            k, v = (part.repeat_interleave(self.heads // self.shared, dim=1) for part in (k, v))
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        h = self.attn_output(seen.transpose(1, 2).reshape(batch, time, width))
        x = x + F.dropout(h, self.dropout, self.training)
        h = self.ffn_norm(x)
        h = self.ffn_down(F.silu(self.ffn_gate(h)) * self.ffn_up(h))
        return x + F.dropout(h, self.dropout, self.training)


class Llama(nn.Module):
    """Token ids (batch, time), int64 → logits (batch, time, vocab)."""

    cos: Tensor
    sin: Tensor

    def __init__(self, shape: Shape, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(shape.vocab, shape.width)
        self.blk = nn.ModuleList(Layer(shape, dropout) for _ in range(shape.layers))
        self.output_norm = Norm(shape.width, shape.epsilon)
        size = shape.width // shape.heads
        speeds = shape.rope_base ** (-torch.arange(0, size, 2).float() / size)
        angles = torch.outer(torch.arange(shape.context).float(), speeds)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)
        self._start()

    def _start(self) -> None:
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                deep = name.endswith(("attn_output.weight", "ffn_down.weight"))
                nn.init.normal_(weight, std=0.02 / (2 * self.shape.layers) ** 0.5 if deep else 0.02)

    def hidden(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """What the head sees, (batch, time, width). `mask` (batch, 1, time, time): True where attention is allowed."""
        x = self.token_embd(tokens)
        cos, sin = self.cos[: tokens.shape[1]], self.sin[: tokens.shape[1]]
        for layer in self.blk:
            x = layer(x, cos, sin, mask)
        return self.output_norm(x)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        return F.linear(self.hidden(tokens, mask), self.token_embd.weight)

    def loss(self, tokens: Tensor, weights: Tensor, mask: Tensor, heard: Tensor | None = None) -> Tensor:
        """Mean cross-entropy (nats) of each next token, weighted by `weights` (batch, time) of the token foretold,
        after `heard` (default: the tokens themselves)."""
        x = self.hidden(tokens if heard is None else heard, mask)[:, :-1]
        aim, weight = tokens[:, 1:].reshape(-1), weights[:, 1:].reshape(-1)
        kept = weight > 0  # the head is a fifth of the work: run it only where there is something to learn
        logits = F.linear(x.reshape(-1, x.shape[-1])[kept], self.token_embd.weight)
        losses = F.cross_entropy(logits.float(), aim[kept], reduction="none")
        return (losses * weight[kept]).sum() / weight[kept].sum()

    @torch.no_grad()
    def continue_greedily(self, tokens: list[int], most: int, end: int) -> list[int]:
        """The likeliest next tokens one by one, at most `most`, up to and without `end`."""
        out: list[int] = []
        while len(out) < most:
            seen = torch.tensor([(tokens + out)[-self.shape.context :]])
            token = int(self(seen)[0, -1].argmax())
            if token == end:
                break
            out.append(token)
        return out
