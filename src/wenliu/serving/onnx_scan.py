"""Does an ONNX file ask for bytes outside of itself?

onnxruntime opens whatever path a tensor's ``external_data`` names: through ``..``, absolute,
through a symlink or a hard link (onnxruntime 1.31 follows them all). A bundle's model therefore
holds its weights inside, and this scan proves it before onnxruntime sees the bytes. It walks
the protobuf wire format itself, because the ``onnx`` package is not needed to serve.
"""

from __future__ import annotations

from collections.abc import Iterator

# Which fields of which message lead to a tensor (numbers from onnx.proto3, IR version 10).
_CHILDREN: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {
        5: "Tensor",
        6: "Graph",
        10: "Tensor",
        11: "Graph",
        22: "SparseTensor",
        23: "SparseTensor",
    },
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # fields of TensorProto
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_DEPTH = 100  # as protobuf itself


class MalformedModelError(ValueError):
    """The bytes are not an ONNX model."""


def external_locations(model: bytes) -> list[str]:
    """Every place outside of ``model`` that one of its tensors points at; empty is good.

    Raises:
        MalformedModelError: When the bytes do not parse as protobuf.
    """
    found: list[str] = []
    pending = [("Model", memoryview(model), 0)]
    while pending:
        kind, message, depth = pending.pop()
        if depth > _MAX_DEPTH:
            raise MalformedModelError(f"messages nested deeper than {_MAX_DEPTH}")
        children = _CHILDREN[kind]
        for field, value in _fields(message):
            if isinstance(value, memoryview):
                if field in children:
                    pending.append((children[field], value, depth + 1))
                elif kind == "Tensor" and field == _EXTERNAL_DATA:
                    found.append(_location(value))
            elif kind == "Tensor" and field == _DATA_LOCATION and value:
                found.append("(data_location: EXTERNAL)")
    return found


def _location(entry: memoryview) -> str:
    """``key=value`` of one entry of ``external_data``."""
    texts = {
        f: bytes(v).decode("utf-8", "replace") for f, v in _fields(entry) if not isinstance(v, int)
    }
    return f"{texts.get(1, '')}={texts.get(2, '')}"


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Field numbers with their values: numbers for varints, views for everything that has bytes."""
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        field, wire = tag >> 3, tag & 7
        if not 0 < field < 1 << 29:
            raise MalformedModelError(f"field number {field}")
        if wire == _VARINT:
            number, at = _varint(message, at)
            yield field, number
            continue
        if wire == _BYTES:
            size, at = _varint(message, at)
        elif wire in (_FIXED32, _FIXED64):
            size = 4 if wire == _FIXED32 else 8
        else:  # groups went out of use before ONNX existed
            raise MalformedModelError(f"wire type {wire}")
        if at + size > end:
            raise MalformedModelError("a field is longer than its message")
        if wire == _BYTES:
            yield field, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number that starts at ``at`` and the position behind it."""
    value = shift = 0
    while shift < 70:
        if at >= len(message):
            raise MalformedModelError("a number is cut off")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise MalformedModelError("a number is longer than ten bytes")
