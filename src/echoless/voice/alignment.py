"""Piper models that tell how long each phoneme lasts: the duration predictor's result as a second output.

Every Piper voice computes these durations (VITS, Kim, Kong and Son, ICML 2021: `w_ceil`), few export them. Adding
an output needs only its name; protobuf merges a message that is appended to another, so the model's own bytes stay
as they are and no ONNX package is needed.
"""

from __future__ import annotations

from collections.abc import Iterator

_GRAPH, _NODE, _OUTPUT = 7, 1, 12  # ModelProto.graph, GraphProto.node, GraphProto.output
_NODE_OUTPUT, _OP_TYPE, _VALUE_NAME = 2, 4, 1


class NotOnnx(ValueError):
    """The bytes are no protobuf message."""


def with_durations(model: bytes) -> bytes | None:
    """The model with its durations as an added output; None where it has them already or where they are not plain.

    Raises NotOnnx.
    """
    ceilings, outputs = _read(model)
    if len(ceilings) != 1 or ceilings[0] in outputs:
        return None
    value = _field(_VALUE_NAME, ceilings[0])
    return model + _field(_GRAPH, _field(_OUTPUT, value))


def _read(model: bytes) -> tuple[list[bytes], list[bytes]]:
    """Outputs of the nodes that round up, and outputs of the graph."""
    ceilings: list[bytes] = []
    outputs: list[bytes] = []
    for graph in _fields(memoryview(model), _GRAPH):
        for node in _fields(graph, _NODE):
            if [bytes(kind) for kind in _fields(node, _OP_TYPE)] == [b"Ceil"]:
                ceilings += [bytes(name) for name in _fields(node, _NODE_OUTPUT)]
        for value in _fields(graph, _OUTPUT):
            outputs += [bytes(name) for name in _fields(value, _VALUE_NAME)]
    return ceilings, outputs


def _fields(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """Contents of every length-delimited field of this number."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 2:
            size, at = _varint(message, at)
            if at + size > len(message):
                raise NotOnnx("a field runs past the end")
            if key >> 3 == wanted:
                yield message[at : at + size]
            at += size
        elif kind == 0:
            _, at = _varint(message, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise NotOnnx(f"a field of kind {kind}")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        if at + place >= len(message):
            raise NotOnnx("it ends within a number")
        byte = message[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise NotOnnx("a number is too long")


def _field(number: int, content: bytes) -> bytes:
    return _number(number << 3 | 2) + _number(len(content)) + content


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
