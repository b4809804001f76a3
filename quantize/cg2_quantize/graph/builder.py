"""A graph in the making: named nodes, streamed initializers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

T = TypeVar("T")

OPSET = 21
MICROSOFT = "com.microsoft"
IR_VERSION = 10
"""The newest that every supported ONNX Runtime reads."""


class TensorWriter(Protocol):
    """Takes the initializers of a graph."""

    def add(self, name: str, values: npt.NDArray[np.generic]) -> TensorProto:
        """Keeps `values` somewhere and returns the initializer that refers to them."""


class GraphBuilder:
    """Collects nodes and initializers; a value has the name of the node that makes it.

    Args:
        weights: takes the initializers.
        floats: element type that float32 initializers are rounded to.
    """

    def __init__(self, weights: TensorWriter, floats: npt.DTypeLike = np.float32) -> None:
        self._weights = weights
        self._floats = np.dtype(floats)
        self.float_type = int(helper.np_dtype_to_tensor_dtype(self._floats))
        self._nodes: list[NodeProto] = []
        self._initializers: list[TensorProto] = []
        self._made: dict[str, Any] = {}

    def constant(self, name: str, values: npt.NDArray[np.generic], *, exact: bool = False) -> str:
        """Adds an initializer, written out now, and returns its name; `exact` keeps float32 as it is."""
        if values.dtype == np.float32 and self._floats != np.float32 and not exact:
            with np.errstate(over="ignore"):  # whoever writes it refuses infinity, by name
                values = values.astype(self._floats)
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

    def shared(self, name: str, value: npt.NDArray[np.generic] | np.generic) -> str:
        """A small constant that many nodes use; added when first asked for."""
        return self.once(name, lambda: self.constant(f"constants.{name}", np.asarray(value)))

    def once(self, key: str, make: Callable[[], T]) -> T:
        """What `make` gave when this key was first asked for."""
        if key not in self._made:
            self._made[key] = make()
        made: T = self._made[key]
        return made

    def model(self, inputs: Sequence[ValueInfoProto], outputs: Sequence[ValueInfoProto]) -> ModelProto:
        """The finished model."""
        graph = helper.make_graph(self._nodes, "codegen2", list(inputs), list(outputs), self._initializers)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="cg2-quantize"
        )
