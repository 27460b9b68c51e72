"""A Piper voice of a few kilobytes: the inputs, outputs, durations and noise of the real ones, tones for phonemes.

The graph is made as VITS inference is: a duration for every phoneme id, rounded up; frames laid out along them; a
waveform of `hop` samples a frame. Only the networks in between are tables of random numbers.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP

HOP, RATE = 256, 22_050
SYMBOLS = 256


def _constants(seed: int) -> list[onnx.TensorProto]:
    random = np.random.default_rng(seed)
    lengths = random.uniform(3.0, 8.0, SYMBOLS).astype(np.float32)
    pitches = random.uniform(200, 900, SYMBOLS).astype(np.float32)
    lengths[0] = 0.4  # padding
    phase = (2 * np.pi * np.arange(HOP) / RATE).astype(np.float32)
    values = {
        "lengths": lengths, "pitches": pitches, "phase": phase[None, :], "zero": np.int64(0), "one": np.int64(1),
        "first": np.array([0], np.int64), "second": np.array([1], np.int64), "flat": np.array([-1], np.int64),
        "shape": np.array([1, 1, -1], np.int64), "column": np.array([-1, 1], np.int64),
        "frames_shape": np.array([1, 1, -1], np.int64), "loud": np.float32(0.3), "last_axis": np.int64(2),
        "quiet": np.float32(0.01), "third": np.array([2], np.int64), "axis": np.array([0], np.int64),
    }  # fmt: skip
    return [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]


def _nodes(speakers: int) -> list[onnx.NodeProto]:
    n = helper.make_node
    speaker = [n("Cast", ["sid"], ["speaker"], to=TensorProto.FLOAT)] if speakers > 1 else []
    pitch = [n("Add", ["pitch_a", "speaker_hertz"], ["pitch"]), n("Mul", ["speaker", "hundred"], ["speaker_hertz"])]
    return [
        n("Slice", ["scales", "first", "second"], ["noise_scale"]),
        n("Slice", ["scales", "second", "third"], ["length_scale"]),
        n("Gather", ["lengths", "input"], ["w0"]),
        n("Mul", ["w0", "length_scale"], ["w"]),
        n("Reshape", ["w", "frames_shape"], ["w3"]),
        n("Ceil", ["w3"], ["w_ceil"]),
        n("CumSum", ["w_ceil", "last_axis"], ["ends3"]),
        n("Reshape", ["ends3", "flat"], ["ends"]),
        n("ReduceMax", ["ends"], ["total_f"], keepdims=0),
        n("Cast", ["total_f"], ["total"], to=TensorProto.INT64),
        n("Range", ["zero", "total", "one"], ["frames"]),
        n("Cast", ["frames"], ["frames_f"], to=TensorProto.FLOAT),
        n("Reshape", ["frames_f", "column"], ["frames_c"]),
        n("GreaterOrEqual", ["frames_c", "ends"], ["past"]),
        n("Cast", ["past"], ["past_i"], to=TensorProto.INT64),
        n("ReduceSum", ["past_i", "second"], ["which"], keepdims=0),
        n("Reshape", ["input", "flat"], ["ids"]),
        n("Gather", ["ids", "which"], ["frame_ids"]),
        n("Gather", ["pitches", "frame_ids"], ["pitch_a"]),
        *([*speaker, pitch[1], pitch[0]] if speaker else [n("Identity", ["pitch_a"], ["pitch"])]),
        n("Reshape", ["pitch", "column"], ["pitch_c"]),
        n("Mul", ["pitch_c", "phase"], ["angle"]),
        n("Sin", ["angle"], ["tone"]),
        n("RandomNormalLike", ["tone"], ["noise"]),
        n("Mul", ["noise", "noise_scale"], ["noise_a"]),
        n("Mul", ["noise_a", "quiet"], ["noise_b"]),
        n("Mul", ["tone", "loud"], ["tone_a"]),
        n("Add", ["tone_a", "noise_b"], ["wave"]),
        n("Reshape", ["wave", "shape"], ["output_a"]),
        n("Unsqueeze", ["output_a", "axis"], ["output"]),
    ]


def make(folder: Path, name: str = "tiny", speakers: int = 1, seed: int = 1, **settings: object) -> Path:
    """Write NAME.onnx and NAME.onnx.json; `settings` replace entries of the configuration."""
    value = helper.make_tensor_value_info
    inputs = [
        value("input", TensorProto.INT64, [1, "phonemes"]),
        value("input_lengths", TensorProto.INT64, [1]),
        value("scales", TensorProto.FLOAT, [3]),
        *([value("sid", TensorProto.INT64, [1])] if speakers > 1 else []),
    ]
    outputs = [value("output", TensorProto.FLOAT, [1, 1, 1, "time"])]
    constants = [*_constants(seed), numpy_helper.from_array(np.float32(100.0), "hundred")]
    graph = helper.make_graph(_nodes(speakers), "tiny", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    path = folder / f"{name}.onnx"
    onnx.save(model, str(path))
    configuration = {
        "audio": {"sample_rate": RATE, "quality": "x_low"},
        "espeak": {"voice": "en-us"},
        "language": {"code": "en_US"},
        "inference": {"noise_scale": 0.667, "length_scale": 1, "noise_w": 0.8},
        "phoneme_type": "espeak",
        "phoneme_id_map": DEFAULT_PHONEME_ID_MAP,
        "num_symbols": SYMBOLS,
        "num_speakers": speakers,
        "speaker_id_map": {},
        "hop_length": HOP,
        **settings,
    }
    path.with_name(path.name + ".json").write_text(json.dumps(configuration), "utf-8")
    return path
