"""Models by name: a Hugging Face folder, a name on the hub, a run of `mind train`, or `pocket`. Needs torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.utils import logging as hub_chatter
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast
from transformers.utils import logging as chatter

from echoless.mind.models import FOLDER, shipped
from echoless.workshop.mind.errors import MindError

PLAIN = (
    "{% for message in messages %}{% if message['role'] == 'user' %}{{ 'User: ' + message['content'] | trim + '\n' }}"
    "{% elif message['role'] == 'assistant' %}{{ 'Assistant: ' + message['content'] | trim + eos_token + '\n' }}"
    "{% else %}{{ message['content'] | trim + '\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
"""The chat template that a base model without one gets."""
BESIDE = ("tokenizer.model", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
          "vocab.json", "merges.txt", "chat_template.jinja", "generation_config.json")  # fmt: skip
"""What lies beside the weights and must travel with them."""


def quiet() -> None:
    """Keep transformers from talking of what we tell ourselves: bars over each file, warnings about what is meant."""
    chatter.set_verbosity_error()
    chatter.disable_progress_bar()
    hub_chatter.set_verbosity_error()


def device() -> str:
    """The fastest thing that is here: `cuda`, `mps` or `cpu`."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def number(frozen: bool) -> torch.dtype:
    """What weights are held in while training: halves on CUDA where they do not learn themselves, else float32."""
    return torch.bfloat16 if frozen and torch.cuda.is_available() and torch.cuda.is_bf16_supported() else torch.float32


def is_run(place: Path) -> bool:
    """Whether a folder is a run of `mind train`."""
    return (place / "run.json").is_file()


def gguf_named(place: str) -> Path | None:
    """The GGUF that a base's name means: a file, or a model that ships; None for a folder or a name on the hub."""
    if Path(place).is_dir():
        return None
    if place.endswith(".gguf"):
        return Path(place) if Path(place).is_file() else None
    return shipped(place) if (FOLDER / f"{place}.gguf").is_file() else None


def _no_gguf(place: str) -> None:
    """Raises MindError where `place` is a GGUF, which is trained on but not loaded as it is."""
    if gguf_named(place):
        raise MindError(f"{place} is a GGUF already: name the model's folder or a run; 'mind train' takes it as --base")


def home(place: str) -> str:
    """The folder or hub name that the tokenizer and the shape of `place` come from."""
    path = Path(place)
    return str(path / "tokenizer") if is_run(path) else place


def _first_line(why: Exception) -> str:
    return " ".join(str(why).split())[:200]


def load_tokenizer(place: str) -> PreTrainedTokenizerFast:
    """The tokenizer of a model, with a chat template. Raises MindError where it has no tokenizer.json (a slow one)."""
    _no_gguf(place)
    try:
        found = AutoTokenizer.from_pretrained(home(place))
    except (OSError, ValueError, KeyError, ImportError) as why:
        raise MindError(f"no tokenizer can be read from {place}: {_first_line(why)}") from None
    if not found.is_fast:
        raise MindError(f"the tokenizer of {place} has no tokenizer.json: save it with AutoTokenizer once")
    if found.eos_token is None:
        raise MindError(f"the tokenizer of {place} has no end token (eos_token): a reply could never end")
    if not found.chat_template:
        found.chat_template = PLAIN
    if found.pad_token is None:
        found.pad_token = found.eos_token
    return found


def load_model(place: str, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """The weights of a model; those of a run with its adapters merged. Raises MindError."""
    path = Path(place)
    if is_run(path):
        return _load_run(path, dtype)
    _no_gguf(place)
    try:
        return AutoModelForCausalLM.from_pretrained(place, dtype=dtype)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as why:
        if path.is_dir() and not (path / "config.json").is_file():
            raise MindError(f"{place} holds no model: there is no config.json in it") from None
        if not path.exists() and place.count("/") <= 1:
            raise MindError(f"{place} is no folder here, and the hub does not give it: {_first_line(why)}") from None
        raise MindError(f"{place} cannot be loaded: {_first_line(why)}") from None


def _load_run(run: Path, dtype: torch.dtype) -> PreTrainedModel:
    """Base and adapters of a run, stage after stage."""
    told: dict[str, Any] = json.loads((run / "run.json").read_text("utf-8"))
    done = [stage for stage in ("learn", "prefer") if (run / stage / "done").is_file()]
    if not done:
        raise MindError(f"{run} is not trained to its end yet: go on with 'echoless mind train --resume --out {run}'")
    model: Any = None
    for stage in done:
        weights = run / stage / "weights"
        if (weights / "adapter_config.json").is_file():
            from peft import PeftModel

            if model is None:
                model = load_model(told["base"], dtype)
                model = keep_layers(model, told["layers"]) if told.get("layers") else model
            model = PeftModel.from_pretrained(model, str(weights)).merge_and_unload()
        else:
            model = AutoModelForCausalLM.from_pretrained(weights, dtype=dtype)
    return model.requires_grad_(True)  # peft has frozen what the adapters were merged into


def copy_beside(place: str, goal: Path) -> None:
    """Copy what belongs to the tokenizer of `place` (a sentencepiece model above all) where it is not yet in `goal`."""
    source = Path(home(place))
    if not source.is_dir():
        from huggingface_hub import snapshot_download

        source = Path(snapshot_download(place, allow_patterns=list(BESIDE)))
    for name in BESIDE:
        if (source / name).is_file() and not (goal / name).exists():
            (goal / name).write_bytes((source / name).read_bytes())


def keep_layers(model: PreTrainedModel, layers: int) -> PreTrainedModel:
    """A smaller student: `layers` of the model's own layers, evenly spread with the first and the last (Sanh et al.
    2019). Raises MindError where it has no such list of layers, or fewer."""
    body = model.get_decoder()
    stack = getattr(body, "layers", None)
    if stack is None or not 1 <= layers <= len(stack):
        raise MindError(f"--layers {layers}: this model has {0 if stack is None else len(stack)} to choose from")
    spread = [round(place * (len(stack) - 1) / max(1, layers - 1)) for place in range(layers)]
    body.layers = torch.nn.ModuleList(stack[place] for place in spread)
    for number, layer in enumerate(body.layers):
        for part in layer.modules():
            if hasattr(part, "layer_idx"):
                part.layer_idx = number
    config = model.config.get_text_config()
    if getattr(config, "layer_types", None):
        config.layer_types = [config.layer_types[place] for place in spread]
    config.num_hidden_layers = layers
    return model
