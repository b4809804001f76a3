"""llama.cpp's k-quants, for comparison: matrices rounded by its own code (libggml-base) and restored by gguf.

The library is a file of llama-cpp-python, ggml-python or llama.cpp itself. Nothing here writes a model.
"""

from __future__ import annotations

import ctypes
import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2_quantize.errors import QuantizeError
from cg2_quantize.graph.graph_weights import EMBEDDING, HEAD

if TYPE_CHECKING:
    from pathlib import Path

    from cg2_quantize.formats.rounding import Float32

ROW_MULTIPLE = 256
"""Inputs of a matrix come in multiples of this in k-quants."""

MIXES = {
    # the usual type, that of values and of the MLP's second matrix in some layers, that of the head
    "Q4_K_M": ("Q4_K", "Q6_K", "Q6_K"),
    "Q5_K_M": ("Q5_K", "Q6_K", "Q6_K"),
    "Q6_K": ("Q6_K", "Q6_K", "Q6_K"),
}
"""Types of llama.cpp's mixes."""


@dataclass
class KQuants:
    """Rounds a checkpoint's matrices as one of llama.cpp's mixes does.

    Attributes:
        library: path of libggml-base.
        mix: one of `MIXES`.
        n_layer: number of blocks.
        bits: bits of all matrices rounded so far.
        counted: names of matrices that `bits` counts.
    """

    library: Path
    mix: str
    n_layer: int
    bits: int = 0
    counted: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._gguf = importlib.import_module("gguf")
        try:
            self._quantize = ctypes.CDLL(str(self.library)).ggml_quantize_chunk
        except (OSError, AttributeError) as error:
            raise QuantizeError(
                f"{self.library} is not libggml-base ({error}); name the file with --ggml."
            ) from None
        self._quantize.restype = ctypes.c_size_t
        pointer, count = ctypes.c_void_p, ctypes.c_int64
        self._quantize.argtypes = [ctypes.c_int, pointer, pointer, count, count, count, pointer]

    def restore(self, name: str, values: Float32) -> Float32:
        """Return the values that a matrix has after rounding, in its layout in the float32 graph.

        Args:
            name: initializer, such as "model.layers.0.mlp.fc_in.weight".
            values: [inputs, outputs]; the embedding [vocabulary, n_embd].
        """
        usual, better, head = MIXES[self.mix]
        if name == f"{EMBEDDING}.weight":
            return self._round(name, values, usual)
        if name == f"{HEAD}.weight":
            return self._round(name, values.T, head).T
        _, _, layer, _, matrix, _ = name.split(".")
        chosen = better if self._gets_more_bits(int(layer)) else usual
        if matrix == "qkv_proj":
            query, key, value = np.split(values.T, 3)
            parts = [(query, usual), (key, usual), (value, chosen)]
            rows = [self._round(f"{name}{i}", part, kind) for i, (part, kind) in enumerate(parts)]
            return np.concatenate(rows).T
        return self._round(name, values.T, chosen if matrix == "fc_out" else usual).T

    def _gets_more_bits(self, layer: int) -> bool:
        eighth = self.n_layer // 8
        return layer < eighth or layer >= 7 * self.n_layer // 8 or (layer - eighth) % 3 == 2

    def _round(self, name: str, rows: Float32, kind: str) -> Float32:
        element = self._gguf.GGMLQuantizationType[kind]
        values, size = self._gguf.GGML_QUANT_SIZES[element]
        if rows.shape[1] % ROW_MULTIPLE:
            raise QuantizeError(
                f"k-quants need multiples of {ROW_MULTIPLE} inputs, but {name} has {rows.shape[1]}."
            )
        source = np.ascontiguousarray(rows, np.float32)
        packed: Any = np.zeros((len(source), source.shape[1] // values * size), np.uint8)
        self._quantize(int(element), source.ctypes.data, packed.ctypes.data, 0, *source.shape, None)
        if name not in self.counted:
            self.counted.add(name)
            self.bits += 8 * packed.size
        return np.asarray(self._gguf.quants.dequantize(packed, element), np.float32)
