"""Training of Hugging Face models, on models of a few ten thousand weights. Needs the extra echoless[mind]: skipped
without (`make test-mind`)."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

for needed in ("torch", "transformers", "peft", "trl", "gguf"):
    pytest.importorskip(needed, reason=f"{needed} is not installed: it belongs to the extra echoless[mind]")

import torch  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from tests.workshop.tiny_models import FAMILIES, make  # noqa: E402

from echoless.cli import main  # noqa: E402
from echoless.mind.models import about  # noqa: E402
from echoless.workshop.mind import advice  # noqa: E402
from echoless.workshop.mind.errors import MindError  # noqa: E402
from echoless.workshop.mind.export.verify import verify  # noqa: E402
from echoless.workshop.mind.export.write import Job, mended, run_converter  # noqa: E402
from echoless.workshop.mind.judge.minds import gguf_of  # noqa: E402
from echoless.workshop.mind.tune import models, rows, run, watch  # noqa: E402
from echoless.workshop.mind.tune.learn import distilled  # noqa: E402
from echoless.workshop.mind.tune.plan import Plan, load_plan  # noqa: E402
from echoless.workshop.mind.tune.unpack import unpack  # noqa: E402

TALK = [
    {"role": "user", "content": "hello there"},
    {"role": "assistant", "content": "I'm fine"},
    {"role": "user", "content": "你好"},
    {"role": "assistant", "content": "今天天气很好"},
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return make("qwen2", tmp_path_factory.mktemp("models") / "qwen2")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "clean"
    folder.mkdir()
    for name, count in (("dialogues", 24), ("held_out", 4)):
        lines = [
            json.dumps({"messages": [{**said, "content": f"{said['content']} {n % 3}"} for said in TALK]})
            for n in range(count)
        ]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def pairs(data: Path) -> None:
    one = {"prompt": TALK[:1], "chosen": [{"role": "assistant", "content": "how nice"}],
           "rejected": [{"role": "assistant", "content": "go away"}]}  # fmt: skip
    (data / "preferences.jsonl").write_text((json.dumps(one) + "\n") * 8)


def planned(base: Path, data: Path, **more: object) -> Plan:
    given = {"rows": 4, "gather": 1, "length": 128, "every": 2, "rate": 1e-3, "threads": 1, "lora": False}
    return Plan.model_validate({"data": str(data), "base": str(base), **given, **more})


# --- what is learnt ---


def learnt(tokenizer: object, row: rows.Row) -> str:
    return tokenizer.decode([label for label in row.labels if label != rows.SKIP])  # type: ignore[attr-defined]


def test_only_the_agents_words_and_their_end_are_learnt(base: Path) -> None:
    tokenizer = models.load_tokenizer(str(base))
    (row,) = rows.encode(tokenizer, TALK, 128)
    assert learnt(tokenizer, row) == "I'm fine<|im_end|>今天天气很好<|im_end|>"
    assert tokenizer.decode(row.ids) == rows.render(tokenizer, TALK)
    assert all(label in (token, rows.SKIP) for token, label in zip(row.ids, row.labels, strict=True))


def test_a_template_that_rewrites_history_gives_a_row_a_reply(base: Path) -> None:
    tokenizer = models.load_tokenizer(str(base))
    tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['role'] == 'assistant' and loop.last %}(thinks) "
        "{% endif %}{{ m['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    found = rows.encode(tokenizer, TALK, 128)
    assert [learnt(tokenizer, row) for row in found] == [
        "(thinks) I'm fine<|im_end|>",
        "(thinks) 今天天气很好<|im_end|>",
    ]
    assert "(thinks) I'm" not in tokenizer.decode(found[1].ids)


def test_a_long_dialogue_loses_its_beginning_at_a_turn_of_the_user(base: Path) -> None:
    tokenizer = models.load_tokenizer(str(base))
    whole = len(rows.encode(tokenizer, TALK, 128)[0].ids)
    (row,) = rows.encode(tokenizer, [{"role": "system", "content": "be"}, *TALK], whole - 1)
    assert learnt(tokenizer, row) == "今天天气很好<|im_end|>" and "hello" not in tokenizer.decode(row.ids)
    assert "system" in tokenizer.decode(row.ids)
    assert rows.encode(tokenizer, TALK, 5) == []


def test_a_start_token_comes_once(tmp_path: Path) -> None:
    tokenizer = models.load_tokenizer(str(make("llama", tmp_path / "llama")))
    start = tokenizer.bos_token_id
    assert rows.encode(tokenizer, TALK, 128)[0].ids.count(start) == 1
    tokenizer.chat_template = "{{ bos_token }}" + tokenizer.chat_template
    assert rows.encode(tokenizer, TALK, 128)[0].ids.count(start) == 1


def test_a_base_without_a_template_gets_a_plain_one(tmp_path: Path) -> None:
    folder = make("llama", tmp_path / "llama")
    (folder / "chat_template.jinja").unlink()
    tokenizer = models.load_tokenizer(str(folder))
    (row,) = rows.encode(tokenizer, TALK, 128)
    assert learnt(tokenizer, row) == " I'm fine<|im_end|> 今天天气很好<|im_end|>"


# --- resuming ---


def curve(folder: Path) -> list[str]:
    """Stage, step, loss and learning rate of every step."""
    return [",".join(row.split(",")[:4]) for row in (folder / "loss.csv").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("lora", [False, True], ids=["all weights", "adapters"])
def test_a_killed_run_goes_on_to_the_very_same_weights(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lora: bool
) -> None:
    plan = planned(base, data, lora=lora, rank=4)
    whole = run.train(plan, tmp_path / "whole")
    assert whole["after"] < whole["before"]
    real = watch.Watch.on_step_end

    def killed(self: object, args: object, state: object, control: object, **rest: object) -> None:
        real(self, args, state, control, **rest)  # type: ignore[arg-type]
        if state.global_step == 5:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    monkeypatch.setattr(watch.Watch, "on_step_end", killed)
    with pytest.raises(KeyboardInterrupt):
        run.train(plan, tmp_path / "again")
    monkeypatch.setattr(watch.Watch, "on_step_end", real)
    last = sorted((tmp_path / "again" / "learn").glob("checkpoint-*"))[-1]
    assert last.name == "checkpoint-4"
    shutil.copytree(last, last.with_name("checkpoint-6"))  # as if it was cut off while it was written
    (last.with_name("checkpoint-6") / watch.WHOLE).unlink()
    run.train(load_plan(tmp_path / "again"), tmp_path / "again")
    assert curve(tmp_path / "again") == curve(tmp_path / "whole") and len(curve(tmp_path / "whole")) == 7
    name = "adapter_model.safetensors" if lora else "model.safetensors"
    one, other = (load_file(tmp_path / which / "learn" / "weights" / name) for which in ("whole", "again"))
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
    assert (tmp_path / "again" / "loss.png").stat().st_size > 5000
    assert not list((tmp_path / "again").rglob("checkpoint-*"))


@pytest.mark.slow
def test_a_full_disk_is_said_and_keeps_the_last_checkpoint(base: Path, data: Path, tmp_path: Path) -> None:
    """On a real file system of three megabytes."""
    small = tmp_path / "small"
    small.mkdir()
    if (
        os.name != "posix"
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(small)], capture_output=True
        ).returncode
    ):
        pytest.skip("no small file system can be mounted here (needs root)")
    try:
        plan = planned(base, data)
        with pytest.raises(MindError, match="the disk is full"):
            run.train(plan, small / "run")
        kept = watch.whole_checkpoint(small / "run" / "learn")
        assert kept is not None and load_file(kept / "model.safetensors")
        shutil.copytree(small / "run", tmp_path / "run")
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
    assert run.train(load_plan(tmp_path / "run"), tmp_path / "run")["after"] > 0


def test_memory_that_runs_out_is_said(base: Path, data: Path, tmp_path: Path) -> None:
    plan = planned(base, data, rows=8)
    with pytest.raises(MindError, match=r"memory ran out.*--rows 4"), run.plain_troubles(tmp_path, plan):
        torch.empty(1 << 60)


# --- teachers and preferences ---


def test_a_student_that_is_its_teacher_has_nothing_to_learn() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 5, 11), torch.tensor([[-100, 1, 2, 3, -100], [-100, -100, 4, 5, 6]])
    assert float(distilled(logits, logits, labels, 2.0)) == pytest.approx(0, abs=1e-6)
    other = torch.randn(2, 5, 12)  # one padded vocabulary entry more
    p, q = (torch.log_softmax(each[:, :-1, :11] / 2, -1) for each in (other, logits))
    kept = labels[:, 1:] != -100
    assert float(distilled(logits, other, labels, 2.0)) == pytest.approx(
        float(4 * (p.exp() * (p - q)).sum(-1)[kept].sum())
    )


@pytest.mark.slow
def test_a_smaller_student_comes_nearer_to_its_teacher(base: Path, data: Path, tmp_path: Path) -> None:
    plan = planned(base, data, teacher=str(base), layers=1, epochs=4, heed=1.0)
    run.train(plan, tmp_path / "run")
    losses = [float(row.split(",")[2]) for row in curve(tmp_path / "run")[1:]]
    assert sum(losses[-3:]) < 0.8 * sum(losses[:3])
    student = models.load_model(str(tmp_path / "run"))
    assert student.config.num_hidden_layers == 1 and len(student.get_decoder().layers) == 1


@pytest.mark.slow
def test_a_run_with_adapters_is_a_base_and_a_teacher_of_all_weights(base: Path, data: Path, tmp_path: Path) -> None:
    first = tmp_path / "first"
    run.train(planned(base, data, lora=True, rank=4, epochs=0.2), first)
    told = run.train(planned(first, data, teacher=str(first), layers=1, epochs=0.2), tmp_path / "small")
    assert told["trained"] == told["parameters"] > 0


def test_a_teacher_of_another_family_is_refused(base: Path, data: Path, tmp_path: Path) -> None:
    other = make("llama", tmp_path / "llama")
    with pytest.raises(MindError, match="the teacher has other tokens"):
        run.train(planned(base, data, teacher=str(other)), tmp_path / "run")


@pytest.mark.slow
def test_preferred_replies_become_likelier(base: Path, data: Path, tmp_path: Path) -> None:
    pairs(data)
    plan = planned(base, data, lora=True, rank=4, epochs=0.2, prefer_epochs=6, prefer_rate=3e-3)
    run.train(plan, tmp_path / "run")
    tokenizer = models.load_tokenizer(str(base))

    def margin(model: torch.nn.Module) -> float:
        told = []
        for said in ("how nice", "go away"):
            (row,) = rows.encode(tokenizer, [*TALK[:1], {"role": "assistant", "content": said}], 128)
            told.append(run.mean_loss(model, tokenizer, [row]) * sum(label != rows.SKIP for label in row.labels))
        return told[1] - told[0]

    before = margin(models.load_model(str(base)))
    assert margin(models.load_model(str(tmp_path / "run"))) > before + 1
    stages = [row.split(",")[0] for row in curve(tmp_path / "run")[1:]]
    assert set(stages) == {"learn", "prefer"}


@pytest.mark.slow
def test_a_run_that_was_killed_while_preferring_goes_on_to_the_very_same_weights(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs(data)
    plan = planned(base, data, lora=True, rank=4, epochs=0.2, prefer_epochs=3, prefer_rate=3e-3)
    run.train(plan, tmp_path / "whole")
    real = watch.Watch.on_step_end

    def killed(self: watch.Watch, args: object, state: object, control: object, **rest: object) -> None:
        real(self, args, state, control, **rest)
        if self.stage == "prefer" and state.global_step == 3:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    monkeypatch.setattr(watch.Watch, "on_step_end", killed)
    with pytest.raises(KeyboardInterrupt):
        run.train(plan, tmp_path / "again")
    monkeypatch.setattr(watch.Watch, "on_step_end", real)
    assert (tmp_path / "again" / "learn" / "done").is_file()
    run.train(load_plan(tmp_path / "again"), tmp_path / "again")
    assert curve(tmp_path / "again") == curve(tmp_path / "whole")
    kept = "prefer/weights/adapter_model.safetensors"
    one, other = (load_file(tmp_path / which / kept) for which in ("whole", "again"))
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


# --- models and the command ---


def test_the_shipped_model_is_unpacked_to_what_llama_cpp_runs(tmp_path: Path) -> None:
    """Tensors come back as they went in: exported again they are the file's own numbers."""
    from echoless.mind import models as shipped

    folder = unpack(Path(shipped.__file__).parent / "pocket-en.gguf", tmp_path / "pocket")
    tokenizer, model = models.load_tokenizer(str(folder)), models.load_model(str(folder))
    assert len(tokenizer) == model.config.vocab_size
    (row,) = rows.encode(tokenizer, [TALK[0], {"role": "assistant", "content": "Hello! How are you?"}], 128)
    assert row.ids[0] == tokenizer.bos_token_id and row.ids.count(row.ids[0]) == 1
    assert run.mean_loss(model, tokenizer, [row]) < 3.5  # a model whose weights are turned wrongly knows nothing (8.7)


def test_how_a_base_is_best_sampled_goes_to_what_is_trained_on_it(tmp_path: Path) -> None:
    """From the JSON beside a GGUF to the run, from there to a run on that run, and beside what that one exports."""
    shipped = advice.advised(models.gguf_named("pocket-en") or Path())
    assert shipped["temperature"] < 0.5
    one, other, file = tmp_path / "one", tmp_path / "other", tmp_path / "mine-q8_0.gguf"
    plan = run.unpacked(planned(Path("pocket-en"), tmp_path), one)
    run.unpacked(plan, one)  # as --resume does: the base is a folder by now
    run.unpacked(planned(one, tmp_path), other)
    advice.hand_on(other, [file])
    assert about(file)["sampling"] == shipped == advice.advised(other)
    advice.hand_on(tmp_path, [tmp_path / "none.gguf"])
    assert not (tmp_path / "none.json").exists() and models.gguf_named("Qwen/Qwen3-0.6B") is None


def test_what_cannot_be_loaded_is_said_in_one_line(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    out = str(tmp_path / "run")
    assert main(["mind", "train", str(data), "--base", str(tmp_path / "empty"), "--out", out]) == 1
    assert capsys.readouterr().err.count("\n") <= 2
    assert main(["mind", "train", str(tmp_path / "none"), "--base", "x", "--out", out]) == 1
    assert "does not exist" in capsys.readouterr().err
    assert main(["mind", "train", "--resume", "--out", str(tmp_path / "nothing")]) == 1
    assert "no run to go on with" in capsys.readouterr().err
    assert main(["mind", "export", "pocket-en", "--out", out]) == 1
    assert "a GGUF already" in capsys.readouterr().err
    with pytest.raises(MindError, match="--layers 9"):
        models.keep_layers(models.load_model(str(make("llama", tmp_path / "llama"))), 9)


@pytest.mark.slow
def test_from_dialogues_to_a_file_that_llama_cpp_runs(base: Path, data: Path, tmp_path: Path) -> None:
    """The command line as a person types it, in a process of its own."""
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}
    code = "import sys; from echoless.cli import main; sys.exit(main(sys.argv[1:]))"
    out = tmp_path / "run"

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, "mind", *arguments],
            capture_output=True,
            text=True,
            env=environment,
            timeout=900,
        )

    done = call(
        "train", str(data), "--base", str(base), "--out", str(out), "--rows", "4", "--length", "128", "--threads", "1"
    )
    assert done.returncode == 0 and "perplexity of held-out replies: before" in done.stdout, done.stderr
    assert "a run already" in call("train", str(data), "--base", str(base), "--out", str(out)).stderr
    done = call("export", str(out), "--type", "f32", "--type", "f16", "--name", "mine")
    assert done.returncode == 0, done.stderr
    told = json.loads((out / "mine-f32.gguf.verify.json").read_text("utf-8"))
    assert told["good"] and told["identical"] == told["texts"] and not told["odd"]
    assert gguf_of(out).name == "mine-f32.gguf"  # the first one named


@pytest.mark.slow
def test_each_family_says_in_llama_cpp_what_it_says_in_transformers(tmp_path: Path) -> None:
    """Random weights, f32: the same tokens to the last one."""
    folders = {family: make(family, tmp_path / family) for family in FAMILIES}
    run_converter(
        [
            Job(mended(folder, tmp_path / "mended"), tmp_path / f"{family}.gguf", "f32", family)
            for family, folder in folders.items()
        ]
    )
    for family, folder in folders.items():
        model, tokenizer = models.load_model(str(folder)), models.load_tokenizer(str(folder))
        report = asyncio.run(verify(tmp_path / f"{family}.gguf", "f32", model, tokenizer, random_strings=60))
        assert report.faults() == [] and report.same == len(report.texts) == 6, f"{family}: {report.lines()}"
        assert report.divergence < 1e-5
