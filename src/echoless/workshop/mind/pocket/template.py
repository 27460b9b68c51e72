"""The control tokens of a pocket model and the chat template that its GGUF carries."""

from __future__ import annotations

from collections.abc import Sequence

from echoless.workshop.mind.pocket.dialogue import Said

START, END, SYSTEM, USER, AGENT, CORPUS = CONTROL = (
    "<|start|>",
    "<|end|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|corpus|>",
)

# The start token is put in front by llama.cpp (add_bos_token), so the template leaves it out.
TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] | trim + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def prompt(turns: Sequence[Said]) -> str:
    """The text of TEMPLATE for `turns`, asking for the agent's next one; without the start token."""
    return "".join(f"<|{role}|>{text.strip()}{END}" for role, text in turns) + AGENT
