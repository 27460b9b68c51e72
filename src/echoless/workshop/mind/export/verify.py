"""Hold a GGUF to its source: llama.cpp's server must cut, wrap and continue text as transformers does. Needs torch.

Three comparisons: tokens of awkward strings; the chat template; and the likeliest continuation of prompts. For the
last, llama.cpp continues greedily and tells its likeliest tokens at each step; one pass of the source over the very
same tokens says what it would have chosen there. Where all choices agree, the two greedy texts are one.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from echoless.workshop.mind.pocket.served import Served, serve

AWKWARD = (
    *("hello", " hello", "  two  spaces ", "\ttab\nline\r\n\n", "I'm you're it's WE'LL", "don't'S", "a1b22c333 4444"),
    *(
        "3.14159",
        "naïve café ñandú ÅÄÖ",
        "你好，世界！",
        "我想在apple工作1314151天～",
        "这是“引号”和《书名》。",
        "こんにちは 안녕하세요",
    ),
    *("🙂👩\u200d👩\u200d👧 🏳️\u200d🌈", "Привет мир", "مرحبا", "!!!???...", "--- *** ###", "<|end|>", "a<|user|>b"),
    *("<|im_start|>user\n<|im_end|>", "<start_of_turn>", "<s></s>", "<|nonsense|>", "\u00a0\u200b\ufeff", "e\u0301"),
    *("x" * 300, "_under_score", "▁piece▁", "http://example.org/?a=b&c=d", '{"json": [1, 2]}', "''''", "' s", "½ ² ①"),
    *("𠮷野家 𝄞", "\x01\x7f", "\n\n\n \n", "啊" * 50, ""),
)
PROMPTS = (
    "Hello, how are you?",
    "你好，你叫什么名字？",
    "Tell me about the weather, please.",
    "今天天气怎么样？",
    "I had a long day at work.",
    "Why is the sky blue?",
)
TIES = {"f32": 1e-4, "f16": 0.05, "bf16": 0.3}
"""Logits nearer than this nearly tie: a number format may decide between them. In f32 nothing may differ beyond it."""
DIVERGENCE = {"q8_0": 0.02, "q6_k": 0.03, "q5_k_m": 0.06, "q5_k_s": 0.08, "q5_0": 0.08, "q4_k_m": 0.2, "q4_k_s": 0.25,
              "q4_0": 0.3, "q3_k_m": 0.6}  # fmt: skip
"""Most nats (Kullback-Leibler, mean over steps) that a kind of numbers may cost; measured in docs/your-own-mind.md."""
_TOP = 400


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a greedy text: llama.cpp's token, the source's, how far the source ranks llama.cpp's below its own
    (logits), and the divergence of the two distributions, nats, where llama.cpp gave its own."""

    theirs: int
    ours: int
    gap: float
    divergence: float | None


@dataclass(slots=True)
class Report:
    """What was compared and what differed."""

    kind: str
    strings: int = 0
    odd: list[str] = field(default_factory=list)
    normalised: list[str] = field(default_factory=list)
    templates: int = 0
    other_prompts: list[str] = field(default_factory=list)
    texts: list[list[Step]] = field(default_factory=list)

    @property
    def steps(self) -> list[Step]:
        """All steps of all texts."""
        return [step for text in self.texts for step in text]

    @property
    def same(self) -> int:
        """Greedy texts that are the same to their end."""
        return sum(all(step.theirs == step.ours for step in text) for text in self.texts)

    @property
    def agreement(self) -> float:
        """The share of steps with the same likeliest token."""
        return sum(step.theirs == step.ours for step in self.steps) / max(1, len(self.steps))

    @property
    def divergence(self) -> float:
        """Mean divergence a step, nats."""
        told = [step.divergence for step in self.steps if step.divergence is not None]
        return sum(told) / max(1, len(told))

    @property
    def widest(self) -> float:
        """The widest gap of a step where the two differ, logits."""
        return max((step.gap for step in self.steps if step.theirs != step.ours), default=0.0)

    def faults(self) -> list[str]:
        """What is wrong, a sentence each; none where the export can be trusted."""
        found = []
        if self.odd:
            found.append(f"{len(self.odd)} of {self.strings} strings are cut differently, e.g. {self.odd[0]!r}")
        if self.other_prompts:
            found.append(f"the chat template makes another prompt: {self.other_prompts[0][:80]!r}")
        if self.kind in TIES and self.widest >= TIES[self.kind]:
            found.append(f"greedy texts differ where the source is sure (by {self.widest:.2f} logits)")
        if self.kind not in TIES and self.divergence > DIVERGENCE.get(self.kind, 0.3):
            found.append(f"it diverges by {self.divergence:.3f} nats a token: use a type with more bits")
        if not self.steps:
            found.append("it says nothing at all")
        return found

    def lines(self) -> list[str]:
        """For people."""
        said = [f"tokens: {self.strings - len(self.odd)} of {self.strings} awkward strings alike"]
        if self.normalised:
            said[0] += f" ({len(self.normalised)} only after the tokenizer's Unicode normalising; llama.cpp has none)"
        said.append(f"chat template: {self.templates - len(self.other_prompts)} of {self.templates} prompts alike")
        said.append(
            f"{self.kind}: {self.same} of {len(self.texts)} greedy texts identical, the same token in "
            f"{100 * self.agreement:.1f} % of {len(self.steps)} steps, {self.divergence:.5f} nats apart"
            + (f", widest gap {self.widest:.3f} logits" if self.widest else "")
        )
        return said

    def written(self) -> str:
        """The report as JSON, for a file beside the GGUF."""
        return json.dumps(self.as_json(), ensure_ascii=False, indent=1) + "\n"

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "kind": self.kind, "good": not self.faults(), "faults": self.faults(), "strings": self.strings,
            "odd": self.odd, "normalised": self.normalised, "prompts": self.templates, "texts": len(self.texts),
            "identical": self.same, "agreement": self.agreement, "divergence": self.divergence, "widest": self.widest,
            "differing": [asdict(step) for step in self.steps if step.theirs != step.ours][:50],
        }  # fmt: skip


def strings(tokenizer: PreTrainedTokenizerFast, seed: int, count: int) -> list[str]:
    """Random strings over letters, spaces, marks, other scripts and the tokenizer's own control tokens."""
    rng = random.Random(seed)
    control = sorted(tokenizer.get_added_vocab())[:12]
    signs = [*"abcdefghij  XYZ'.,!?0123456789\n\t-\"()", "é", "ß", "你", "好", "我们", "。", "я", "🙂", "𠮷", *control]
    return ["".join(rng.choices(signs, k=rng.randint(1, 24))) for _ in range(count)]


async def compare_strings(
    report: Report, served: Served, tokenizer: PreTrainedTokenizerFast, texts: Iterable[str]
) -> None:
    """Tokens of texts, control tokens read as such."""
    normaliser = tokenizer.backend_tokenizer.normalizer
    for text in texts:
        report.strings += 1
        ours = tokenizer.encode(text, add_special_tokens=False)
        if ours == await served.tokens(text):
            continue
        normal = normaliser.normalize_str(text) if normaliser is not None else text
        if normal != text and ours == await served.tokens(normal):
            report.normalised.append(text)
        else:
            report.odd.append(text)


def dialogues() -> list[list[tuple[str, str]]]:
    """Dialogues that a template has to wrap: one line, several, Mandarin, odd signs."""
    return [
        [("user", PROMPTS[0])],
        [("user", PROMPTS[1]), ("assistant", "我叫小声。"), ("user", "你会做什么？")],
        [("user", "A <b>&\n\n'quoted' {{x}}  "), ("assistant", " fine "), ("user", "so?")],
    ]


def render(tokenizer: PreTrainedTokenizerFast, turns: Sequence[tuple[str, str]]) -> str:
    """The prompt that asks for the agent's next turn; without a start token in front, which the server adds."""
    messages = [{"role": role, "content": text} for role, text in turns]
    text = str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    return text.removeprefix(tokenizer.bos_token or "")


async def compare_templates(report: Report, served: Served, tokenizer: PreTrainedTokenizerFast) -> None:
    """Prompts that llama.cpp makes with the template in the file, against the tokenizer's own."""
    for turns in dialogues():
        report.templates += 1
        theirs = (await served.prompt(turns)).removeprefix(tokenizer.bos_token or "")
        if theirs != render(tokenizer, turns):
            report.other_prompts.append(theirs)


def prompt_ids(tokenizer: PreTrainedTokenizerFast, said: str) -> list[int]:
    """Token ids of a prompt as the server makes them: with the start token where the tokenizer has one."""
    text = render(tokenizer, [("user", said)])
    ids = list(tokenizer.encode(text, add_special_tokens=False))
    start = tokenizer.bos_token_id
    return ids if start is None else [start, *ids]


def apart(ours: torch.Tensor, top: dict[int, float]) -> float:
    """Kullback-Leibler divergence, nats, of the source's log probabilities `ours` from llama.cpp's likeliest ones, the
    rest of the vocabulary taken as one."""
    ids = torch.tensor([token for token in top if token < len(ours)])
    p, log_q = ours[ids].exp(), torch.tensor([top[int(token)] for token in ids], dtype=torch.float64)
    found = float((p * (ours[ids] - log_q)).sum())
    rest_p, rest_q = max(0.0, 1 - float(p.sum())), max(1e-12, 1 - float(log_q.exp().sum()))
    if rest_p > 1e-9:
        found += rest_p * math.log(rest_p / rest_q)
    return max(0.0, found)


def align(tokens: Sequence[int], given: Sequence[dict[str, Any]], ours: torch.Tensor) -> dict[int, dict[str, Any]]:
    """Which of `given` belongs to which step. llama.cpp gives nothing of a token that ends inside a character, so the
    given are a part of the steps, in order; of several ways to lay them the one nearest to the source counts."""
    far = float("inf")
    best = [[0.0] + [far] * len(given) for _ in range(len(tokens) + 1)]
    for step, token in enumerate(tokens):
        for place, one in enumerate(given):
            cost = abs(float(one["logprob"]) - float(ours[step, token])) if int(one["id"]) == token else far
            best[step + 1][place + 1] = min(best[step][place + 1], best[step][place] + cost)
    found, step, place = {}, len(tokens), len(given)
    while step and place and best[step][place] < far:
        step -= 1
        if best[step + 1][place] != best[step][place]:
            place -= 1
            found[step] = given[place]
    return found


def hold(logits: torch.Tensor, tokens: Sequence[int], given: Sequence[dict[str, Any]]) -> list[Step]:
    """The steps of one text: the source's `logits` (steps, vocabulary) against llama.cpp's `tokens`, what it gave."""
    ours = torch.log_softmax(logits.double(), -1)
    laid, steps = align(tokens, given, ours), []
    for step, token in enumerate(tokens):
        best, divergence = int(logits[step].argmax()), None
        if step in laid:
            top = {int(one["id"]): float(one["logprob"]) for one in laid[step]["top_logprobs"]}
            divergence = apart(ours[step], top)
        steps.append(Step(token, best, float(logits[step, best] - logits[step, token]), divergence))
    return steps


async def compare_greedy(
    report: Report, served: Served, model: PreTrainedModel, prompts: Iterable[Sequence[int]], most: int
) -> None:
    """Continue token ids greedily in llama.cpp, `most` tokens, and hold each step to the source."""
    for ids in prompts:
        answer = await served.complete(list(ids), temperature=0, n_predict=most, n_probs=_TOP, return_tokens=True)
        said = [int(token) for token in answer["tokens"]]
        with torch.inference_mode():
            logits = model(torch.tensor([[*ids, *said]], device=model.device)).logits[0].float().cpu()
        first = len(ids) - 1
        given = answer.get("completion_probabilities", [])
        report.texts.append(hold(logits[first : first + len(said)], said, given))


async def verify(
    file: Path, kind: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, *, most: int = 40,
    prompts: Sequence[str] = PROMPTS, random_strings: int = 200,
) -> Report:  # fmt: skip
    """Everything of one file. Raises MindError of the server where llama.cpp does not load it."""
    report = Report(kind)
    async with serve(file, 1024, exact=True) as served:
        await compare_strings(report, served, tokenizer, [*AWKWARD, *strings(tokenizer, 1, random_strings)])
        await compare_templates(report, served, tokenizer)
        await compare_greedy(report, served, model.eval(), [prompt_ids(tokenizer, said) for said in prompts], most)
    return report
