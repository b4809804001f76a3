"""CodeGen2's blocks: attention and MLP side by side behind one layer norm, x + attention(n) + mlp(n)."""

from __future__ import annotations

from cg2_quantize.graph.builder import MICROSOFT
from cg2_quantize.graph.network import Network, before_block


class ParallelNetwork(Network):
    """CodeGen2's network."""

    def block(self, layer: int) -> None:
        """See `Network`."""
        normed, residual = before_block(layer)
        attended = self._attended(layer, normed)
        if self._is_last(layer):
            attended, normed, residual = (
                self._wanted(layer, name, value)
                for name, value in (("attn", attended), ("ln_1", normed), ("residual", residual))
            )
        projected = self._product(layer, "attn.out_proj", attended)
        widened = self._product(layer, "mlp.fc_in", normed)
        narrowed = self._product(layer, "mlp.fc_out", self._gelu(layer, widened))
        both = self._graph.node("Add", f"/model/layers.{layer}", [projected, narrowed])
        self._add_and_norm(layer, both, residual)

    @staticmethod
    def product_inputs(layer: int) -> dict[str, str]:
        """Paths of a block's products, and the values they multiply, in the fp32 graph."""
        path, normed = f"/model/layers.{layer}", before_block(layer)[0]
        return {
            f"{path}/attn/qkv_proj": normed,
            f"{path}/mlp/fc_in": normed,
            f"{path}/attn/out_proj": f"{path}/attn/GroupQueryAttention/output",
            f"{path}/mlp/fc_out": f"{path}/mlp/FastGelu/output",
        }

    def _gelu(self, layer: int, widened: str) -> str:
        graph, path = self._graph, f"/model/layers.{layer}/mlp"
        bias = self._bias(layer, "mlp.fc_in.bias")
        if self._portable:
            return graph.node("Gelu", path, [graph.node("Add", path, [widened, bias])], approximate="tanh")
        return graph.node("FastGelu", path, [widened, bias], domain=MICROSOFT)

    def _add_and_norm(self, layer: int, both: str, residual: str) -> None:
        """Residual sum of the block with fc_out's bias, and the norm of it."""
        graph, (normed, total) = self._graph, self._behind(layer)
        path, bias = normed.removesuffix("/output"), self._bias(layer, "mlp.fc_out.bias")
        if self._portable:
            summed = graph.node("Add", f"{path}/residual", [both, residual])
            total = total or f"{path}/residual/sum"
            graph.node("Add", f"{path}/bias", [summed, bias], outputs=[total])
            self._norm(path, total, normed)
            return
        graph.node(
            "SkipLayerNormalization",
            path,
            [both, residual, *self._norm_constants(path), bias],
            domain=MICROSOFT,
            outputs=[normed, "", "", total] if total else [normed],
            epsilon=self._config.layer_norm_epsilon,
        )

    def _norm(self, path: str, x: str, normed: str) -> None:
        self._graph.node(
            "LayerNormalization",
            path,
            [x, *self._norm_constants(path)],
            outputs=[normed],
            axis=-1,
            epsilon=self._config.layer_norm_epsilon,
        )

    def _norm_constants(self, path: str) -> list[str]:
        """Scale and shift of a layer norm."""
        name = path.strip("/").replace("/", ".")
        parts = zip(("weight", "bias"), self._weights.norm(name), strict=True)
        return [
            self._graph.constant(f"{name}.{part}", values) for part, values in parts if values is not None
        ]

    def _bias(self, layer: int, name: str) -> str:
        name = f"model.layers.{layer}.{name}"
        return self._graph.constant(name, self._weights.vector(name))
