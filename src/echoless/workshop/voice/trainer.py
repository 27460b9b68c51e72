"""Trains a voice with Piper's own model, data module and losses (piper-tts, GPL-3.0), driven by Lightning.

Runs where torch is (`workshop/elsewhere.py`). A run is a folder: run.json, config.json (Piper's), last.ckpt, losses.csv
and .png, samples/. The same command again goes on where it stopped.
"""

from __future__ import annotations

import csv
import json
import logging
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import soundfile
import torch
from lightning.pytorch.callbacks import Callback

from echoless.workshop.voice.dataset import DataSet
from echoless.workshop.voice.errors import WorkshopError
from echoless.workshop.voice.mends import supply_alignment, supply_voice_activity
from echoless.workshop.voice.ready import ready
from echoless.workshop.voice.shapes import ESPEAK, SHAPES

LOSSES = ("train_mel", "train_kl", "train_dur", "train_fm", "train_gen", "train_disc")
SAMPLES = 2
"""Sentences that are kept out of training and spoken as it goes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One run's settings, kept in run.json."""

    data: str
    quality: str = "x-low"
    steps: int = 50_000
    batch: int = 16
    every: int = 500
    """Steps between two checkpoints with samples."""
    seed: int = 1


def train(plan: Plan, run: Path, warm: Path | None = None) -> None:
    """Train until `plan.steps` are done, from `warm` (a checkpoint of the same shape) where given.

    Raises WorkshopError.
    """
    data = DataSet.open(Path(plan.data))
    shape = SHAPES[plan.quality]
    ready(data, run, plan.quality)
    supply_alignment()
    supply_voice_activity()
    from piper.train.vits.dataset import VitsDataModule
    from piper.train.vits.lightning import VitsModel

    _quiet()
    L.seed_everything(plan.seed)
    run.mkdir(parents=True, exist_ok=True)
    (run / "run.json").write_text(json.dumps(asdict(plan), indent=1) + "\n", encoding="utf-8")
    common: dict[str, Any] = {"sample_rate": shape.rate, "batch_size": plan.batch}
    sounds = VitsDataModule(
        csv_path=data.folder / "metadata.csv",
        cache_dir=run / "cache",
        espeak_voice=ESPEAK.get(data.about.language, data.about.language),
        config_path=run / "config.json",
        voice_name=run.name,
        audio_dir=data.folder / "wavs",
        validation_split=0.0,
        num_test_examples=SAMPLES,
        num_workers=0,
        **common,
    )
    model = VitsModel(**common, **shape.network, mos_metric=None)
    last = run / "last.ckpt"
    if warm and not last.exists():
        _warm(model, warm)
    keeper = Keeper(run, plan, shape.rate)
    trainer = L.Trainer(
        max_steps=2 * plan.steps,  # generator and discriminator each count as one
        max_epochs=-1,
        accelerator="auto",
        devices=1,
        logger=False,
        callbacks=[keeper],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        num_sanity_val_steps=0,
        default_root_dir=run,
    )
    if last.exists():
        read_checkpoint(last)
    trainer.fit(model, sounds, ckpt_path=last if last.exists() else None, weights_only=True)
    if keeper.interrupted:
        raise KeyboardInterrupt


class Keeper(Callback):
    """Writes losses, samples and checkpoints, and tells where the training is."""

    def __init__(self, run: Path, plan: Plan, rate: int) -> None:
        self.run, self.plan, self.rate = run, plan, rate
        self.interrupted = False
        (run / "samples").mkdir(exist_ok=True)

    def on_exception(self, trainer: Any, module: Any, error: BaseException) -> None:
        self.interrupted = isinstance(error, KeyboardInterrupt)

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, number: int) -> None:
        step = trainer.global_step // 2
        losses = {name: float(trainer.callback_metrics[name]) for name in LOSSES if name in trainer.callback_metrics}
        if losses and not all(map(np.isfinite, losses.values())):
            raise WorkshopError(f"step {step}: the losses are no numbers any more; begin again with another --seed")
        self._losses(step, losses)
        if step % max(1, self.plan.every // 10) == 0 or step == self.plan.steps:
            told = " ".join(f"{name.removeprefix('train_')} {value:.2f}" for name, value in losses.items())
            print(f"step {step} of {self.plan.steps}: {told}", flush=True)
        if step % self.plan.every == 0 or step == self.plan.steps:
            self._keep(trainer, module, step)

    def _losses(self, step: int, losses: dict[str, float]) -> None:
        path = self.run / "losses.csv"
        fresh = not path.exists()
        with path.open("a", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            if fresh:
                writer.writerow(["step", *LOSSES])
            writer.writerow([step, *(f"{losses.get(name, float('nan')):.5g}" for name in LOSSES)])

    def _keep(self, trainer: Any, module: Any, step: int) -> None:
        part, last = self.run / "last.part", self.run / "last.ckpt"
        try:
            trainer.save_checkpoint(part)
            part.replace(last)
        except (OSError, RuntimeError) as error:  # torch tells a full disk as a RuntimeError
            part.unlink(missing_ok=True)
            raise WorkshopError(f"{last} cannot be written ({error}): is the disk full? Make room and go on") from None
        for number, one in enumerate(trainer.datamodule.test_dataset):
            self._speak(module, one, self.run / "samples" / f"{step:07d}-{number + 1}.wav")
        draw(self.run)

    def _speak(self, module: Any, one: Any, path: Path) -> None:
        module.eval()
        with torch.inference_mode():
            ids = one.phoneme_ids.unsqueeze(0).to(module.device)
            length = torch.LongTensor([ids.shape[1]]).to(module.device)
            sound = module(ids, length, [0.667, 1.0, 0.8]).flatten().float().cpu().numpy()
        module.train()
        soundfile.write(path, np.clip(sound[: 30 * self.rate], -1, 1), self.rate, subtype="PCM_16")


def draw(run: Path) -> None:
    """losses.csv as a picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    table = np.atleast_2d(np.genfromtxt(run / "losses.csv", delimiter=",", skip_header=1))
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    for panel, name, column in zip(figure.subplots(2, 3, sharex=True).flat, LOSSES, table.T[1:], strict=True):
        panel.plot(table[:, 0], column, linewidth=0.8)
        panel.set_title(name.removeprefix("train_"), fontsize=9)
    figure.supxlabel("step")
    figure.savefig(run / "losses.png", dpi=100)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint as torch keeps it, without running code that it may hold. Raises WorkshopError."""
    from pathlib import PosixPath, WindowsPath

    torch.serialization.add_safe_globals([PosixPath, WindowsPath])
    try:
        kept = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        if not isinstance(kept["state_dict"], dict):
            raise KeyError("state_dict")
    except FileNotFoundError:
        raise WorkshopError(f"{path}: there is no such checkpoint") from None
    except Exception as error:  # pickle's, zip's and torch's own kinds
        what = " ".join(str(error).split()).split(". ")[0][:100]
        raise WorkshopError(f"{path} is a broken checkpoint, or none that can be read safely ({what})") from None
    return kept  # type: ignore[no-any-return]


def _warm(model: Any, path: Path) -> None:
    """Take over every weight that fits. Raises WorkshopError where nearly none does."""
    theirs, ours = read_checkpoint(path)["state_dict"], model.state_dict()
    fits = {name: value for name, value in theirs.items() if name in ours and ours[name].shape == value.shape}
    if len(fits) < len(ours) / 2:
        raise WorkshopError(
            f"{path} has another shape: only {len(fits)} of {len(ours)} weights fit; another --quality?"
        )
    model.load_state_dict(fits, strict=False)
    print(f"took over {len(fits)} of {len(ours)} weights from {path}", flush=True)


def _quiet() -> None:
    warnings.filterwarnings("ignore")
    for name in ("lightning.pytorch", "lightning.fabric", "piper"):
        logging.getLogger(name).setLevel(logging.ERROR)
