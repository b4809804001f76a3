"""The prefill graph of a folder with int4 weights: the same network with int8 products, up to keys and values.

`cg2ls.engine.prefill` says why, and makes the int8 weights when it opens the graph. Everything else is read from the
folder's weight file, so the graph takes a few kilobytes per block.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from cg2_quantize.formats.int8 import round_rows
from cg2_quantize.formats.matrix_writer import FormatError
from cg2_quantize.graph.builder import MICROSOFT, GraphBuilder
from cg2ls.models.folder.description import GRAPH, PREFILL_GRAPH
from cg2ls.models.folder.verify import describe_file, verify_folder
from cg2ls.models.graph_io import (
    INT4_PARTS,
    LOGITS,
    PREFILL_LOCATION,
    PREFILL_SCALE,
    PREFILL_WEIGHT,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt
    from onnx import ModelProto, NodeProto


def add_prefill_graph(folder: Path) -> int:
    """Write the prefill graph of a verified model folder and list it in model.json; return its bytes.

    Raises:
        ModelFolderError: the folder is damaged.
        FormatError: it has no int4 matrices for processors.
    """
    model = verify_folder(folder)
    write_prefill_graph(folder)
    entry = describe_file(folder / PREFILL_GRAPH)
    replace(model, files={**model.files, PREFILL_GRAPH: entry}).write(folder)
    return entry.bytes


def write_prefill_graph(folder: Path) -> None:
    """Write the prefill graph beside a folder's own graph.

    Raises:
        FormatError: the graph has no int4 matrices for processors.
    """
    own = onnx.load(str(folder / GRAPH), load_external_data=False)
    data = make_prefill_graph(own).SerializeToString(deterministic=True)
    new = folder / f"{PREFILL_GRAPH}.new"
    new.write_bytes(data)
    new.replace(folder / PREFILL_GRAPH)


def make_prefill_graph(own: ModelProto) -> ModelProto:
    """Return the prefill graph of a model's own graph.

    Raises:
        FormatError: the graph has no int4 matrices for processors.
    """
    weights = {tensor.name: tensor for tensor in own.graph.initializer}
    builder = GraphBuilder(_SmallTensors())
    outputs = [entry for entry in own.graph.output if entry.name != LOGITS]
    rounded = 0
    for node in _needed(own.graph.node, [entry.name for entry in outputs]):
        if _is_int4(node):
            _add_int8_product(builder, node)
            rounded += 1
        else:
            builder.copy(node)
    if not rounded:
        raise FormatError(
            f"{GRAPH} has no int4 matrices for processors, so a prefill graph would gain nothing."
        )
    used = builder.used_names()
    builder.copy_initializers(tensor for name, tensor in weights.items() if name in used)
    return builder.model([entry for entry in own.graph.input if entry.name in used], outputs)


class _SmallTensors:
    """Storage of the constants of the nodes that round: inside of the graph."""

    def add(self, name: str, values: npt.NDArray[np.generic]) -> TensorProto:
        return numpy_helper.from_array(values, name)


def _needed(nodes: Sequence[NodeProto], wanted: list[str]) -> list[NodeProto]:
    """Return the nodes on which some values depend, in their order."""
    missing, kept = set(wanted), []
    for node in reversed(nodes):
        if not missing.isdisjoint(node.output):
            missing |= set(node.input)
            kept.append(node)
    return kept[::-1]


def _is_int4(node: NodeProto) -> bool:
    if node.op_type != "MatMulNBits":
        return False
    numbers = {each.name: each.i for each in node.attribute}
    return (
        numbers["bits"] == 4
        and numbers.get("accuracy_level", 0) == 4
        and [node.input[1].endswith(INT4_PARTS[0]), len(node.input)] == [True, 4]
    )


def _add_int8_product(builder: GraphBuilder, node: NodeProto) -> None:
    """Add the product of rounded rows and an int8 matrix in place of a MatMulNBits."""
    sizes = {each.name: each.i for each in node.attribute}
    matrix = node.input[1].removesuffix(INT4_PARTS[0])
    weight = builder.declare(
        matrix + PREFILL_WEIGHT, TensorProto.INT8, [sizes["K"], sizes["N"]], PREFILL_LOCATION
    )
    scale = builder.declare(matrix + PREFILL_SCALE, TensorProto.FLOAT, [sizes["N"]], PREFILL_LOCATION)
    rows = round_rows(builder, node.input[0], after_gelu=node.input[0].endswith("Gelu/output"))
    path = node.name.removesuffix("/MatMulNBits")
    inputs = [rows.levels, weight, rows.step, scale, rows.zero_point, ""]
    product = builder.node("MatMulIntegerToFloat", path, inputs, domain=MICROSOFT)
    builder.node("Mul", path, [product, rows.scale], outputs=list(node.output))
