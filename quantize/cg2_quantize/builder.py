"""A graph in the making: named nodes, streamed initializers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from cg2_quantize.external import ExternalWriter

OPSET = 20
MICROSOFT = "com.microsoft"
IR_VERSION = 10
"""The newest that every supported ONNX Runtime reads."""


class GraphBuilder:
    """Collects nodes and initializers; a value has the name of the node that makes it."""

    def __init__(self, weights: ExternalWriter) -> None:
        self._weights = weights
        self._nodes: list[NodeProto] = []
        self._initializers: list[TensorProto] = []
        self._quantized: dict[str, tuple[str, str, str]] = {}

    def constant(self, name: str, values: npt.NDArray[np.generic]) -> str:
        """Adds an initializer, written out now, and returns its name."""
        self._initializers.append(self._weights.add(name, values))
        return name

    def node(
        self,
        op: str,
        path: str,
        inputs: Sequence[str],
        *,
        domain: str = "",
        outputs: Sequence[str] = (),
        **attributes: Any,
    ) -> str:
        """Adds a node called `path`/`op` and returns its first output.

        Args:
            op: operator type.
            path: where it stands, such as "/model/layers.0/attn".
            inputs: names of values; "" leaves an optional one out.
            domain: "" or `MICROSOFT`.
            outputs: names of the outputs; by default one, called as the node with "/output".
            attributes: of the operator.
        """
        name = f"{path}/{op}"
        outputs = list(outputs) or [f"{name}/output"]
        self._nodes.append(
            helper.make_node(op, list(inputs), outputs, name=name, domain=domain, **attributes)
        )
        return outputs[0]

    def quantized(self, value: str) -> tuple[str, str, str]:
        """An activation as (uint8 values, scale, zero point); one node however many products share it."""
        if value not in self._quantized:
            path = value.removesuffix("/output")
            values, scale, zero_point = (
                f"{path}/quantized/{part}" for part in ("values", "scale", "zero_point")
            )
            outputs = (values, scale, zero_point)
            self.node("DynamicQuantizeLinear", f"{path}/quantized", [value], outputs=outputs)
            self._quantized[value] = outputs
        return self._quantized[value]

    def model(self, inputs: Sequence[ValueInfoProto], outputs: Sequence[ValueInfoProto]) -> ModelProto:
        """The finished model."""
        graph = helper.make_graph(self._nodes, "codegen2", list(inputs), list(outputs), self._initializers)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="cg2-quantize"
        )
