"""PyTorch's .bin weights, mapped by torch's weights-only loader, which executes nothing from the file."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2_quantize.errors import QuantizeError
from cg2_quantize.planning.machine import inspect_machine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cg2_quantize.formats.rounding import Float32

WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "params", "weights")
"""Keys under which training scripts save the weights along with other data."""

SAFETENSORS_NAMES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "int8": "I8",
    "uint8": "U8",
    "int16": "I16",
    "int32": "I32",
    "int64": "I64",
    "bool": "BOOL",
}
"""The safetensors format's names of torch's types."""

FLOAT_TYPES = ("F64", "F32", "F16", "BF16")

LEGACY_FACTOR = 1.2
"""Memory needed by a file that cannot be mapped, over its size."""


@dataclass(frozen=True)
class TorchTensor:
    """One tensor of an open .bin file (`StoredTensor`)."""

    tensor: Any

    @property
    def dtype(self) -> str:
        """The safetensors format's name of the element type; torch's own, or the kind of tensor, where it has none."""
        if self.tensor.is_meta:
            return "meta (without values)"
        own = str(self.tensor.dtype).removeprefix("torch.")
        if str(self.tensor.layout) != "torch.strided":
            return f"{str(self.tensor.layout).removeprefix('torch.')} {own}"
        return SAFETENSORS_NAMES.get(own, own)

    @property
    def shape(self) -> tuple[int, ...]:
        """Dimensions of the tensor."""
        return tuple(self.tensor.shape)

    @property
    def is_float(self) -> bool:
        """Whether the values are plain floats."""
        return self.dtype in FLOAT_TYPES

    def read(self) -> Float32:
        """Return the values as a new float32 array."""
        import torch

        values = self.tensor.detach().to(torch.float32, copy=True).contiguous().numpy()
        return np.asarray(values, np.float32)


def read_pickled(paths: tuple[Path, ...]) -> Iterator[tuple[str, TorchTensor]]:
    """Map .bin files and yield their tensors by name; values are read on demand.

    Raises:
        QuantizeError: torch is missing, or a file is damaged, holds more than tensors, or holds none.
    """
    try:
        import torch
    except ModuleNotFoundError:
        raise QuantizeError(
            f"{paths[0]} is a .bin file, which torch reads; pip install torch, or save the weights as safetensors."
        ) from None
    for path in paths:
        is_zip = _is_zip(path)
        try:
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
        except Exception as error:  # it raises pickle's, zipfile's and its own classes
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise QuantizeError(f"{path} cannot be read as weights alone ({reason}).") from None
        for name, value in _find_tensors(path, loaded, torch.Tensor).items():
            yield name, TorchTensor(value)


def _is_zip(path: Path) -> bool:
    """Return whether a file has PyTorch's form since 1.6, which can be mapped.

    Raises:
        QuantizeError: it is cut short, no file of PyTorch's, or an old one that is too large to be read whole.
    """
    if zipfile.is_zipfile(path):
        return True
    with path.open("rb") as file:
        head = file.read(4)
    if head.startswith(b"PK"):
        raise QuantizeError(f"{path} is cut short: download it again.")
    if not head.startswith(b"\x80"):
        raise QuantizeError(f"{path} is not a file that PyTorch wrote: download it again.")
    need, free = int(LEGACY_FACTOR * path.stat().st_size), inspect_machine().memory
    if 0 < free < need:
        raise QuantizeError(
            f"{path} was written in PyTorch's form before 1.6, which cannot be mapped; reading it whole needs"
            f" {need / 1e9:.1f} GB of memory, but {free / 1e9:.1f} GB are free: save it as safetensors elsewhere."
        )
    return False


def _find_tensors(path: Path, loaded: object, tensor: type) -> dict[str, Any]:
    """Return the tensors of a state dict, which may be nested in another dictionary.

    Raises:
        QuantizeError: there are none.
    """
    if not isinstance(loaded, Mapping):
        raise QuantizeError(f"{path} holds a {type(loaded).__name__}, not a dictionary of tensors.")
    for key in WRAPPERS:
        inner = loaded.get(key)
        if isinstance(inner, Mapping) and inner:
            return _find_tensors(path, inner, tensor)
    found = {str(name): value for name, value in loaded.items() if isinstance(value, tensor)}
    if not found:
        keys = ", ".join(repr(key) for key in list(loaded)[:5])
        raise QuantizeError(
            f"{path} holds no weights: its keys are {keys or 'none'}; save the model's state_dict() in it."
        )
    return found
