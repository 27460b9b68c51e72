"""Exports of every family in llama.cpp, quantising, and telling tokenizers apart. Needs no torch: what transformers
makes of the same models is written down (tests/workshop/write_families.py)."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type
from gguf.quants import dequantize
from tests.mind.tiny_gguf import write_tiny_gguf

from echoless.cli import main
from echoless.workshop.elsewhere import Environment
from echoless.workshop.mind.errors import MindError
from echoless.workshop.mind.export import converter, quantise
from echoless.workshop.mind.export.kinds import PACKED
from echoless.workshop.mind.export.pretokens import SPLITS, pretokens
from echoless.workshop.mind.pocket.served import serve

FAMILIES = Path(__file__).parent / "families"


@pytest.mark.parametrize("family", sorted(path.stem for path in FAMILIES.glob("*.json")))
async def test_llama_cpp_reads_and_writes_what_transformers_does(family: str, tmp_path: Path) -> None:
    told = json.loads((FAMILIES / f"{family}.json").read_text("utf-8"))
    file = tmp_path / f"{family}.gguf"
    file.write_bytes(lzma.decompress((FAMILIES / f"{family}.gguf.xz").read_bytes()))
    async with serve(file, 512, exact=True) as served:
        assert {text: await served.tokens(text) for text, _ in told["strings"]} == dict(told["strings"])
        for turns, text in told["prompts"]:
            prompt = await served.prompt(turns)
            assert prompt.endswith(text) and "assistant" not in prompt.removesuffix(text)
        for ids, tokens in told["greedy"]:
            answer = await served.complete(ids, temperature=0, n_predict=len(tokens), return_tokens=True)
            assert answer["tokens"] == tokens[: len(answer["tokens"])]
            assert len(answer["tokens"]) == len(tokens) or answer["stop_type"] == "eos"


def test_there_is_an_export_of_each_family() -> None:
    assert {path.name.partition(".")[0] for path in FAMILIES.glob("*.xz")} == {
        "llama", "qwen2", "qwen3", "gemma3", "lfm2",
    }  # fmt: skip


# --- quantising ---


@pytest.mark.parametrize(
    ("kind", "error"),
    [(Type.Q8_0, 0.006), (Type.Q6_K, 0.025), (Type.Q5_K, 0.05), (Type.Q5_0, 0.06), (Type.Q4_K, 0.1), (Type.Q4_0, 0.13),
     (Type.Q3_K, 0.2)],
)  # fmt: skip
def test_a_quantised_tensor_is_near_what_it_was(kind: Type, error: float) -> None:
    values = np.random.default_rng(3).normal(0, 1, (7, 512)).astype(np.float32)
    back = dequantize(quantise.quantise_tensor(values, kind), kind)
    assert back.shape == values.shape
    off = float(np.sqrt(np.mean((back - values) ** 2)))
    assert error / 3 < off < error


def test_every_kind_that_is_offered_can_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(PACKED) == set(quantise.KINDS)
    assert main(["mind", "export", "run", "--type", "q9"]) == 1
    assert "--type is one of f32" in capsys.readouterr().err


def test_eight_bits_are_the_bytes_that_gguf_writes() -> None:
    values = np.random.default_rng(4).normal(0, 0.05, (16, 96)).astype(np.float32)
    assert (quantise.quantise_tensor(values, Type.Q8_0) == gguf.quants.quantize(values, Type.Q8_0)).all()


def test_rows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="blocks of 256"):
        quantise.quantise_tensor(np.zeros((2, 128), np.float32), Type.Q4_K)


def test_the_mixture_spends_bits_where_llama_cpp_does() -> None:
    def of(name: str, layer: int = 0, kind: str = "q4_k_m", width: int = 512, tied: bool = False) -> Type | None:
        return quantise.choose(name, (64, width), kind, 16, tied, layer)

    assert of("blk.0.attn_q.weight") == Type.Q4_K
    assert of("output.weight") == Type.Q6_K and of("token_embd.weight") == Type.Q4_K
    assert of("token_embd.weight", tied=True) == Type.Q6_K
    more = [layer for layer in range(16) if of(f"blk.{layer}.ffn_down.weight", layer) == Type.Q6_K]
    assert more == [0, 1, 4, 7, 10, 13, 14, 15]
    assert of("blk.4.attn_v.weight", 4) == Type.Q6_K and of("blk.3.attn_v.weight", 3) == Type.Q4_K
    assert of("blk.0.attn_q.weight", width=320) == Type.Q5_0 and of("output.weight", width=320) == Type.Q8_0
    assert of("blk.0.attn_q.weight", width=40) == Type.F16
    for name in ("blk.0.attn_norm.weight", "blk.0.shortconv.conv.weight", "blk.0.attn_q.bias"):
        assert of(name) is None
    assert quantise.choose("output_norm.weight", (64,), "q4_k_m", 16, False, 0) is None


@pytest.mark.slow
async def test_a_quantised_file_keeps_everything_else_and_talks(tmp_path: Path) -> None:
    whole = write_tiny_gguf(tmp_path / "f32.gguf", width=256)
    for kind in ("q4_k_m", "q6_k"):
        small = quantise.quantise(whole, tmp_path / f"{kind}.gguf", kind)
        before, after = gguf.GGUFReader(whole), gguf.GGUFReader(small)
        for name, field in before.fields.items():
            if not name.startswith("GGUF.") and name != "general.file_type":
                assert after.fields[name].contents() == field.contents(), name
        assert [tensor.name for tensor in after.tensors] == [tensor.name for tensor in before.tensors]
        assert after.fields["general.file_type"].contents() == quantise.KINDS[kind][1]
        assert small.stat().st_size < 0.45 * whole.stat().st_size
        async with serve(small, 256) as served:
            answer = await served.complete("hello", temperature=0, n_predict=8, return_tokens=True)
            assert len(answer["tokens"]) == 8
    assert list(tmp_path.glob("*.part")) == []


# --- tokenizers, the converter, the command ---


def say(folder: Path, steps: object) -> Path:
    (folder / "tokenizer.json").write_text(json.dumps({"pre_tokenizer": steps}))
    return folder


def test_a_tokenizer_is_known_by_what_it_says(tmp_path: Path) -> None:
    assert pretokens(tmp_path) is None
    level = {"type": "ByteLevel", "use_regex": True, "add_prefix_space": False}
    assert pretokens(say(tmp_path, level)) == "gpt-2"
    assert pretokens(say(tmp_path, {**level, "add_prefix_space": True})) is None
    for regex, name in SPLITS.items():
        split = {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}
        steps = {"type": "Sequence", "pretokenizers": [split, {**level, "use_regex": False}]}
        assert pretokens(say(tmp_path, steps)) == name
    digits = {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, level]}
    assert pretokens(say(tmp_path, digits)) == "smollm"
    assert pretokens(say(tmp_path, None)) is None


def test_another_package_is_not_unpacked(tmp_path: Path) -> None:
    package = tmp_path / "llama_cpp_python.tar.gz"
    package.write_bytes(b"something else")
    with pytest.raises(MindError, match="not the expected file"):
        converter.unpack(package, tmp_path / "goal")
    assert not (tmp_path / "goal").exists()


def test_without_torch_the_way_to_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ECHOLESS_MIND_ENV", str(tmp_path))
    monkeypatch.setattr(Environment, "ready", lambda self: False)
    assert main(["mind", "export", str(tmp_path)]) == 1
    assert "make mind-setup" in capsys.readouterr().err
    assert main(["mind", "verify", str(tmp_path / "no.gguf"), "somewhere"]) == 1
    assert "there is no model" in capsys.readouterr().err
    assert main(["mind", "export", str(tmp_path), "--type", "q8_0", "--type", "f16", "--out", "one.gguf"]) == 1
    assert "give a folder" in capsys.readouterr().err
