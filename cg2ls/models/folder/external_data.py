"""Find and read the tensors of a graph, without the onnx package; most of them are in another file.

ONNX Runtime opens every `external_data` location of a model file. A folder of unknown origin must not make it read
another file, or memory: the runtime's own location `*/_ORT_MEM_ADDR_/*` has a bare address as its offset. So the
locations are checked before the runtime opens the file.

The file is a protocol buffer (https://protobuf.dev/programming-guides/encoding/) with the field numbers of
onnx.proto. Only the fields that lead to a tensor are followed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

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


DTYPES: dict[int, type[np.generic]] = {1: np.float32, 2: np.uint8, 3: np.int8}
"""Element types by their number in onnx.proto, those of quantized matrices only."""


@dataclass(frozen=True)
class GraphTensor:
    """An initializer of a graph.

    Attributes:
        location: name of the file with the values; "" where the graph itself has them.
        offset: first byte in the file.
        dims: shape.
        data_type: number of the element type in onnx.proto.
        inside: the values, where the graph itself has them.
    """

    location: str
    offset: int
    dims: tuple[int, ...]
    data_type: int
    inside: bytes = b""

    def read(self, folder: Path) -> NDArray[Any]:
        """Read the values from a verified folder; see `cg2ls.models.folder.verify`.

        Raises:
            MalformedGraphError: the element type is not in `DTYPES`, or the file is too short.
        """
        if self.data_type not in DTYPES or min((*self.dims, self.offset)) < 0:
            raise MalformedGraphError(f"a tensor of type {self.data_type} and shape {list(self.dims)}")
        dtype = np.dtype(DTYPES[self.data_type])
        size = prod(self.dims) * dtype.itemsize
        data = self._read_file(folder / self.location, size) if self.location else self.inside
        if len(data) != size:
            raise MalformedGraphError(f"a tensor of {len(data)} bytes in place of {size}")
        return np.frombuffer(data, dtype).reshape(self.dims)

    def _read_file(self, path: Path, size: int) -> bytes:
        with path.open("rb") as file:
            file.seek(self.offset)
            return file.read(
                min(size, path.stat().st_size)
            )  # a damaged shape takes no more memory than the file


def find_tensors(model: bytes) -> dict[str, GraphTensor]:
    """Return the graph's initializers by name.

    Raises:
        MalformedGraphError: the bytes are not a protocol buffer, or an offset is not a number.
    """
    data = memoryview(model)
    tensors: dict[str, GraphTensor] = {}
    for graph in _inner(data, 0, len(data), 7):
        for start, end in _inner(data, *graph, 5):
            name, dims, data_type, inside = b"", [], 0, b""
            entries: dict[bytes, bytes] = {}
            for field, value, span in _fields(data, start, end):
                if field == 1:
                    dims += [value] if span is None else _packed_numbers(data, *span)
                elif field == 2:
                    data_type = value
                elif field == 8 and span is not None:
                    name = bytes(data[slice(*span)])
                elif field == 9 and span is not None:
                    inside = bytes(data[slice(*span)])
                elif field == 13 and span is not None:
                    key, text = _entry(data, *span)
                    entries[key] = text
            tensors[name.decode("utf-8", errors="backslashreplace")] = GraphTensor(
                entries.get(b"location", b"").decode("utf-8", errors="backslashreplace"),
                _number(entries.get(b"offset", b"0")),
                tuple(dims),
                data_type,
                inside,
            )
    return tensors


def _number(text: bytes) -> int:
    if not text.isdigit():
        raise MalformedGraphError("an offset that is not a number")
    return int(text)


def _packed_numbers(data: memoryview, position: int, end: int) -> list[int]:
    numbers = []
    while position < end:
        value, position = _varint(data, position, end)
        numbers.append(value)
    return numbers


def _inner(data: memoryview, start: int, end: int, number: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of each inner message with this field number."""
    for field, low, high in _byte_fields(data, start, end):
        if field == number:
            yield low, high


def _entry(data: memoryview, start: int, end: int) -> tuple[bytes, bytes]:
    found = {1: b"", 2: b""}
    for field, low, high in _byte_fields(data, start, end):
        if field in found:
            found[field] = bytes(data[low:high])
    return found[1], found[2]


def _byte_fields(data: memoryview, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and end of each length-delimited field of the message in data[start:end]."""
    for field, _, span in _fields(data, start, end):
        if span is not None:
            yield field, *span


def _fields(data: memoryview, start: int, end: int) -> Iterator[tuple[int, int, tuple[int, int] | None]]:
    """Yield each field of the message in data[start:end]: its number, and its value or its start and end."""
    position = start
    while position < end:
        tag, position = _varint(data, position, end)
        wire_type = tag & 7
        if wire_type == VARINT:
            value, position = _varint(data, position, end)
            yield tag >> 3, value, None
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
            yield tag >> 3, 0, (position, position + size)
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
