"""The half of the voice workshop that needs torch, for real: `make test-voice`. A few steps prove the plumbing.

What is trained on is a synthesiser's speech, and what comes out of so few steps is noise: nothing here says how good
a voice becomes.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from echoless.cli import main
from echoless.voice.piper import Piper
from echoless.workshop.elsewhere import VOICE, ElsewhereError
from echoless.workshop.voice.dataset import DataSet
from echoless.workshop.voice.studio import read_prompts

pytestmark = pytest.mark.slow

SMALL = {
    "_version_": "v2",
    "data": {"sampling_rate": 22050, "filter_length": 1024, "hop_length": 256, "win_length": 1024, "n_speakers": 0},
    "model": {
        "zero_g": True, "inter_channels": 32, "hidden_channels": 32, "filter_channels": 64, "n_heads": 2, "n_layers": 2,
        "kernel_size": 3, "p_dropout": 0.1, "resblock": "1", "resblock_kernel_sizes": [3, 7, 11],
        "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]], "upsample_rates": [8, 8, 2, 2],
        "upsample_initial_channel": 64, "upsample_kernel_sizes": [16, 16, 4, 4], "gin_channels": 256,
    },
}  # fmt: skip
"""OpenVoice V2's converter, every part of it, narrower."""
_RANDOM = """
import json, sys, torch
from openvoice_cli.models import SynthesizerTrn
told = json.load(open(sys.argv[1]))
torch.manual_seed(0)
model = SynthesizerTrn(0, told["data"]["filter_length"] // 2 + 1, n_speakers=0, **told["model"])
torch.save({"model": model.state_dict()}, sys.argv[2])
"""


@pytest.fixture(scope="module", autouse=True)
def python() -> Path:
    try:
        return VOICE.python()
    except ElsewhereError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voice")
    (folder / "script.txt").write_text("\n".join(read_prompts("en")[:10]))
    out = folder / "data"
    command = ["voice", "synthesise", "--voice", "espeak:en-us+m3", "--script", str(folder / "script.txt")]
    assert main([*command, "--out", str(out), "--licence", "a synthesiser's, for the plumbing only"]) == 0
    return out


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One step, and by the same command with more steps another one."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    command = ["voice", "train", str(data), "--quality", "tiny", "--out", str(folder), "--batch", "2", "--every", "1"]
    assert main([*command, "--steps", "1"]) == 0
    assert main([*command, "--steps", "2"]) == 0
    return folder


def test_a_run_goes_on_and_leaves_losses_samples_and_a_plot(run: Path) -> None:
    rows = (run / "losses.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "1", "2"]
    assert all(np.isfinite([float(value) for value in row.split(",")]).all() for row in rows[1:])
    assert sorted(each.name for each in (run / "samples").iterdir()) == [
        "0000001-1.wav",
        "0000001-2.wav",
        "0000002-1.wav",
        "0000002-2.wav",
    ]
    assert (run / "losses.png").stat().st_size > 1000
    assert not (run / "last.part").exists()


def test_a_trained_voice_is_exported_and_speaks(run: Path, tmp_path: Path) -> None:
    assert main(["voice", "export", str(run), "--name", "mine", "--out", str(tmp_path)]) == 0
    voice = Piper(tmp_path / "mine.onnx")
    chunks = list(voice.speak("Hello there, my friend."))
    assert sum(len(chunk.samples) for chunk in chunks) > 0.1 * voice.traits.rate
    assert voice.traits.rate == 16_000
    assert [mark[0] for chunk in chunks for mark in chunk.marks][:2] == [0, 6]
    card = (tmp_path / "mine.md").read_text()
    assert "2 steps of 2" in card
    assert "for the plumbing only" in card
    assert soundfile.info(tmp_path / "mine-1.wav").duration > 0.1


def test_a_corrupt_checkpoint_is_one_clear_line(
    run: Path, data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ("run.json", "config.json"):
        (broken / name).write_bytes((run / name).read_bytes())
    (broken / "last.ckpt").write_bytes((run / "last.ckpt").read_bytes()[:100_000])
    assert main(["voice", "export", str(broken)]) == 1
    assert "broken checkpoint" in capfd.readouterr().err
    command = ["voice", "train", str(data), "--quality", "tiny", "--out", str(tmp_path / "x"), "--steps", "1"]
    assert main([*command, "--from", str(broken / "last.ckpt")]) == 1
    complaint = capfd.readouterr().err
    assert "broken checkpoint" in complaint
    assert "Traceback" not in complaint


def test_a_data_set_is_recoloured_by_a_converter_of_the_same_architecture(
    python: Path, data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Small random weights through the loader that the real ones go through: the sound means nothing."""
    network = tmp_path / "converter"
    network.mkdir()
    (network / "config.json").write_text(json.dumps(SMALL))
    paths = [str(network / "config.json"), str(network / "checkpoint.pth")]
    subprocess.run([str(python), "-P", "-W", "ignore", "-c", _RANDOM, *paths], check=True, timeout=300)
    like = [part for n in (1, 2, 3, 4) for part in ("--like", str(data / "wavs" / f"en000{n}.wav"))]
    command = ["voice", "recolour", str(data), *like, "--out", str(tmp_path / "out"), "--converter", str(network)]
    assert main([*command, "--agreed"]) == 0
    made, base = DataSet.open(tmp_path / "out"), DataSet.open(data)
    assert [line.text for line in made.lines] == [line.text for line in base.lines]
    for line in made.lines:
        mine, theirs = soundfile.info(made.wav(line)), soundfile.info(base.wav(line))
        assert mine.samplerate == 22_050
        assert mine.duration == pytest.approx(theirs.duration, abs=0.05)
    assert "recoloured by MIT" in made.about.steps[-1]
    (network / "checkpoint.pth").write_bytes(b"PK\x03\x04 no weights")
    assert main([*command, "--agreed"]) == 1
    assert "broken checkpoint" in capfd.readouterr().err
