"""Learning from what is said, with or without a teacher: Hugging Face's Trainer, which resumes to the very step.

Weights, optimiser, random state and place in the data are all in its checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from peft import LoraConfig
from torch.optim.lr_scheduler import LambdaLR
from transformers import PreTrainedModel, PreTrainedTokenizerFast, Trainer, TrainingArguments

from echoless.workshop.mind.tune.models import device
from echoless.workshop.mind.tune.plan import Plan
from echoless.workshop.mind.tune.rows import SKIP, Row, Rows, together
from echoless.workshop.mind.tune.watch import Clock


def lora(plan: Plan) -> LoraConfig:
    """Low-rank adapters on every linear layer but the head (Hu et al. 2021)."""
    return LoraConfig(
        r=plan.rank, lora_alpha=2 * plan.rank, lora_dropout=0.05, target_modules="all-linear", task_type="CAUSAL_LM"
    )


def arguments(plan: Plan, folder: Path, rate: float, epochs: float) -> dict[str, Any]:
    """What both trainers are told alike."""
    here = device()
    return {
        "output_dir": str(folder), "per_device_train_batch_size": plan.rows,
        "gradient_accumulation_steps": plan.gather, "num_train_epochs": epochs, "learning_rate": rate,
        "weight_decay": 0.01, "max_grad_norm": 1.0, "logging_steps": 1, "logging_first_step": True,
        "save_strategy": "steps", "save_steps": plan.every, "save_total_limit": 2, "seed": plan.seed,
        "data_seed": plan.seed, "report_to": [], "disable_tqdm": True, "use_cpu": here == "cpu",
        "bf16": here == "cuda" and torch.cuda.is_bf16_supported(), "remove_unused_columns": False,
        "dataloader_pin_memory": here == "cuda", "log_level": "error",
    }  # fmt: skip


class Timed:
    """The learning rate follows a Clock: what a Trainer needs of us."""

    clock: Clock
    optimizer: Any
    lr_scheduler: Any

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """As Trainer has it."""
        if self.lr_scheduler is None:
            self.lr_scheduler = LambdaLR(
                optimizer if optimizer is not None else self.optimizer,
                lambda step: self.clock.rate(step, num_training_steps),
            )
        return self.lr_scheduler


def distilled(student: torch.Tensor, teacher: torch.Tensor, labels: torch.Tensor, hardness: float) -> torch.Tensor:
    """Divergence, nats summed over the learnt tokens, of the student from the teacher, both softened by `hardness` and
    scaled back by its square (Hinton et al. 2015). Logits (rows, time, vocabulary), the smaller vocabulary of both."""
    size = min(student.shape[-1], teacher.shape[-1])
    kept = labels[:, 1:] != SKIP
    ours = F.log_softmax(student[:, :-1, :size][kept].float() / hardness, -1)
    theirs = F.log_softmax(teacher[:, :-1, :size][kept].float() / hardness, -1)
    return F.kl_div(ours, theirs, log_target=True, reduction="sum") * hardness**2


class Learner(Timed, Trainer):
    """Learns the agent's tokens of dialogues; with a `teacher`, its whole distribution there as well."""

    def __init__(
        self, plan: Plan, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, rows: Sequence[Row],
        folder: Path, clock: Clock, teacher: PreTrainedModel | None = None,
    ) -> None:  # fmt: skip
        self.plan, self.clock, self.seen = plan, clock, 0
        settings = TrainingArguments(**arguments(plan, folder, plan.rate, plan.epochs))
        super().__init__(
            model=model, args=settings, train_dataset=Rows(list(rows)), processing_class=tokenizer,
            data_collator=together(tokenizer.pad_token_id),
        )  # fmt: skip
        self.teacher = teacher.to(settings.device).eval() if teacher is not None else None

    def compute_loss(
        self, model: Any, inputs: dict[str, torch.Tensor], return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | None = None,
    ) -> Any:  # fmt: skip
        """As Trainer has it."""
        if model.training:
            self.seen += int(inputs["attention_mask"].sum())
        if self.teacher is None:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        made = model(**{name: value for name, value in inputs.items() if name != "labels"})
        with torch.inference_mode():
            taught = self.teacher(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits
        labels = inputs["labels"]
        count = num_items_in_batch if num_items_in_batch is not None else (labels[:, 1:] != SKIP).sum()
        logits = made.logits[:, :-1].float().flatten(0, 1)
        said = F.cross_entropy(logits, labels[:, 1:].flatten(), ignore_index=SKIP, reduction="sum")
        apart = distilled(made.logits, taught.clone(), labels, self.plan.hardness)
        loss = ((1 - self.plan.heed) * said + self.plan.heed * apart) / count
        return (loss, made) if return_outputs else loss
