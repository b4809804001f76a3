"""Memory-mapped safetensors files, bfloat16 included (the library's numpy reader has no bfloat16)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cg2ls.errors import Cg2Error
from cg2ls.models.codegen2.files import problem_of
from cg2ls.models.codegen2.quantized import TYPES

FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
"""Supported types, with their numpy types."""

BITS = {"C": 64, "F8_": 8, "F6_": 6, "F4": 4, "BOOL": 8}
"""Bits of other types by the beginning of their names; the remaining names end in their bits."""

MAX_HEADER_BYTES = 100_000_000
"""The limit that the format itself has."""


class SafetensorsError(Cg2Error):
    """A file that is not safetensors, or is truncated."""


@dataclass(frozen=True)
class MappedTensor:
    """One tensor of a mapped file.

    Attributes:
        dtype: element type, as the format names it ("F32", "BF16", ...).
        shape: dimensions.
    """

    dtype: str
    shape: tuple[int, ...]
    _raw: npt.NDArray[np.generic]

    @property
    def is_float(self) -> bool:
        """Whether the values are plain floats, which `read` supports."""
        return self.dtype in FLOATS

    def read(self) -> npt.NDArray[np.float32]:
        """Return the values as a new float32 array; values that are too large become infinite."""
        if self.dtype == "BF16":
            widened = self._raw.astype(np.uint32)
            widened <<= np.uint32(16)  # in place, since a large tensor must not be in memory twice
            return widened.view(np.float32).reshape(self.shape)
        with np.errstate(over="ignore"):
            return self._raw.astype(np.float32).reshape(self.shape)


def map_safetensors(path: Path) -> Iterator[tuple[str, MappedTensor]]:
    """Map a file and yield its tensors by name, without reading their data.

    Raises:
        SafetensorsError: the file is missing, truncated, or of another format.
    """
    if problem := problem_of(path):
        raise SafetensorsError(problem)
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if not 2 <= size <= MAX_HEADER_BYTES:
                raise ValueError("no header")
            header = json.loads(file.read(size))
            if not isinstance(header, dict):
                raise ValueError("its header is no object")
        data = (
            np.memmap(path, dtype=np.uint8, mode="r", offset=8 + size)
            if path.stat().st_size > 8 + size
            else None
        )
    except (OSError, ValueError, RecursionError) as error:
        raise SafetensorsError(f"{path} is not a safetensors file ({error}): download it again.") from None
    available = 0 if data is None else data.size
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        try:
            dtype, shape = entry["dtype"], tuple(int(n) for n in entry["shape"])
            start, end = (int(n) for n in entry["data_offsets"])
            expected = -(-math.prod(shape) * _bits(dtype) // 8)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise SafetensorsError(
                f"{path}: the entry for {name} is damaged; download the file again."
            ) from None
        if end - start != expected or not 0 <= start <= end:
            raise SafetensorsError(
                f"{path}: {name} does not have the size its shape implies; download the file again."
            )
        if end > available or data is None:
            raise SafetensorsError(f"{path} is cut short: {name} lies past its end; download the file again.")
        raw = data[start:end]
        yield name, MappedTensor(dtype, shape, raw.view(FLOATS[dtype]) if dtype in FLOATS else raw)


def _bits(dtype: str) -> int:
    """Return the bits of one value.

    Raises:
        ValueError: the type is unknown.
    """
    if dtype in FLOATS:
        return 8 * np.dtype(FLOATS[dtype]).itemsize
    if dtype not in TYPES:
        raise ValueError(f"the type {dtype} is unknown")
    return next((bits for start, bits in BITS.items() if dtype.startswith(start)), 0) or int(dtype[1:])
