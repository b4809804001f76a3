"""Memory-mapped safetensors files, bfloat16 included (the library's numpy reader has no bfloat16)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cg2ls.errors import Cg2Error

DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "U8": "|u1",
    "BOOL": "|u1",
    "I8": "|i1",
    "I64": "<i8",
}
HEADER_LIMIT = 100_000_000
"""Bytes; the limit of the format itself."""


class SafetensorsError(Cg2Error):
    """A file that is not safetensors, or was cut short."""


@dataclass(frozen=True)
class MappedTensor:
    """One tensor of a mapped file.

    Attributes:
        dtype: the format's name of the element type ("F32", "BF16", ...).
        shape: its dimensions.
    """

    dtype: str
    shape: tuple[int, ...]
    _raw: npt.NDArray[np.generic]

    def read(self) -> npt.NDArray[np.float32]:
        """The values as a new float32 array."""
        if self.dtype == "BF16":
            widened = self._raw.astype(np.uint32)
            widened <<= np.uint32(16)  # in place: a large tensor must not be in memory twice
            return widened.view(np.float32).reshape(self.shape)
        return self._raw.astype(np.float32).reshape(self.shape)


def map_safetensors(path: Path) -> Iterator[tuple[str, MappedTensor]]:
    """Maps a file and yields its tensors by name; no tensor data is read.

    Raises:
        SafetensorsError: the file is missing, truncated, or of another format.
    """
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if not 2 <= size <= HEADER_LIMIT:
                raise ValueError("no header")
            header = json.loads(file.read(size))
            if not isinstance(header, dict):
                raise ValueError("its header is no object")
        data = (
            np.memmap(path, dtype=np.uint8, mode="r", offset=8 + size)
            if path.stat().st_size > 8 + size
            else None
        )
    except FileNotFoundError:
        raise SafetensorsError(
            f"{path} is missing; the checkpoint is incomplete, download it again."
        ) from None
    except (OSError, ValueError, RecursionError) as wrong:
        raise SafetensorsError(f"{path} is not a safetensors file ({wrong}).") from None
    available = 0 if data is None else data.size
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        try:
            dtype, shape = entry["dtype"], tuple(int(n) for n in entry["shape"])
            start, end = (int(n) for n in entry["data_offsets"])
            expected = int(np.prod(shape, dtype=np.int64)) * np.dtype(DTYPES[dtype]).itemsize
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
        yield name, MappedTensor(dtype, shape, data[start:end].view(DTYPES[dtype]))
