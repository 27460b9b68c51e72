"""What watches a training: the clock, the log, the progress line, and which checkpoints are whole."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback

WHOLE = "whole"
"""The file that a checkpoint gets last: one without it was cut off by a kill or a full disk."""
COLUMNS = ("stage", "step", "loss", "rate", "seconds", "tokens")


class Clock:
    """How far a stage is: by steps, or by minutes where those run out first. Seconds of earlier sittings count."""

    def __init__(self, minutes: float, before: float = 0.0) -> None:
        self.allowed, self.before, self.begun = 60 * minutes, before, time.monotonic()

    @property
    def spent(self) -> float:
        """Seconds of training so far, earlier sittings among them."""
        return self.before + time.monotonic() - self.begun

    @property
    def over(self) -> bool:
        """Whether the minutes are up."""
        return bool(self.allowed) and self.spent >= self.allowed

    def rate(self, step: int, steps: int) -> float:
        """The learning rate's factor: a warm-up over 3 % of the steps (10 at least), then half a cosine to a tenth."""
        warm = max(10, round(0.03 * steps)) if steps > 30 else max(1, steps // 5)
        done = max(step / max(1, steps), self.spent / self.allowed if self.allowed else 0.0)
        return min(1.0, (step + 1) / warm) * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


def whole_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end; the broken ones are removed."""
    newest = None
    found = folder.glob("checkpoint-*") if folder.is_dir() else ()
    for path in sorted(found, key=lambda path: int(path.name.rpartition("-")[2])):
        if (path / WHOLE).is_file():
            newest = path
        else:
            shutil.rmtree(path, ignore_errors=True)
    return newest


def keep_log(path: Path, stage: str, step: int) -> None:
    """Drop the lines of steps that a killed run did after its last checkpoint, and what a kill cut in half."""
    rows = path.read_text("utf-8").splitlines() if path.exists() else []
    kept = []
    for row in rows:
        parts = row.split(",")
        if len(parts) == len(COLUMNS) and parts[1].isdigit() and not (parts[0] == stage and int(parts[1]) > step):
            kept.append(row)
    path.write_text("".join(f"{row}\n" for row in [",".join(COLUMNS), *kept]), encoding="utf-8")


class Watch(TrainerCallback):
    """Log, progress, clock and marks of one stage. `seen` tells the tokens read so far."""

    def __init__(self, stage: str, log: Path, clock: Clock, seen: Callable[[], int]) -> None:
        self.stage, self.path, self.clock, self.seen = stage, log, clock, seen
        self.mean: float | None = None
        self.first = self.told = 0.0
        columns = (
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn(),
        )  # fmt: skip
        self.bar = Progress(*columns, console=Console(stderr=True), transient=False)

    def on_train_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Open the log where the checkpoint stands."""
        keep_log(self.path, self.stage, state.global_step)
        self.file = self.path.open("a", encoding="utf-8")
        self.task = self.bar.add_task(self.stage, total=state.max_steps, completed=state.global_step, note="")
        self.bar.start()
        self.clock.begun = self.first = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Stop, with a checkpoint, when the minutes are up."""
        if self.clock.over:
            control.should_training_stop = control.should_save = True

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **rest: Any) -> None:
        """A line in the log, and the progress line."""
        if not logs or "loss" not in logs:
            return
        loss, seen = logs["loss"], self.seen()
        self.file.write(
            f"{self.stage},{state.global_step},{loss:.6g},{logs.get('learning_rate', 0):.4g},"
            f"{self.clock.spent:.1f},{seen}\n"
        )
        self.file.flush()
        self.mean = loss if self.mean is None else 0.95 * self.mean + 0.05 * loss
        note = f"loss {self.mean:.3f}  {seen / max(1e-6, time.monotonic() - self.first):,.0f} tokens/s"
        self.bar.update(self.task, completed=state.global_step, note=note)
        if not self.bar.console.is_terminal and time.monotonic() - self.told > 10:
            self.told = time.monotonic()
            left = (state.max_steps - state.global_step) * self.clock.spent / max(1, state.global_step)
            left = min(left, self.clock.allowed - self.clock.spent) if self.clock.allowed else left
            self.bar.console.print(
                f"{self.stage} {state.global_step}/{state.max_steps}  {note}  {max(0.0, left) / 60:.0f} min left",
                highlight=False,
            )

    def on_save(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """The checkpoint is on the disk: say so inside it."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if folder.is_dir():
            (folder / WHOLE).write_text(f"{self.clock.spent:.1f}\n")

    def close(self) -> None:
        """End the progress line and the log, however the training ended."""
        self.bar.stop()
        if hasattr(self, "file"):
            self.file.close()


def draw(log: Path, picture: Path) -> None:
    """The loss over the steps, a stage a panel, with its running mean, as a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    stages: dict[str, list[tuple[int, float]]] = {}
    for row in log.read_text("utf-8").splitlines()[1:]:
        stage, step, loss, *_ = row.split(",")
        stages.setdefault(stage, []).append((int(step), float(loss)))
    figure, panels = pyplot.subplots(1, max(1, len(stages)), figsize=(6 * max(1, len(stages)), 4), squeeze=False)
    for panel, (stage, points) in zip(panels[0], stages.items(), strict=False):
        steps, losses = zip(*points, strict=True)
        mean, smooth = losses[0], []
        for loss in losses:
            mean = 0.95 * mean + 0.05 * loss
            smooth.append(mean)
        panel.plot(steps, losses, color="0.8", linewidth=0.8)
        panel.plot(steps, smooth, color="tab:blue")
        panel.set(title=stage, xlabel="step", ylabel="loss", ylim=(0, max(losses) * 1.05))
        panel.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(picture, dpi=110)
    pyplot.close(figure)
