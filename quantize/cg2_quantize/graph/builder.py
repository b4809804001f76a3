"""Builder of a graph: named nodes, and initializers in one file that is written a tensor at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import ml_dtypes
import numpy as np
import onnx
from onnx import (
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    external_data_helper,
    helper,
    numpy_helper,
)

from cg2_quantize.errors import QuantizeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from types import TracebackType

    import numpy.typing as npt

T = TypeVar("T")

OPSET = 21
MICROSOFT = "com.microsoft"
IR_VERSION = 10
"""The newest version that every supported ONNX Runtime reads."""


class TensorWriter(Protocol):
    """Storage of a graph's initializers."""

    def add(self, name: str, values: npt.NDArray[np.generic]) -> TensorProto:
        """Store `values` and return the initializer that refers to them."""


class GraphBuilder:
    """Builder of a graph's nodes and initializers; a value is named after its node.

    Args:
        weights: stores the initializers.
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
        """Add an initializer, written at once, and return its name; `exact` keeps float32 unrounded."""
        if values.dtype == np.float32 and self._floats != np.float32 and not exact:
            with np.errstate(over="ignore"):  # the writer refuses infinity, by name
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
        """Add a node called `path`/`op` and return its first output.

        Args:
            op: operator type.
            path: its place in the network, such as "/model/layers.0/attn".
            inputs: names of values; "" leaves an optional one out.
            domain: "" or `MICROSOFT`.
            outputs: names of the outputs; by default one, called as the node with "/output".
            attributes: attributes of the operator.
        """
        name = f"{path}/{op}"
        outputs = list(outputs) or [f"{name}/output"]
        self._nodes.append(
            helper.make_node(op, list(inputs), outputs, name=name, domain=domain, **attributes)
        )
        return outputs[0]

    def copy(self, node: NodeProto) -> None:
        """Add a node of another graph as it is."""
        self._nodes.append(node)

    def copy_initializers(self, tensors: Iterable[TensorProto]) -> None:
        """Add initializers of another graph, which stay where they are stored, unless there is one of that name."""
        known = {tensor.name for tensor in self._initializers}
        self._initializers += [tensor for tensor in tensors if tensor.name not in known]

    def declare(self, name: str, data_type: int, dims: Sequence[int], location: str) -> str:
        """Add an initializer whose values the graph's reader provides in memory, and return its name.

        Args:
            name: name of the initializer.
            data_type: number of the element type in onnx.proto.
            dims: shape.
            location: what the graph names in place of a file.
        """
        tensor = TensorProto(name=name, data_type=data_type, dims=dims)
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
        self._initializers.append(tensor)
        return name

    def used_names(self) -> set[str]:
        """Return the names of all values that the nodes read."""
        return {name for node in self._nodes for name in node.input}

    def shared(self, name: str, value: npt.NDArray[np.generic] | np.generic) -> str:
        """Return a small constant that many nodes use; it is added on first use."""
        return self.once(name, lambda: self.constant(f"constants.{name}", np.asarray(value)))

    def once(self, key: str, make: Callable[[], T]) -> T:
        """Return the value that `make` gave on the first use of this key."""
        if key not in self._made:
            self._made[key] = make()
        made: T = self._made[key]
        return made

    def model(self, inputs: Sequence[ValueInfoProto], outputs: Sequence[ValueInfoProto]) -> ModelProto:
        """Return the finished model."""
        graph = helper.make_graph(self._nodes, "codegen2", list(inputs), list(outputs), self._initializers)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="cg2-quantize"
        )


MAX_INLINE_BYTES = 1024
"""Smaller tensors stay in the graph file, where shape inference can read them."""

HALF_TYPES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))

MAX_FLOAT16 = 65504

PAGE_BYTES = 4096
"""Large tensors begin on a page, so that a runtime can map them."""

CACHE_LINE_BYTES = 64
"""Every other tensor begins on a cache line."""


class ExternalWriter:
    """Writer of tensors to one file; memory holds one at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")

    def __enter__(self) -> ExternalWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, name: str, values: npt.NDArray[np.generic]) -> TensorProto:
        """Write `values` and return the initializer that refers to them.

        Raises:
            QuantizeError: they are floats, and one is not finite.
        """
        values = np.ascontiguousarray(values)
        if values.dtype in HALF_TYPES or np.issubdtype(values.dtype, np.floating):
            _check_finite(name, values)
        if values.nbytes < MAX_INLINE_BYTES:
            return numpy_helper.from_array(values, name)
        dtype, dims = values.dtype, values.shape
        if dtype == ml_dtypes.uint4:
            flat = values.reshape(-1).view(np.uint8)
            values = flat[::2] | (np.pad(flat[1::2], (0, len(flat) % 2)) << np.uint8(4))
        alignment = PAGE_BYTES if values.nbytes >= 16 * PAGE_BYTES else CACHE_LINE_BYTES
        offset = -(-self._file.tell() // alignment) * alignment
        self._file.seek(offset)
        self._file.write(values.view(np.uint8).data)
        tensor = TensorProto(name=name, data_type=helper.np_dtype_to_tensor_dtype(dtype), dims=dims)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", self._path.name), ("offset", offset), ("length", values.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
        return tensor


def _check_finite(name: str, values: npt.NDArray[np.generic]) -> None:
    numbers: Any = values
    if not values.size or (np.isfinite(numbers.min()) and np.isfinite(numbers.max())):
        return
    holds = f", which holds {MAX_FLOAT16:,} at most" if values.dtype == np.float16 else ""
    raise QuantizeError(
        f"{name} has a value that is not finite in {values.dtype.name}{holds}; the checkpoint's weights are too large"
        " for this format, or damaged."
    )


def read_initializers(graph_path: Path) -> dict[str, npt.NDArray[np.generic]]:
    """Return every initializer of a graph by name; external ones are mapped, not loaded."""
    model = onnx.load(str(graph_path), load_external_data=False)
    return dict(_map_arrays(model.graph.initializer, graph_path.parent))


def _map_arrays(
    tensors: Iterable[TensorProto], folder: Path
) -> Iterable[tuple[str, npt.NDArray[np.generic]]]:
    for tensor in tensors:
        if tensor.data_location != TensorProto.EXTERNAL:
            yield tensor.name, numpy_helper.to_array(tensor)
            continue
        info = external_data_helper.ExternalDataInfo(tensor)
        dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
        path = folder / info.location
        if dtype == ml_dtypes.uint4:
            count = int(np.prod(tensor.dims))
            packed = np.memmap(path, np.uint8, mode="r", offset=info.offset or 0, shape=(-(-count // 2),))
            flat = np.stack((packed & np.uint8(15), packed >> np.uint8(4)), axis=-1).reshape(-1)
            yield tensor.name, flat[:count].reshape(tensor.dims).astype(ml_dtypes.uint4)
            continue
        yield tensor.name, np.memmap(path, dtype, mode="r", offset=info.offset or 0, shape=tuple(tensor.dims))
