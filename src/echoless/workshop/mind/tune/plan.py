"""What a run of `mind train` was asked for: kept as run.json, so that it can go on as it began."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from echoless.workshop.mind.errors import MindError


class Plan(BaseModel):
    """A run. `rows` dialogues of at most `length` tokens are a step's part, `gather` parts a step. `layers`: keep only
    so many of the base's (0: all). `hardness` is the temperature of distillation (Hinton et al. 2015), `heed` its share
    of the loss. `beta` is DPO's (Rafailov et al. 2023). `minutes` 0: no limit but `epochs`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: str
    base: str
    teacher: str | None = None
    lora: bool = True
    rank: int = Field(16, ge=1, le=1024)
    layers: int = Field(0, ge=0)
    minutes: float = Field(0.0, ge=0.0)
    epochs: float = Field(1.0, gt=0.0)
    rows: int = Field(4, ge=1)
    gather: int = Field(4, ge=1)
    length: int = Field(512, ge=16)
    rate: float = Field(2e-4, gt=0.0)
    hardness: float = Field(2.0, gt=0.0)
    heed: float = Field(0.7, ge=0.0, le=1.0)
    prefer: bool = True
    prefer_rate: float = Field(2e-5, gt=0.0)
    prefer_epochs: float = Field(1.0, gt=0.0)
    beta: float = Field(0.1, gt=0.0)
    every: int = Field(50, ge=1)
    seed: int = 1
    threads: int = Field(0, ge=0)

    def save(self, run: Path) -> None:
        """Write run.json."""
        run.mkdir(parents=True, exist_ok=True)
        (run / "run.json").write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")


def load_plan(run: Path) -> Plan:
    """Read run.json. Raises MindError."""
    try:
        return Plan.model_validate(json.loads((run / "run.json").read_text("utf-8")))
    except FileNotFoundError:
        raise MindError(f"{run} is no run of 'echoless mind train': it has no run.json") from None
    except (ValidationError, ValueError, OSError) as why:
        raise MindError(f"{run / 'run.json'} cannot be read: {' '.join(str(why).split())[:200]}") from None
