"""Operators of a graph that another provider of ONNX Runtime runs, according to its makers.

A provider that lacks an operator inside the blocks would hand values back to the processor in every layer, which is
slower than the processor alone. Such a target is refused. An operator outside the blocks runs once per call.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, helper

from cg2_quantize.errors import QuantizeError
from cg2_quantize.graph.builder import GraphBuilder
from cg2_quantize.graph.graph_weights import GraphWeights
from cg2_quantize.graph.network import build_graph
from cg2ls.models.codegen2 import Checkpoint
from cg2ls.models.codegen2.tensor_layout import tensor_shapes
from cg2ls.models.graph_io import PRESENT

if TYPE_CHECKING:
    import numpy.typing as npt

    from cg2_quantize.formats import Format
    from cg2_quantize.formats.rounding import Float32
    from cg2ls.models.codegen2 import CodeGenConfig


@dataclass(frozen=True)
class ProviderSupport:
    """Published support of one provider.

    Attributes:
        name: the provider's name for users.
        source: page that lists its operators.
        operators: those of the operators written here that it lists; com.microsoft's by their plain names too.
    """

    name: str
    source: str
    operators: frozenset[str]


STANDARD = (
    *(
        "Abs",
        "Add",
        "Cast",
        "Concat",
        "DequantizeLinear",
        "Div",
        "Expand",
        "Gather",
        "Identity",
        "LessOrEqual",
    ),
    *(
        "MatMul",
        "MatMulInteger",
        "Max",
        "Mul",
        "QuantizeLinear",
        "Range",
        "ReduceMax",
        "ReduceMean",
        "Reshape",
    ),
    *(
        "ScatterElements",
        "Shape",
        "Sigmoid",
        "Slice",
        "Softmax",
        "Split",
        "Sqrt",
        "Sub",
        "Transpose",
        "Unsqueeze",
    ),
    "Where",
)

SUPPORT = {
    "directml": ProviderSupport(
        "DirectML",
        "https://github.com/microsoft/onnxruntime/blob/main/docs/OperatorKernels.md#dmlexecutionprovider",
        frozenset(
            {
                *STANDARD,
                *("FastGelu", "Gelu", "GroupQueryAttention", "LayerNormalization", "MatMulIntegerToFloat"),
                *("MatMulNBits", "SimplifiedLayerNormalization", "SkipLayerNormalization"),
                "SkipSimplifiedLayerNormalization",
            }
        ),
    ),
    "coreml": ProviderSupport(
        "CoreML",
        "https://onnxruntime.ai/docs/execution-providers/CoreML-ExecutionProvider.html#supported-operators",
        frozenset(
            {
                *(
                    "Add",
                    "Cast",
                    "Concat",
                    "Div",
                    "Gelu",
                    "Identity",
                    "LayerNormalization",
                    "MatMul",
                    "Max",
                    "Mul",
                ),
                *(
                    "Range",
                    "ReduceMax",
                    "ReduceMean",
                    "Reshape",
                    "Shape",
                    "Sigmoid",
                    "Slice",
                    "Softmax",
                    "Split",
                ),
                *("Sqrt", "Sub", "Transpose", "Unsqueeze"),
            }
        ),
    ),
    "openvino": ProviderSupport(
        "OpenVINO",
        "https://onnxruntime.ai/docs/execution-providers/OpenVINO-ExecutionProvider.html#support-coverage",
        frozenset(STANDARD),
    ),
}
"""Providers by the name of `--for`. OpenVINO's table is that of its processors; CoreML's that of ML programs."""


def check_provider(config: CodeGenConfig, chosen: Format, target: str) -> str:
    """Refuse a provider that cannot run a format's blocks; return a sentence on what else it cannot run, or "".

    Args:
        config: the model's shape; its family decides.
        chosen: the format.
        target: a key of `SUPPORT`.

    Raises:
        QuantizeError: see above.
    """
    support = SUPPORT[target]
    inside, outside = list_operators(config, chosen)
    if lacking := sorted(inside - support.operators):
        raise QuantizeError(
            f"{support.name} does not list {', '.join(lacking)}, which every block of {chosen.name} needs"
            f" ({support.source}); convert for the processor, without --for."
        )
    if lacking := sorted(outside - support.operators):
        return f"{support.name} does not list {', '.join(lacking)}: they run on the processor, once per call."
    return ""


IN_BLOCKS = ("/model/layers.", f"{PRESENT}.")
"""Starts of the names of a block's nodes, those of its cache included."""


def list_operators(config: CodeGenConfig, chosen: Format) -> tuple[set[str], set[str]]:
    """Return the operators inside the blocks of a format's graph, and those outside of them.

    Args:
        config: any shape; a small one of the same family is built.
        chosen: the format.
    """
    heads = 2 if config.kv_heads == config.n_head else 4
    small = replace(
        config,
        n_layer=2,
        n_embd=64 * heads,
        n_head=heads,
        n_kv_head=None if heads == 2 else 2,
        rotary_dim=16 if config.rotary_dim < config.head_dim else 64,
        n_inner=64,
        vocab_size=64,
        n_positions=64,
        qkv_groups=1,
    )
    weights = GraphWeights(_Zeros(Path(), small, {}), moves_norms=chosen.matrix_writer.moves_norms)
    plain = replace(chosen, kv=chosen.floats.name)
    graph = build_graph(small, weights, plain, GraphBuilder(_ShapeWriter(), chosen.floats)).graph
    found: tuple[set[str], set[str]] = set(), set()
    for node in graph.node:
        found[not node.name.startswith(IN_BLOCKS)].add(node.op_type)
    return found


class _Zeros(Checkpoint):
    """A checkpoint whose tensors are zeros."""

    def tensor(self, name: str) -> Float32:
        return np.zeros(tensor_shapes(self.config)[name], np.float32)


class _ShapeWriter:
    """Writer that keeps no values."""

    def add(self, name: str, values: npt.NDArray[np.generic]) -> TensorProto:
        return TensorProto(
            name=name, data_type=helper.np_dtype_to_tensor_dtype(values.dtype), dims=values.shape
        )
