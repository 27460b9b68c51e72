"""The recognisers that are extras, on the smallest real models that can be made: random weights, real loading code.

Each part runs where its package is installed and skips elsewhere. What they say is noise; that they load, hear a
voice, answer in their own tokens, and refuse what would end the process, is not.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from echoless.ears.door import RecogniserError
from echoless.frames import RATE, Samples

TOKENS = [
    "<blk>",
    "<s>",
    "</s>",
    "<|zh|>",
    "<|en|>",
    "<|NEUTRAL|>",
    "<|Speech|>",
    "<|withitn|>",
    *"你好今天气怎么样我们去看",
    "<unk>",
]


def voice_like(seconds: float = 1.5) -> Samples:
    time = np.arange(int(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * 140 * n * time) / n for n in range(1, 20))
    return (0.1 * tone * (1 + np.sin(2 * np.pi * 4 * time))).astype(np.float32)


def tiny_onnx(onnx: ModuleType, folder: Path, kind: str) -> Path:
    """A network of one matrix with the inputs, outputs and metadata that sherpa-onnx wants of `kind`."""
    helper, types = onnx.helper, onnx.TensorProto
    weights = np.random.default_rng(3).standard_normal((560, len(TOKENS))).astype(np.float32)
    inputs = [("x", types.FLOAT, ["N", "T", 560]), ("x_length", types.INT32, ["N"])]
    nodes = [helper.make_node("MatMul", ["x", "w"], ["logits"])]
    outputs = [("logits", types.FLOAT, ["N", "T", len(TOKENS)])]
    about = {"vocab_size": len(TOKENS), "lfr_window_size": 7, "lfr_window_shift": 6,
             "neg_mean": ",".join(["0"] * 560), "inv_stddev": ",".join(["1"] * 560)}  # fmt: skip
    if kind == "sense_voice":
        inputs += [("language", types.INT32, ["N"]), ("text_norm", types.INT32, ["N"])]
        about |= {"with_itn": 14, "without_itn": 15, "normalize_samples": 0, "lang_auto": 0, "lang_zh": 3, "lang_en": 4,
                  "lang_ja": 11, "lang_ko": 12, "lang_yue": 7}  # fmt: skip
    else:
        nodes.append(helper.make_node("Identity", ["x_length"], ["token_num"]))
        outputs.append(("token_num", types.INT32, ["N"]))
    graph = helper.make_graph(
        nodes,
        kind,
        [helper.make_tensor_value_info(*each) for each in inputs],
        [helper.make_tensor_value_info(*each) for each in outputs],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    for key, value in about.items():
        model.metadata_props.add(key=key, value=str(value))
    onnx.save(model, folder / "model.onnx")
    (folder / "tokens.txt").write_text("".join(f"{token} {n}\n" for n, token in enumerate(TOKENS)), encoding="utf-8")
    return folder


@pytest.mark.parametrize("kind", ["sense_voice", "paraformer"])
def test_sherpa_reads_either_kind_of_folder_and_answers_in_its_tokens(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("sherpa_onnx", reason="sherpa-onnx is not installed (echoless[sherpa])")
    onnx = pytest.importorskip("onnx", reason="onnx, which makes the tiny model, is not installed")
    from echoless.ears.recognisers.sherpa import open_engine

    engine = open_engine("zh", str(tiny_onnx(onnx, tmp_path, kind)))
    assert engine.traits.name == f"sherpa-{kind}" and "zh" in engine.traits.languages
    heard = engine.transcribe(voice_like(), "zh")
    assert set(heard.text.replace(" ", "")) <= set("".join(TOKENS))
    assert heard.text == engine.transcribe(voice_like(), "zh").text
    engine.close()


def test_sherpa_refuses_folders_that_are_not_its_own(tmp_path: Path) -> None:
    pytest.importorskip("sherpa_onnx", reason="sherpa-onnx is not installed (echoless[sherpa])")
    from echoless.ears.recognisers.sherpa import open_engine

    with pytest.raises(RecogniserError, match="--recogniser-model"):
        open_engine("zh", "")
    with pytest.raises(RecogniserError, match=r"tokens\.txt"):
        open_engine("zh", str(tmp_path))
    (tmp_path / "tokens.txt").write_text("a 0\n")
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(RecogniserError, match="not a readable ONNX model"):
        open_engine("zh", str(tmp_path))


def tiny_whisper(folder: Path) -> Path:
    """Whisper's shape at 16 units in CTranslate2's format, with a tokenizer of a few bytes and its special tokens."""
    import ctranslate2
    from ctranslate2.specs import whisper_spec
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    special = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|zh|>", "<|translate|>", "<|transcribe|>",
               "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]  # fmt: skip
    words = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *special]
    tokenizer = Tokenizer(models.BPE({word: n for n, word in enumerate(words)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens(special)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(folder / "tokenizer.json"))
    spec = whisper_spec.WhisperSpec(1, 2, 1, 2)
    rng, units, mels = np.random.default_rng(5), 16, 80
    fill(spec, rng, units, mels, len(words))
    spec.register_vocabulary(words)
    spec.config.suppress_ids, spec.config.suppress_ids_begin = [], []
    spec.config.lang_ids = [words.index("<|en|>"), words.index("<|zh|>")]
    spec.validate()
    spec.optimize()
    spec.save(str(folder))
    assert ctranslate2.contains_model(str(folder))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": mels}))
    return folder


def fill(spec: object, rng: np.random.Generator, units: int, mels: int, words: int) -> None:
    """Random weights of the right shapes for every layer of `spec`."""

    def small(*shape: int) -> np.ndarray:
        return (0.05 * rng.standard_normal(shape)).astype(np.float32)

    def norm(layer: object) -> None:
        layer.gamma, layer.beta = np.ones(units, np.float32), np.zeros(units, np.float32)

    def linear(layer: object, out: int, into: int) -> None:
        layer.weight, layer.bias = small(out, into), np.zeros(out, np.float32)

    def attention(layer: object, own: bool) -> None:
        norm(layer.layer_norm)
        sizes = [(3 * units, units), (units, units)] if own else [(units, units), (2 * units, units), (units, units)]
        for each, size in zip(layer.linear, sizes, strict=True):
            linear(each, *size)

    encoder, decoder = spec.encoder, spec.decoder
    encoder.conv1.weight, encoder.conv1.bias = small(units, mels, 3), np.zeros(units, np.float32)
    encoder.conv2.weight, encoder.conv2.bias = small(units, units, 3), np.zeros(units, np.float32)
    encoder.position_encodings.encodings = small(1500, units)
    decoder.position_encodings.encodings = small(448, units)
    decoder.embeddings.weight = small(words, units)
    decoder.scale_embeddings = False
    decoder.projection.weight = decoder.embeddings.weight
    for stack in (encoder, decoder):
        norm(stack.layer_norm)
        for layer in stack.layer:
            attention(layer.self_attention, True)
            if hasattr(layer, "attention"):
                attention(layer.attention, False)
            norm(layer.ffn.layer_norm)
            linear(layer.ffn.linear_0, 4 * units, units)
            linear(layer.ffn.linear_1, units, 4 * units)


def test_whisper_loads_a_local_folder_and_answers(tmp_path: Path) -> None:
    pytest.importorskip("faster_whisper", reason="faster-whisper is not installed (echoless[whisper])")
    from echoless.ears.recognisers.faster_whisper import open_engine

    engine = open_engine("en", str(tiny_whisper(tmp_path)))
    heard = engine.transcribe(voice_like(), "en")
    assert heard.language == "en"
    assert heard.text == engine.transcribe(voice_like(), "en").text
    engine.close()


def test_whisper_is_told_to_write_mandarin_in_simplified_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("faster_whisper", reason="faster-whisper is not installed (echoless[whisper])")
    from echoless.ears.recognisers.faster_whisper import open_engine

    engine, asked = open_engine("auto", str(tiny_whisper(tmp_path))), []
    real = engine._engine.transcribe
    monkeypatch.setattr(
        engine._engine, "transcribe", lambda *a, **b: asked.append(b["initial_prompt"]) or real(*a, **b)
    )
    for language in ("zh-CN", "en", None):
        engine.transcribe(voice_like(), language)
    assert asked == ["以下是普通话的句子。", None, None]
    engine.close()


def test_whisper_never_downloads_and_says_what_to_do(tmp_path: Path) -> None:
    pytest.importorskip("faster_whisper", reason="faster-whisper is not installed (echoless[whisper])")
    from echoless.ears.recognisers.faster_whisper import open_engine

    with pytest.raises(RecogniserError, match="echoless pull") as caught:
        open_engine("en", "no-such-model-anywhere")
    assert "\n" not in str(caught.value)
    with pytest.raises(RecogniserError, match=r"model\.bin is missing"):
        open_engine("en", str(tmp_path))


def test_realtimestt_runs_an_offline_engine_in_its_own_recorder() -> None:
    pytest.importorskip("RealtimeSTT", reason="RealtimeSTT is not installed (echoless[realtimestt])")
    from echoless.ears.recognisers.fake import FakeRecogniser
    from echoless.ears.recognisers.realtimestt import RealtimeSTT

    inner = FakeRecogniser(["good morning", "and good night"])
    begun: list[int] = []
    engine = RealtimeSTT(inner, "en", on_transcription_start=lambda audio: begun.append(len(audio)))
    try:
        assert engine.transcribe(voice_like(1.0)).text == "Good morning"  # its formatting, our words
        assert engine.transcribe(voice_like(0.5), "en").text == "And good night"
        assert begun == [RATE, RATE // 2]
        assert [len(each) for each in inner.heard] == [RATE, RATE // 2]
    finally:
        engine.close()


def test_realtimestt_names_the_engines_it_can_run() -> None:
    from echoless.ears.recognisers.realtimestt import open_engine

    with pytest.raises(RecogniserError, match="moonshine, whisper, sherpa"):
        open_engine("en", "cloud")
