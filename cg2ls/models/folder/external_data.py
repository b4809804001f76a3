"""Find the files that a graph's tensors are read from, without the onnx package.

ONNX Runtime opens every `external_data` location of a model file. A folder of unknown origin must not make it read
another file, or memory: the runtime's own location `*/_ORT_MEM_ADDR_/*` has a bare address as its offset. So the
locations are checked before the runtime opens the file.

The file is a protocol buffer (https://protobuf.dev/programming-guides/encoding/) with the field numbers of
onnx.proto. Only the fields that lead to a tensor are followed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LEADS_TO: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Training": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
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
    "Tensor": {13: "Entry"},
}
"""Message type -> field number -> type of the inner message. `Entry` is StringStringEntryProto."""

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
FIXED_WIDTH = {FIXED64: 8, FIXED32: 4}
MAX_VARINT_BYTES = 10


class MalformedGraphError(ValueError):
    """The bytes are not an ONNX model."""


def find_external_locations(model: bytes) -> set[str]:
    """Return every `location` from which a tensor of this serialized ModelProto would be read.

    The time is linear in the size and nothing recurses, for any bytes.

    Raises:
        MalformedGraphError: the bytes are not a protocol buffer.
    """
    locations: set[str] = set()
    data = memoryview(model)
    waiting = [("Model", 0, len(data))]
    while waiting:
        kind, start, end = waiting.pop()
        if kind == "Entry":
            key, value = _entry(data, start, end)
            if key == b"location":
                locations.add(value.decode("utf-8", errors="backslashreplace"))
            continue
        followed = LEADS_TO[kind]
        for field, low, high in _byte_fields(data, start, end):
            if field in followed:
                waiting.append((followed[field], low, high))
    return locations


def _entry(data: memoryview, start: int, end: int) -> tuple[bytes, bytes]:
    found = {1: b"", 2: b""}
    for field, low, high in _byte_fields(data, start, end):
        if field in found:
            found[field] = bytes(data[low:high])
    return found[1], found[2]


def _byte_fields(data: memoryview, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and end of each length-delimited field of the message in data[start:end]."""
    position = start
    while position < end:
        tag, position = _varint(data, position, end)
        wire_type = tag & 7
        if wire_type == VARINT:
            _, position = _varint(data, position, end)
            continue
        if wire_type == BYTES:
            size, position = _varint(data, position, end)
        elif wire_type in FIXED_WIDTH:
            size = FIXED_WIDTH[wire_type]
        else:
            raise MalformedGraphError(f"wire type {wire_type} at byte {position}")
        if size > end - position:
            raise MalformedGraphError(f"a field at byte {position} is longer than its message")
        if wire_type == BYTES:
            yield tag >> 3, position, position + size
        position += size


def _varint(data: memoryview, position: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(MAX_VARINT_BYTES):
        if position + shift >= end:
            break
        byte = data[position + shift]
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, position + shift + 1
    raise MalformedGraphError(f"an unfinished number at byte {position}")
