"""Matrices in llama.cpp's formats: Q8_0, or the mix of formats that it calls Q4_K_M."""

from __future__ import annotations

import ctypes
import importlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import gguf
import numpy as np

from cg2_quantize.errors import QuantizeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cg2_quantize.formats.rounding import Float32

Kind = gguf.GGMLQuantizationType

BLOCK = 256
"""Columns of a matrix in a k-quant come in multiples of this."""

NARROW = {Kind.Q4_K: Kind.Q5_0, Kind.Q5_K: Kind.Q5_1, Kind.Q6_K: Kind.Q8_0}
"""What llama.cpp takes instead for a matrix with another number of columns."""

BETTER_IN_SOME_LAYERS = ("attn_v.weight", "ffn_down.weight")


class Rounding(Protocol):
    """Rounds the matrices of one file."""

    def round(self, name: str, matrix: Float32) -> tuple[NDArray[np.uint8], gguf.GGMLQuantizationType]:
        """Return the packed rows of a matrix [outputs, inputs], and their format."""
        ...


class EightBits:
    """Q8_0: eight bits in blocks of 32 with a float16 scale, llama.cpp's format nearest to int8."""

    def round(self, name: str, matrix: Float32) -> tuple[NDArray[np.uint8], gguf.GGMLQuantizationType]:  # noqa: ARG002
        """Return the packed rows of a matrix [outputs, inputs], and their format."""
        packed: NDArray[np.uint8] = gguf.quants.quantize(np.ascontiguousarray(matrix), Kind.Q8_0)
        return packed, Kind.Q8_0


@dataclass
class FourBits:
    """Q4_K_M, llama.cpp's usual mix of four to six bits, rounded by its own code.

    Attributes:
        n_layer: number of layers.

    Raises:
        QuantizeError: no package has llama.cpp's code.
    """

    n_layer: int

    def __post_init__(self) -> None:
        self._quantize = ctypes.CDLL(str(find_library())).ggml_quantize_chunk
        self._quantize.restype = ctypes.c_size_t
        pointer, count = ctypes.c_void_p, ctypes.c_int64
        self._quantize.argtypes = [ctypes.c_int, pointer, pointer, count, count, count, pointer]

    def round(self, name: str, matrix: Float32) -> tuple[NDArray[np.uint8], gguf.GGMLQuantizationType]:
        """Return the packed rows of a matrix [outputs, inputs], and their format."""
        source = np.ascontiguousarray(matrix, np.float32)
        kind = choose_kind(name, self.n_layer, source.shape[1])
        values, size = gguf.GGML_QUANT_SIZES[kind]
        packed = np.zeros((len(source), source.shape[1] // values * size), np.uint8)
        self._quantize(int(kind), source.ctypes.data, packed.ctypes.data, 0, *source.shape, None)
        return packed, kind


def choose_kind(name: str, n_layer: int, columns: int) -> gguf.GGMLQuantizationType:
    """Return the format that llama.cpp chooses for a matrix in Q4_K_M.

    Args:
        name: the matrix's name in the file, such as "blk.3.ffn_down.weight".
        n_layer: number of layers.
        columns: inputs of the matrix.
    """
    kind = Kind.Q4_K
    if name == "output.weight":
        kind = Kind.Q6_K
    elif name.endswith("attn_qkv.weight"):
        kind = Kind.Q5_K
    elif name.endswith(BETTER_IN_SOME_LAYERS) and _gets_more_bits(int(name.split(".")[1]), n_layer):
        kind = Kind.Q6_K
    return NARROW[kind] if columns % BLOCK else kind


def _gets_more_bits(layer: int, n_layer: int) -> bool:
    eighth = n_layer // 8
    return layer < eighth or layer >= 7 * n_layer // 8 or (layer - eighth) % 3 == 2


def find_library() -> Path:
    """Return the file of an installed package that has llama.cpp's rounding: of xllamacpp or of llama-cpp-python.

    Raises:
        QuantizeError: neither package is installed.
    """
    if find_spec("xllamacpp"):
        return Path(str(importlib.import_module("xllamacpp.xllamacpp").__file__))
    found = find_spec("llama_cpp")
    for folder in (found.submodule_search_locations if found else None) or ():
        for library in (Path(folder) / "lib").glob("libggml-base.*"):
            return library
    raise QuantizeError("Rounding to Q4_K_M needs llama.cpp's code; install it with: pip install xllamacpp")
