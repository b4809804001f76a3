"""nf4 (Dettmers et al. 2023, arXiv 2305.14314), rounded by bitsandbytes and stored in its byte layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cg2_quantize.formats.blocks import add_block_embedding, add_block_linear
from cg2_quantize.formats.int8 import Int8
from cg2_quantize.formats.matrix_writer import FormatError, tensor_name
from cg2_quantize.formats.rounding import round_blocks
from cg2_quantize.graph.builder import MICROSOFT
from cg2ls.models.int4 import BLOCK_SIZE as INT8_BLOCK_SIZE
from cg2ls.privacy import hub_kernels_refused

if TYPE_CHECKING:
    import numpy.typing as npt

    from cg2_quantize.formats.rounding import Float32
    from cg2_quantize.graph.builder import GraphBuilder

BLOCK_SIZE = 64
"""Consecutive weights of one output that share a largest value; bitsandbytes' default."""

NF4 = 1
"""MatMulBnb4's quant_type."""


class Nf4:
    """Matrices in MatMulBnb4, the head and the embedding in eight bits as in int4."""

    moves_norms = False

    def __init__(self, *, rounds_activations: bool) -> None:
        self._accuracy = 4 if rounds_activations else 0

    def linear(self, graph: GraphBuilder, path: str, x: str, weight: Float32) -> str:
        """See `MatrixWriter`."""
        packed, largest = round_nf4(weight.T)
        inputs = [
            x,
            graph.constant(tensor_name(path, "weight_nf4"), packed),
            graph.constant(tensor_name(path, "weight_largest"), largest),
        ]
        return graph.node(
            "MatMulBnb4",
            path,
            inputs,
            domain=MICROSOFT,
            K=weight.shape[0],
            N=weight.shape[1],
            block_size=BLOCK_SIZE,
            quant_type=NF4,
        )

    def head(self, graph: GraphBuilder, path: str, x: str, weight: Float32, bias: Float32 | None) -> str:
        """See `MatrixWriter`."""
        if self._accuracy:
            return Int8().head(graph, path, x, weight, bias)
        blocks = round_blocks(weight, bits=8, block_size=INT8_BLOCK_SIZE)
        return add_block_linear(graph, path, x, blocks, bias, accuracy=self._accuracy)

    def embedding(self, graph: GraphBuilder, path: str, ids: str, table: Float32) -> str:
        """See `MatrixWriter`."""
        return add_block_embedding(graph, path, ids, table)


def round_nf4(rows: Float32) -> tuple[npt.NDArray[np.uint8], Float32]:
    """Pack a matrix [outputs, inputs] as bitsandbytes does: uint8 [values / 2], float32 [values / 64].

    Raises:
        FormatError: bitsandbytes is not installed.
    """
    with hub_kernels_refused():
        try:
            import torch
            from bitsandbytes.functional import quantize_4bit
        except ImportError as missing:
            raise FormatError(f"nf4 needs bitsandbytes ({missing}); pip install bitsandbytes.") from None
        values = torch.from_numpy(np.ascontiguousarray(rows))
        packed, state = quantize_4bit(
            values, blocksize=BLOCK_SIZE, quant_type="nf4", compress_statistics=False
        )
    return packed.reshape(-1).numpy(), state.absmax.numpy()


def restore_nf4(packed: npt.NDArray[np.uint8], largest: Float32, inputs: int) -> Float32:
    """Restore the values [inputs, outputs] that MatMulBnb4 multiplies with; a byte's high half comes first."""
    levels = np.stack((packed >> np.uint8(4), packed & np.uint8(15)), axis=-1).reshape(-1)
    values = LEVELS[levels].reshape(len(largest), -1) * np.asarray(largest, np.float32)[:, None]
    return np.ascontiguousarray(values.reshape(-1, inputs).T)


LEVELS = np.array(
    [
        *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453),
        *(-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0),
        *(0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
        *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
    ],
    np.float32,
)
"""Quantiles of the normal distribution, zero included: the 16 values of nf4 as its authors published them."""
