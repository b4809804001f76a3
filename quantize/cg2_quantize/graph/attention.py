"""Attention with rotary positions and a cache, as one operator or in standard operators."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import numpy as np

from cg2_quantize.graph.builder import MICROSOFT
from cg2ls.models.codegen2.rotary import compute_frequencies
from cg2ls.models.graph_io import INPUT_IDS, SEQLENS_K, TOTAL_SEQUENCE_LENGTH, past_names, present_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cg2_quantize.formats import Format
    from cg2_quantize.formats.rounding import Float32
    from cg2_quantize.graph.builder import GraphBuilder
    from cg2ls.models.codegen2 import CodeGenConfig


class KvScales(Protocol):
    """Scales of int8 keys and values by layer."""

    def of_layer(self, layer: int) -> tuple[Float32, Float32]:
        """Return the scales of keys and of values, [kv_width] each."""


def compute_rotary_tables(config: CodeGenConfig) -> tuple[Float32, Float32]:
    """Compute cosine and sine [n_positions, rotary_dim / 2].

    GroupQueryAttention rotates as many channels as the tables have: at most half the width of a head here.
    """
    frequencies = compute_frequencies(config.rotary_dim, config.rotary_base, config.rotary_scaling)
    angles = np.arange(config.n_positions)[:, None] * frequencies
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


class AttentionBuilder:
    """Writer of every layer's attention.

    Args:
        config: shapes.
        chosen: the format; portable ones use standard operators only.
        graph: the graph to add to.
        kv_scales: scales of an int8 cache; None for a float cache.
    """

    def __init__(
        self, config: CodeGenConfig, chosen: Format, graph: GraphBuilder, kv_scales: KvScales | None
    ) -> None:
        self._config, self._chosen, self._graph, self._kv_scales = config, chosen, graph, kv_scales
        cos, sin = compute_rotary_tables(config)
        self._tables = (graph.constant("model.rotary.cos", cos), graph.constant("model.rotary.sin", sin))

    def emit(self, layer: int, path: str, packed: str) -> str:
        """Add the attention of `packed` queries, keys and values [1, S, qkv_width]; return [1, S, n_embd]."""
        past, present = past_names(layer), present_names(layer)
        if self._chosen.portable:
            return self._emit_standard(path, packed, past, present)
        inputs = [packed, "", "", *past, SEQLENS_K, TOTAL_SEQUENCE_LENGTH, *self._tables]
        attributes: dict[str, object] = {}
        if self._kv_scales is not None:
            scales = [
                self._graph.constant(f"{name}_scale", scale, exact=True)
                for name, scale in zip(past, self._kv_scales.of_layer(layer), strict=True)
            ]
            inputs += ["", "", "", *scales]
            attributes = {
                "k_quant_type": "PER_CHANNEL",
                "v_quant_type": "PER_CHANNEL",
                "kv_cache_bit_width": 8,
            }
        return self._graph.node(
            "GroupQueryAttention",
            path,
            inputs,
            domain=MICROSOFT,
            outputs=[f"{path}/GroupQueryAttention/output", *present],
            num_heads=self._config.n_head,
            kv_num_heads=self._config.kv_heads,
            do_rotary=1,
            rotary_interleaved=1,
            **attributes,
        )

    def _emit_standard(self, path: str, packed: str, past: Sequence[str], present: Sequence[str]) -> str:
        """Add softmax(Q K^T / sqrt(head_dim) + causal) V over the filled part of the buffers."""
        graph, config = self._graph, self._config
        parts = [f"{path}/{part}" for part in ("query", "key", "value")]
        if config.kv_heads == config.n_head:
            graph.node("Split", path, [packed], outputs=parts, axis=-1, num_outputs=3)
        else:
            sizes = graph.shared("qkv.split", np.array([config.n_embd, config.kv_width, config.kv_width]))
            graph.node("Split", path, [packed, sizes], outputs=parts, axis=-1)
        counts = (config.n_head, config.kv_heads, config.kv_heads)
        query, key, value = (
            self._split_heads(part, count) for part, count in zip(parts, counts, strict=True)
        )
        query = self._rotate(f"{path}/query", query, config.n_head)
        key = self._rotate(f"{path}/key", key, config.kv_heads)
        for buffer, full, new in zip(past, present, (key, value), strict=True):
            at = graph.node("Expand", f"{full}/at", [self._positions((1, 1, -1, 1)), self._shape(new)])
            graph.node("ScatterElements", full, [buffer, at, new], outputs=[full], axis=2)
        key, value = (self._slice_filled(full) for full in present)
        if config.kv_heads != config.n_head:
            key, value = (
                self._share_heads(f"{path}/{name}", part) for name, part in (("k", key), ("v", value))
            )
        across = graph.node("Transpose", f"{path}/across", [key], perm=[0, 1, 3, 2])
        scores = graph.node("MatMul", f"{path}/scores", [query, across])
        root = graph.shared("head.root", np.float32(1 / math.sqrt(config.head_dim)))
        scores = graph.node("Mul", f"{path}/scores", [scores, root])
        hidden = graph.shared("scores.hidden", np.float32(np.finfo(np.float32).min))
        scores = graph.node("Where", f"{path}/scores", [self._visible_keys(), scores, hidden])
        weights = graph.node("Softmax", f"{path}/scores", [scores], axis=-1)
        mixed = graph.node("MatMul", path, [weights, value])
        mixed = graph.node("Transpose", path, [mixed], perm=[0, 2, 1, 3])
        return graph.node(
            "Reshape", path, [mixed, graph.shared("shape.flat", np.array([1, -1, config.n_embd]))]
        )

    def _share_heads(self, path: str, filled: str) -> str:
        """Repeat each head of keys or values for the query heads that share it; return [1, n_head, T, head_dim]."""
        graph, config = self._graph, self._config
        group = config.n_head // config.kv_heads
        numbers = np.repeat(np.arange(config.kv_heads), group)
        return graph.node("Gather", f"{path}/shared", [filled, graph.shared("kv.shared", numbers)], axis=1)

    def _split_heads(self, part: str, heads: int) -> str:
        config = self._config
        kind = "heads" if heads == config.n_head else "kv_heads"
        shape = self._graph.shared(f"shape.{kind}", np.array([1, -1, heads, config.head_dim]))
        return self._graph.node(
            "Transpose", part, [self._graph.node("Reshape", part, [part, shape])], perm=[0, 2, 1, 3]
        )

    def _rotate(self, path: str, x: str, heads: int) -> str:
        """Rotate adjacent pairs of the first rotary_dim channels by their position's angle."""
        graph, config = self._graph, self._config
        width = config.rotary_dim
        turned, rest = f"{path}/turned", f"{path}/rest"
        cut = graph.shared("rotary.split", np.array([width, config.head_dim - width]))
        graph.node("Split", f"{path}/rotary", [x, cut], outputs=[turned, rest], axis=-1)
        kind = "" if heads == config.n_head else ".kv"
        shape = graph.shared(f"shape.pairs{kind}", np.array([1, heads, -1, width // 2, 2]))
        pairs = graph.node("Reshape", f"{path}/pairs", [turned, shape])
        first, second = f"{path}/first", f"{path}/second"
        graph.node("Split", f"{path}/pair", [pairs], outputs=[first, second], axis=-1, num_outputs=2)
        cos, sin = (self._gather_angles(name) for name in self._tables)

        def times(value: str, table: str, name: str) -> str:
            return graph.node("Mul", f"{path}/{name}", [value, table])

        left = graph.node("Sub", f"{path}/left", [times(first, cos, "a"), times(second, sin, "b")])
        right = graph.node("Add", f"{path}/right", [times(first, sin, "c"), times(second, cos, "d")])
        both = graph.node("Concat", f"{path}/both", [left, right], axis=-1)
        back = graph.shared(f"shape.turned{kind}", np.array([1, heads, -1, width]))
        return graph.node(
            "Concat", path, [graph.node("Reshape", f"{path}/both", [both, back]), rest], axis=-1
        )

    def _gather_angles(self, table: str) -> str:
        """Return the rows of a table for this call's positions, [S, rotary_dim / 2, 1]."""
        graph = self._graph
        path = f"/model/rotary/{table.rsplit('.', 1)[-1]}"

        def make() -> str:
            rows = graph.node("Gather", path, [table, self._positions((-1,))])
            return graph.node("Unsqueeze", path, [rows, graph.shared("axis.last", np.array([-1]))])

        return graph.once(path, make)

    def _positions(self, shape: tuple[int, ...]) -> str:
        """Return the positions of this call's tokens, int64, in a shape."""
        graph = self._graph
        name = "x".join(str(size) for size in shape).replace("-1", "n")
        path = f"/model/positions/{name}"

        def make() -> str:
            counted = graph.node(
                "Range",
                path,
                [self._count_tokens()[1], self._count_tokens()[0], graph.shared("one", np.int64(1))],
            )
            return graph.node("Reshape", path, [counted, graph.shared(f"shape.{name}", np.array(shape))])

        return graph.once(path, make)

    def _count_tokens(self) -> tuple[str, str]:
        """Return the number of tokens after this call, and before it; int64 scalars."""
        graph, path = self._graph, "/model/positions"

        def make() -> tuple[str, str]:
            total = graph.node("Cast", path, [TOTAL_SEQUENCE_LENGTH], to=7)
            shape = graph.node("Shape", path, [INPUT_IDS])
            new = graph.node("Gather", path, [shape, graph.shared("one", np.int64(1))])
            return total, graph.node("Sub", path, [total, new])

        return graph.once(path, make)

    def _visible_keys(self) -> str:
        """Return which keys each token may attend to, bool [S, total]."""
        graph, path = self._graph, "/model/seen"

        def make() -> str:
            total, _ = self._count_tokens()
            keys = graph.node(
                "Range", path, [graph.shared("zero", np.int64(0)), total, graph.shared("one", np.int64(1))]
            )
            return graph.node("LessOrEqual", path, [keys, self._positions((-1, 1))])

        return graph.once(path, make)

    def _slice_filled(self, full: str) -> str:
        graph = self._graph
        one = graph.shared("shape.one", np.array([1]))
        end = graph.once(
            "filled", lambda: graph.node("Reshape", "/model/filled", [self._count_tokens()[0], one])
        )
        start, axis = graph.shared("start", np.array([0])), graph.shared("axis.keys", np.array([2]))
        return graph.node("Slice", full, [full, start, end, axis])

    def _shape(self, value: str) -> str:
        return self._graph.node("Shape", value, [value])
