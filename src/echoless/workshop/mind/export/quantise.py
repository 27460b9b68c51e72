"""Smaller numbers for a GGUF than its converter writes: K-quants and their like, by llama.cpp's own kernels.

The kernels are those in the `xllamacpp` wheel (`ggml_quantize_chunk`, called through ctypes), so nothing is compiled.
Which tensor gets which type follows llama.cpp's mixtures for dense models (its src/llama-quant.cpp): more bits for the
head, and for values and down-projections of some layers.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import LlamaFileType as FileType
from gguf.quants import dequantize

from echoless.workshop.mind.errors import MindError

KINDS: dict[str, tuple[Type, FileType]] = {
    "q4_0": (Type.Q4_0, FileType.MOSTLY_Q4_0),
    "q5_0": (Type.Q5_0, FileType.MOSTLY_Q5_0),
    "q3_k_m": (Type.Q3_K, FileType.MOSTLY_Q3_K_M),
    "q4_k_s": (Type.Q4_K, FileType.MOSTLY_Q4_K_S),
    "q4_k_m": (Type.Q4_K, FileType.MOSTLY_Q4_K_M),
    "q5_k_s": (Type.Q5_K, FileType.MOSTLY_Q5_K_S),
    "q5_k_m": (Type.Q5_K, FileType.MOSTLY_Q5_K_M),
    "q6_k": (Type.Q6_K, FileType.MOSTLY_Q6_K),
}
NARROW = {Type.Q3_K: Type.Q4_0, Type.Q4_K: Type.Q5_0, Type.Q5_K: Type.Q5_1, Type.Q6_K: Type.Q8_0}
"""What takes the place of a type with blocks of 256 where rows are no multiple of that."""
ANEW = ("general.architecture", "general.file_type", "general.quantization_version")
"""Fields that a quantised file says anew."""
KEPT = ("_norm.weight", "ffn_gate_inp.weight", "shortconv.conv.weight", "ssm_conv1d", "position_embd", "token_types")


@cache
def kernel() -> Any:
    """ggml's `size_t ggml_quantize_chunk(type, src, dst, start, nrows, n_per_row, imatrix)`. Raises MindError."""
    try:
        import xllamacpp.xllamacpp as library

        found = ctypes.CDLL(library.__file__).ggml_quantize_chunk
    except (ImportError, OSError, AttributeError, TypeError) as why:
        raise MindError(f"this xllamacpp does not offer its quantiser ({why}): use --type q8_0 or f16") from None
    found.restype = ctypes.c_size_t
    found.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 3, ctypes.c_void_p]
    return found


def quantise_tensor(values: np.ndarray, kind: Type) -> np.ndarray:
    """`values` float32 (..., n) as the bytes of `kind`, uint8 (..., bytes a row); n a multiple of the block."""
    block, size = gguf.GGML_QUANT_SIZES[kind]
    values = np.ascontiguousarray(values, np.float32)
    rows, width = values.size // values.shape[-1], values.shape[-1]
    if width % block:
        raise ValueError(f"rows of {width} do not fit blocks of {block}")
    out = np.empty((*values.shape[:-1], width // block * size), np.uint8)
    written = kernel()(int(kind), values.ctypes.data, out.ctypes.data, 0, rows, width, None)
    if written != out.nbytes:
        raise MindError(f"the quantiser wrote {written} bytes where {out.nbytes} were due: use --type q8_0")
    return out


def more_bits(layer: int, layers: int) -> bool:
    """Whether llama.cpp spends more on this layer: the first and the last eighth, and every third between."""
    return layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2


def choose(name: str, shape: tuple[int, ...], kind: str, layers: int, tied: bool, layer_of: int) -> Type | None:
    """The type of tensor `name` in the mixture `kind`; None: it stays as it is. `shape` is numpy's: rows last.

    `layer_of` is the tensor's place among those of its sort (attention values of a hybrid model are fewer than layers).
    """
    if len(shape) < 2 or not name.endswith("weight") or any(part in name for part in KEPT):
        return None
    want = KINDS[kind][0]
    if name == "output.weight" or (tied and name == "token_embd.weight"):
        want = Type.Q6_K if shape[-1] % gguf.GGML_QUANT_SIZES[want][0] == 0 else Type.Q8_0
    elif name.endswith("attn_v.weight"):
        if kind in ("q4_k_m", "q5_k_m") and more_bits(layer_of, layers):
            want = Type.Q6_K
        elif (kind == "q4_k_s" and layer_of < 4) or (kind == "q3_k_m" and layer_of < 2):
            want = Type.Q5_K
        elif kind == "q3_k_m":
            want = Type.Q4_K
    elif name.endswith("ffn_down.weight"):
        if kind in ("q4_k_m", "q5_k_m") and more_bits(layer_of, layers):
            want = Type.Q6_K
        elif (kind == "q4_k_s" and layer_of < layers // 8) or (kind == "q3_k_m" and layer_of < layers // 16):
            want = Type.Q5_K
        elif kind == "q3_k_m":
            want = Type.Q4_K
    elif name.endswith("attn_output.weight") and kind == "q3_k_m":
        want = Type.Q4_K
    elif name.endswith("attn_qkv.weight"):
        want = {"q3_k_m": Type.Q4_K, "q4_k_m": Type.Q5_K, "q5_k_m": Type.Q6_K}.get(kind, want)
    if shape[-1] % gguf.GGML_QUANT_SIZES[want][0]:
        want = NARROW.get(want, want)
    return want if shape[-1] % gguf.GGML_QUANT_SIZES[want][0] == 0 else Type.F16


def mixture(reader: gguf.GGUFReader, kind: str) -> dict[str, Type | None]:
    """The type of every tensor of a file in the mixture `kind`."""
    names = [tensor.name for tensor in reader.tensors]
    sorts: dict[str, list[int]] = {}
    for name in names:
        if match := re.fullmatch(r"blk\.(\d+)\.(.*)", name):
            sorts.setdefault(match[2], []).append(int(match[1]))
    chosen: dict[str, Type | None] = {}
    for tensor in reader.tensors:
        match = re.fullmatch(r"blk\.(\d+)\.(.*)", tensor.name)
        among = sorted(sorts[match[2]]) if match else [0]
        place = among.index(int(match[1])) if match else 0
        chosen[tensor.name] = choose(tensor.name, _sizes(tensor), kind, len(among), "output.weight" not in names, place)
    return chosen


def quantise(source: Path, goal: Path, kind: str, tell: Callable[[int, int], None] = lambda done, of: None) -> Path:
    """Write `source` (F32, F16 or BF16) to `goal` in the mixture `kind` of KINDS. Raises MindError, OSError."""
    reader = gguf.GGUFReader(source)
    if any(".ffn_gate_exps" in tensor.name for tensor in reader.tensors):
        raise MindError(f"{source.name} is a mixture of experts: only --type f32, f16, bf16 and q8_0 are offered")
    chosen = mixture(reader, kind)
    part = goal.with_name(goal.name + ".part")
    writer = gguf.GGUFWriter(part, str(reader.fields["general.architecture"].contents()))
    try:
        _copy_settings(reader, writer)
        writer.add_file_type(KINDS[kind][1])
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        for tensor in reader.tensors:
            _announce(writer, tensor, chosen[tensor.name])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for done, tensor in enumerate(reader.tensors, 1):
            writer.write_tensor_data(_as_type(tensor, chosen[tensor.name]))
            tell(done, len(reader.tensors))
        writer.close()
        part.replace(goal)
    finally:
        part.unlink(missing_ok=True)
    return goal


def _copy_settings(reader: gguf.GGUFReader, writer: gguf.GGUFWriter) -> None:
    """Every field of the source but those that say what is written anew."""
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in ANEW:
            continue
        sort = field.types[0]
        sub = field.types[-1] if sort == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), sort, sub)


def _sizes(tensor: gguf.ReaderTensor) -> tuple[int, ...]:
    """The shape as numpy has it, rows last."""
    return tuple(int(size) for size in reversed(tensor.shape))


def _announce(writer: gguf.GGUFWriter, tensor: gguf.ReaderTensor, want: Type | None) -> None:
    """Name, shape and size of a tensor that will be written as `want`; None: as it is."""
    sizes, number = _sizes(tensor), want or tensor.tensor_type
    block, size = gguf.GGML_QUANT_SIZES[number]
    total = int(np.prod(sizes)) // block * size
    plain = {Type.F32: np.float32, Type.F16: np.float16}.get(number)
    if plain is not None:
        writer.add_tensor_info(tensor.name, sizes, np.dtype(plain), total)
    else:  # numpy has no such numbers: the bytes of its rows
        rows = (*sizes[:-1], sizes[-1] // block * size)
        writer.add_tensor_info(tensor.name, rows, np.dtype(np.uint8), total, raw_dtype=number)


def _as_type(tensor: gguf.ReaderTensor, want: Type | None) -> np.ndarray:
    """The numbers of a tensor as `want`; None: as they are."""
    if want is None:
        return np.asarray(tensor.data)
    values = dequantize(tensor.data, tensor.tensor_type).reshape(_sizes(tensor))
    return values.astype(np.float16) if want == Type.F16 else quantise_tensor(values, want)
