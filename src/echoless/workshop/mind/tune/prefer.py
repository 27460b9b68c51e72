"""Learning from which of two replies is better: direct preference optimisation by trl, which is slow to import."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from datasets import Dataset, disable_progress_bars
from transformers import PreTrainedModel, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer

from echoless.workshop.mind.errors import MindError
from echoless.workshop.mind.form import PREFERENCES, dumps, lines_of, loads
from echoless.workshop.mind.tune.learn import Timed, arguments, lora
from echoless.workshop.mind.tune.plan import Plan
from echoless.workshop.mind.tune.watch import Clock


class Preferrer(Timed, DPOTrainer):
    """Direct preference optimisation (Rafailov et al. 2023) by trl, against the model as it was before."""

    def __init__(
        self, plan: Plan, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, pairs: Dataset, folder: Path,
        clock: Clock,
    ) -> None:  # fmt: skip
        self.clock, self.seen = clock, 0
        disable_progress_bars()
        given = arguments(plan, folder, plan.prefer_rate, plan.prefer_epochs) | {"remove_unused_columns": True}
        settings = DPOConfig(**given, beta=plan.beta, max_length=plan.length)
        super().__init__(
            model=model, ref_model=None if plan.lora else copy.deepcopy(model), args=settings, train_dataset=pairs,
            processing_class=tokenizer, peft_config=lora(plan) if plan.lora else None,
        )  # fmt: skip

    def compute_loss(self, model: Any, inputs: dict[str, Any], *rest: Any, **more: Any) -> Any:
        """As Trainer has it; counts tokens."""
        self.seen += int(inputs["attention_mask"].sum()) if "attention_mask" in inputs else 0
        return super().compute_loss(model, inputs, *rest, **more)


def read_pairs(folder: Path) -> Dataset | None:
    """The pairs of a folder of `mind clean`, as trl reads them; None where it has none. Raises MindError."""
    path = folder / PREFERENCES
    if not path.is_file():
        return None
    pairs = []
    with path.open("rb") as file:
        for number, line in lines_of(file):
            try:
                pair = loads(line or b"")
                pairs.append({part: pair[part] for part in ("prompt", "chosen", "rejected")})
                dumps(pairs[-1])
            except (ValueError, KeyError, TypeError) as why:
                raise MindError(f"{path} line {number}: {why}; make it anew with 'echoless mind clean'") from None
    return Dataset.from_list(pairs) if pairs else None
