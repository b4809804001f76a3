"""A network run piece by piece, so that memory holds one layer's weights at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper

from cg2_quantize.errors import QuantizeError
from cg2_quantize.graph.builder import read_initializers
from cg2_quantize.graph.network import HEAD_INPUT, block_input_names
from cg2ls.engine.onnx_session import arithmetic, import_onnxruntime
from cg2ls.models.folder.description import GRAPH
from cg2ls.models.graph_io import INPUT_IDS, LOGITS, call_feeds, past_names, present_names

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

ort = import_onnxruntime()

OnRow = Callable[[tuple[Any, Any], list[Any]], None]
"""Called with a row's keys and values, and values inside a block."""

MAX_COPIED_VALUES = 1 << 27
"""Number of values in a weight from which a piece keeps no second copy of its weights."""

CHUNK_TOKENS = 128
"""Tokens per call: the engine's PREFILL_CHUNK."""


@dataclass(frozen=True)
class PiecewiseNetwork:
    """A graph that is run piece by piece; weights are read when a piece needs them.

    Attributes:
        graph: the model without its weights.
        weight: returns an initializer that is not stored in the graph, by name.
        n_layer: number of blocks.
    """

    graph: ModelProto
    weight: Callable[[str], npt.NDArray[Any]]
    n_layer: int

    @classmethod
    def of_folder(cls, folder: Path, n_layer: int) -> PiecewiseNetwork:
        """Open the network of a model folder; weights are mapped."""
        graph = onnx.load(str(folder / GRAPH), load_external_data=False)
        stored = read_initializers(folder / GRAPH)
        return cls(graph, stored.__getitem__, n_layer)

    def embedding(self) -> Piece:
        """Return the piece from token ids to the first block's two inputs."""
        return Piece(self, [], block_input_names(0))

    def block(self, layer: int, inside: Sequence[str] = ()) -> Piece:
        """Return the piece from a block's inputs to the next block's or the head's, the cache and values inside."""
        ends = [HEAD_INPUT] if layer == self.n_layer - 1 else block_input_names(layer + 1)
        return Piece(self, block_input_names(layer), [*ends, *present_names(layer), *inside])

    def head(self) -> Piece:
        """Return the piece from the last block's output to logits."""
        return Piece(self, [HEAD_INPUT], [LOGITS])


class Piece:
    """The part of a network between some values and others, in an ONNX Runtime session."""

    def __init__(self, network: PiecewiseNetwork, starts: Sequence[str], ends: Sequence[str]) -> None:
        model = _cut_piece(network.graph, starts, ends)
        self._fed = _turn_large_weights_into_inputs(model, network.weight)
        options = ort.SessionOptions()
        options.log_severity_level = 4
        for key, value in (arithmetic() | {"session.intra_op.allow_spinning": "0"}).items():
            options.add_session_config_entry(key, value)
        outside = [t for t in model.graph.initializer if t.data_location == TensorProto.EXTERNAL]
        self._held = [_to_ort_value(network.weight(tensor.name), tensor.data_type) for tensor in outside]
        options.add_external_initializers([tensor.name for tensor in outside], self._held)
        providers = ["CPUExecutionProvider"]
        self._session = ort.InferenceSession(model.SerializeToString(), options, providers=providers)
        self._inputs = {entry.name for entry in self._session.get_inputs()}
        self.ends = list(ends)

    def __call__(self, **values: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """Compute the values of `ends`; inputs that this piece does not have are ignored.

        Args:
            values: values by name, "." and "/" included.
        """
        feeds = {name: value for name, value in values.items() if name in self._inputs}
        outputs: list[npt.NDArray[Any]] = self._session.run(self.ends, feeds | self._fed)
        return outputs


def _turn_large_weights_into_inputs(
    model: ModelProto, weight: Callable[[str], npt.NDArray[Any]]
) -> dict[str, npt.NDArray[Any]]:
    """Turn float32 weights into inputs if one is large, and read them: a session copies its initializers.

    A matrix that is stored transposed is passed that way, before a Transpose that ONNX Runtime merges into the
    product.
    """
    floats = [t for t in model.graph.initializer if t.data_type == TensorProto.FLOAT and len(t.dims) == 2]
    if max((int(np.prod(tensor.dims)) for tensor in floats), default=0) < MAX_COPIED_VALUES:
        return {}
    fed = {}
    for tensor in floats:
        values, name = weight(tensor.name), tensor.name
        if values.T.flags.c_contiguous and not values.flags.c_contiguous:
            values, name = values.T, f"{name}.rows"
            model.graph.node.insert(0, helper.make_node("Transpose", [name], [tensor.name], perm=[1, 0]))
        model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, values.shape))
        model.graph.initializer.remove(tensor)
        fed[name] = np.ascontiguousarray(values)
    return fed


def is_all_finite(values: npt.NDArray[Any]) -> bool:
    """Return whether no value is NaN or infinite, without a temporary array of the values' size."""
    return not values.size or bool(np.isfinite(values.min()) and np.isfinite(values.max()))


def _cut_piece(whole: ModelProto, starts: Sequence[str], ends: Sequence[str]) -> ModelProto:
    """Cut out the nodes that lead from `starts` and the graph's inputs to `ends`.

    Raises:
        KeyError: the graph has no value of that name.
    """
    graph = whole.graph
    maker = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    wanted, needed, open_values = set(), set(), list(ends)
    while open_values:
        value = open_values.pop()
        if value in needed or not value:
            continue
        needed.add(value)
        if value in starts or value not in maker:
            continue
        index = maker[value]
        if index not in wanted:
            wanted.add(index)
            open_values.extend(graph.node[index].input)
    if absent := [name for name in ends if name not in maker]:
        raise KeyError(absent[0])
    nodes = [graph.node[index] for index in sorted(wanted)]
    floats = _float_type(whole)
    inputs = [entry for entry in graph.input if entry.name in needed]
    inputs += [helper.make_tensor_value_info(name, floats, None) for name in starts]
    known = {entry.name: entry for entry in graph.output}
    outputs = [known.get(name) or helper.make_tensor_value_info(name, floats, None) for name in ends]
    tensors = [tensor for tensor in graph.initializer if tensor.name in needed]
    piece = helper.make_graph(nodes, "piece", inputs, outputs, tensors)
    return helper.make_model(piece, opset_imports=whole.opset_import, ir_version=whole.ir_version)


def _float_type(model: ModelProto) -> int:
    """Return the element type of a network's activations, which its norms' scales have too."""
    name = "model.layers.0.ln_1.weight"
    return next(int(tensor.data_type) for tensor in model.graph.initializer if tensor.name == name)


def _to_ort_value(values: npt.NDArray[Any], element: int) -> Any:
    return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(np.ascontiguousarray(values), element)


@dataclass
class TokenRows:
    """Rows of tokens that are run through one network, layer by layer.

    Attributes:
        network: the network.
        heads: number of heads and channels of each.
        kv: element type of the cache.
        tokens: int64 [rows, length].
        values: inputs of the next block, each [rows, length, n_embd].
        owner: name of the network in errors.
    """

    network: PiecewiseNetwork
    heads: tuple[int, int]
    kv: str
    tokens: npt.NDArray[np.int64]
    values: tuple[npt.NDArray[Any], ...] = ()
    owner: str = "the checkpoint"

    def embed(self) -> None:
        """Run the embedding."""
        piece = self.network.embedding()
        parts = [piece(**{INPUT_IDS: row[None]}) for row in self.tokens]
        self.values = tuple(np.concatenate(column) for column in zip(*parts, strict=True))
        self._check_finite("model.embed_tokens")

    def block(self, layer: int, on_row: OnRow | None = None, inside: Sequence[str] = ()) -> None:
        """Run one block over every row, in chunks, each row with its own cache.

        Args:
            layer: number of the block.
            on_row: called with the keys and values of each row, [heads, length, head_dim], and the values of `inside`.
            inside: names of values in the block, each [length, channels].
        """
        piece = self.network.block(layer, inside)
        outs = [self._run_row(piece, layer, row, on_row, len(inside)) for row in range(len(self.tokens))]
        self.values = tuple(np.concatenate(column) for column in zip(*outs, strict=True))
        self._check_finite(f"model.layers.{layer}")

    def logits(self, head: Piece, row: int, at: int, end: int) -> npt.NDArray[np.float32]:
        """Compute logits [tokens, vocabulary] of some positions of a row, by the piece `head` of this network.

        Raises:
            QuantizeError: a logit is not finite.
        """
        found: npt.NDArray[np.float32] = head(**{HEAD_INPUT: self.values[0][row : row + 1, at:end]})[0][0]
        if not is_all_finite(found):
            raise QuantizeError(f"The logits of {self.owner} are not finite: lm_head gives NaN or infinity.")
        return found

    def _check_finite(self, place: str) -> None:
        if not all(is_all_finite(values) for values in self.values):
            raise QuantizeError(
                f"The values of {self.owner} are not finite after {place}: its weights there, or before, are too"
                " large to compute with."
            )

    def _run_row(
        self, piece: Piece, layer: int, row: int, on_row: OnRow | None, inside: int
    ) -> list[npt.NDArray[Any]]:
        length = self.tokens.shape[1]
        names, past = block_input_names(layer), past_names(layer)
        cache = [np.zeros((1, self.heads[0], length, self.heads[1]), self.kv) for _ in past]
        parts, within = [], []
        for at in range(0, length, CHUNK_TOKENS):
            end = min(at + CHUNK_TOKENS, length)
            given = dict(zip(names, (value[row : row + 1, at:end] for value in self.values), strict=True))
            given |= dict(zip(past, cache, strict=True))
            outputs = piece(**given, **call_feeds(self.tokens[row, at:end], end))
            ends = len(outputs) - 2 - inside
            parts.append(outputs[:ends])
            cache = outputs[ends : ends + 2]
            within.append([value[0] for value in outputs[ends + 2 :]])
        if on_row is not None:
            on_row(
                (cache[0][0], cache[1][0]), [np.concatenate(column) for column in zip(*within, strict=True)]
            )
        return [np.concatenate(column, axis=1) for column in zip(*parts, strict=True)]
