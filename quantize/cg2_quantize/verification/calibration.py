"""Measurements over the calibration set: sizes of keys and values, inputs of products, the largest activation.

The set is the part of the held-out file after the tokens that proofs measure on. A proof runs on a processor, whose
kernels compute in float32, so it cannot see a value that becomes infinite on a card. Therefore every value inside
every block is examined here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from cg2_quantize.errors import QuantizeError
from cg2_quantize.graph.network import HEAD_INPUT, NETWORKS
from cg2_quantize.verification.heldout import make_calibration_rows
from cg2_quantize.verification.piecewise import CHUNK_TOKENS, TokenRows
from cg2_quantize.verification.reference import build_reference_network

if TYPE_CHECKING:
    from typing import Any

    from cg2_quantize.formats import Format
    from cg2_quantize.formats.rounding import Float32
    from cg2_quantize.verification.piecewise import PiecewiseNetwork
    from cg2ls.models.codegen2 import Checkpoint, CodeTokenizer

MIN_KV_SCALE = 1e-8


@dataclass
class Calibration:
    """Results over the calibration set.

    Attributes:
        largest: largest |key| and |value| per channel, [kv_width] each, by layer.
        inputs: inputs of products, for formats that are calibrated by them; None for others.
    """

    largest: dict[int, tuple[Float32, Float32]] = field(default_factory=dict)
    inputs: ProductInputs | None = None

    def of_layer(self, layer: int) -> tuple[Float32, Float32]:
        """Return the scales of int8 keys and values (`KvScales`)."""
        key, value = (np.maximum(largest / 127, MIN_KV_SCALE) for largest in self.largest[layer])
        return key.astype(np.float32), value.astype(np.float32)


def calibrate_cache(checkpoint: Checkpoint, tokenizer: CodeTokenizer) -> Calibration:
    """Run the float32 network over the calibration set, a layer at a time, and measure its keys and values."""
    config, found = checkpoint.config, Calibration()
    rows = make_calibration_rows(tokenizer, config.n_positions)
    tokens = np.stack([row for row in rows if len(row) == len(rows[0])])
    side = TokenRows(
        build_reference_network(checkpoint), (config.kv_heads, config.head_dim), "float32", tokens
    )
    side.embed()

    for layer in range(config.n_layer):
        gathered = _LargestOfCache()
        side.block(layer, gathered)
        found.largest[layer] = gathered.largest
    return found


def calibrate(checkpoint: Checkpoint, tokenizer: CodeTokenizer, *, cache: bool, inputs: bool) -> Calibration:
    """Return what a format needs of the calibration set.

    Args:
        checkpoint: the checkpoint to convert.
        tokenizer: its tokenizer.
        cache: whether the cache has eight bits.
        inputs: whether rounding compensates its errors.
    """
    found = calibrate_cache(checkpoint, tokenizer) if cache else Calibration()
    if inputs:
        found.inputs = ProductInputs(checkpoint, tokenizer)
    return found


@dataclass
class _LargestOfCache:
    """Largest |key| and |value| of one block, over all rows."""

    largest: tuple[Float32, Float32] = (np.zeros(1, np.float32), np.zeros(1, np.float32))

    def __call__(self, cache: tuple[Float32, Float32], _: list[Float32]) -> None:
        key, value = (np.abs(part).max(axis=1).reshape(-1) for part in cache)
        self.largest = np.maximum(self.largest[0], key), np.maximum(self.largest[1], value)


class ProductInputs:
    """Inputs of the products over the calibration set, one layer in memory at a time.

    The float32 network advances as layers are asked for, so they must be asked for in order. Norms' scales are in the
    weights after them, as in the formats that use this.
    """

    def __init__(self, checkpoint: Checkpoint, tokenizer: CodeTokenizer) -> None:
        config = checkpoint.config
        rows = make_calibration_rows(tokenizer, config.n_positions)
        tokens = np.stack([row for row in rows if len(row) == len(rows[0])])
        network = build_reference_network(checkpoint, moves_norms=True)
        self._family, heads = config.family, (config.kv_heads, config.head_dim)
        self._side = TokenRows(network, heads, "float32", tokens)
        self._side.embed()
        self._layer = -1
        self._inputs: dict[str, Float32] = {}

    def __call__(self, path: str) -> Float32:
        """Return the inputs [tokens, channels] of a product, such as "/model/layers.0/mlp/fc_in".

        Raises:
            KeyError: the path is no product of a block, or of a layer before the last one that was asked for.
        """
        match = LAYER_OF_PATH.match(path)
        while match is not None and self._layer < int(match[1]):
            self._advance()
        return self._inputs[path]

    def _advance(self) -> None:
        self._layer += 1
        self._inputs.clear()
        inside = NETWORKS[self._family].product_inputs(self._layer)
        gathered: dict[str, list[Float32]] = {path: [] for path in inside}

        def on_row(_: tuple[Float32, Float32], values: list[Float32]) -> None:
            for path, part in zip(inside, values, strict=True):
                gathered[path].append(part)

        self._side.block(self._layer, on_row, list(inside.values()))
        self._inputs |= {path: np.concatenate(parts) for path, parts in gathered.items()}


LAYER_OF_PATH = re.compile(r"/model/layers\.(\d+)/")

FLOAT16_LIMIT = float(np.finfo(np.float16).max)

FLOAT16_MARGIN = 2.0
"""Factor by which the largest value must stay below the limit, since other text has larger ones than the set."""


@dataclass
class LargestActivation:
    """The largest absolute value seen, and the node that computed it."""

    value: float = 0.0
    at: str = ""

    def update(self, at: str, values: Any) -> None:
        """Take values into account; NaN counts as infinite."""
        found = float(max(values.max(), -values.min()))
        if not found <= self.value:
            self.value, self.at = (float("inf") if np.isnan(found) else found), at


def find_largest_activation(
    checkpoint: Checkpoint, tokenizer: CodeTokenizer, chosen: Format
) -> LargestActivation:
    """Run the float32 network over the calibration set, with the norms as the format has them."""
    config, found = checkpoint.config, LargestActivation()
    network = build_reference_network(checkpoint, moves_norms=chosen.matrix_writer.moves_norms)
    rows = make_calibration_rows(tokenizer, config.n_positions)
    tokens = np.stack([row for row in rows if len(row) == len(rows[0])])
    side = TokenRows(network, (config.kv_heads, config.head_dim), "float32", tokens)
    side.embed()
    for values in side.values:
        found.update("model.embed_tokens", values)
    for layer in range(config.n_layer):
        names = _list_block_values(network, layer)

        def on_row(_: tuple[Any, Any], inside: list[Any], names: list[str] = names) -> None:
            for name, values in zip(names, inside, strict=True):
                found.update(_make_readable(name), values)

        side.block(layer, on_row, names)
        for values in side.values:
            found.update(f"model.layers.{layer}", values)
    head = network.head()
    for row in side.values[0]:
        for at in range(0, len(row), CHUNK_TOKENS):
            found.update("lm_head", head(**{HEAD_INPUT: row[None, at : at + CHUNK_TOKENS]})[0])
    return found


def _list_block_values(network: PiecewiseNetwork, layer: int) -> list[str]:
    """Return the names of all values that a block's nodes compute, except for the cache."""
    path = f"/model/layers.{layer}/"
    nodes = [node for node in network.graph.graph.node if node.name.startswith(path)]
    cache = {entry.name for entry in network.graph.graph.output}
    return [
        name
        for node in nodes
        for name in node.output
        if name and name not in cache and not node.name.startswith(f"{path}ln_1/")
    ]


def _make_readable(name: str) -> str:
    return name.strip("/").rpartition("/")[0].rpartition("/")[0].replace("/", ".") or name


def check_float16_range(
    checkpoint: Checkpoint, tokenizer: CodeTokenizer, chosen: Format
) -> LargestActivation:
    """Refuse a format with float16 activations for a network whose values it cannot hold.

    Raises:
        QuantizeError: see above.
    """
    found = find_largest_activation(checkpoint, tokenizer, chosen)
    if not found.value <= FLOAT16_LIMIT / FLOAT16_MARGIN:
        raise QuantizeError(
            f"{chosen.name} for CUDA computes in float16, which holds {FLOAT16_LIMIT:,.0f} at most, but {found.at}"
            f" reaches {found.value:,.0f} on known code (a factor of {FLOAT16_MARGIN:g} must be left for other text);"
            " choose bf16, or a format for the processor."
        )
    return found
