"""CodeGen2.5's blocks, as Llama's: y = x + attention(norm(x)), then y + mlp(norm(y)), with RMS norms.

RMS norm: Zhang and Sennrich 2019, arXiv 1910.07467. Gated MLP, silu(gate) * up: Shazeer 2020, arXiv 2002.05202.
"""

from __future__ import annotations

import numpy as np

from cg2_quantize.graph.builder import MICROSOFT
from cg2_quantize.graph.network import Network, before_block


class SequentialNetwork(Network):
    """CodeGen2.5's network."""

    def block(self, layer: int) -> None:
        """See `Network`."""
        path = f"/model/layers.{layer}"
        normed, residual = before_block(layer)
        attended = self._attended(layer, normed)
        if self._is_last(layer):
            attended = self._wanted(layer, "attn", attended)
            residual = self._wanted(layer, "residual", residual)
        projected = self._product(layer, "attn.out_proj", attended)
        between = f"{path}/ln_2/output", f"{path}/attn/residual"
        self._add_and_norm(f"{path}/ln_2", projected, residual, *between)
        narrowed = self._product(layer, "mlp.down_proj", self._gated(layer, between[0]))
        normed, total = self._behind(layer)
        self._add_and_norm(normed.removesuffix("/output"), narrowed, between[1], normed, total)

    @staticmethod
    def product_inputs(layer: int) -> dict[str, str]:
        """Paths of a block's products, and the values they multiply, in the fp32 graph."""
        path = f"/model/layers.{layer}"
        return {
            f"{path}/attn/qkv_proj": before_block(layer)[0],
            f"{path}/attn/out_proj": f"{path}/attn/GroupQueryAttention/output",
            f"{path}/mlp/gate_proj": f"{path}/ln_2/output",
            f"{path}/mlp/up_proj": f"{path}/ln_2/output",
            f"{path}/mlp/down_proj": f"{path}/mlp/Mul/output",
        }

    def _gated(self, layer: int, normed: str) -> str:
        graph, path = self._graph, f"/model/layers.{layer}/mlp"
        gate = self._product(layer, "mlp.gate_proj", normed)
        open_ = graph.node("Sigmoid", f"{path}/gate", [gate])
        silu = graph.node("Mul", f"{path}/gate", [gate, open_])
        return graph.node("Mul", path, [silu, self._product(layer, "mlp.up_proj", normed)])

    def _add_and_norm(self, path: str, new: str, residual: str, normed: str, total: str) -> None:
        """The sum, called `total`, and the norm of it; the last sum is needed by nobody and has no name."""
        if self._portable:
            total = self._graph.node("Add", path, [new, residual], outputs=[total or f"{path}/sum"])
            self._norm(path, total, normed)
            return
        self._graph.node(
            "SkipSimplifiedLayerNormalization",
            path,
            [new, residual, self._scale(path)],
            domain=MICROSOFT,
            outputs=[normed, "", "", total] if total else [normed],
            epsilon=self._config.layer_norm_epsilon,
        )

    def _norm(self, path: str, x: str, normed: str) -> None:
        graph, epsilon = self._graph, self._config.layer_norm_epsilon
        if not self._portable:
            inputs = [x, self._scale(path)]
            graph.node(
                "SimplifiedLayerNormalization", path, inputs, outputs=[normed], axis=-1, epsilon=epsilon
            )
            return
        square = graph.node("Mul", f"{path}/square", [x, x])
        mean = graph.node("ReduceMean", path, [square, graph.shared("axis.last", np.array([-1]))], keepdims=1)
        raised = graph.node(
            "Add", f"{path}/epsilon", [mean, graph.shared("norm.epsilon", np.float32(epsilon))]
        )
        unit = graph.node("Div", path, [x, graph.node("Sqrt", path, [raised])])
        graph.node("Mul", path, [unit, self._scale(path)], outputs=[normed])

    def _scale(self, path: str) -> str:
        name = path.strip("/").replace("/", ".")
        return self._graph.constant(f"{name}.weight", self._weights.norm(name)[0])
