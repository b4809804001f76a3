"""How large activations grow, against what float16 holds.

A proof runs on a processor, whose kernels compute in float32, so a value that a card would turn into infinity goes
unseen. Here every value inside of every block is looked at, over the calibration set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cg2_quantize.errors import QuantizeError
from cg2_quantize.graph.network import NORMED_END
from cg2_quantize.verification.heldout import calibration_rows
from cg2_quantize.verification.pieces import CHUNK, Rows
from cg2_quantize.verification.reference import reference_network

if TYPE_CHECKING:
    from typing import Any

    from cg2_quantize.formats import Format
    from cg2_quantize.verification.pieces import Network
    from cg2ls.models.codegen2 import Checkpoint, CodeTokenizer

LIMIT = float(np.finfo(np.float16).max)

MARGIN = 2.0
"""By which the largest value seen must stay below the limit: other text reaches further than the set does."""


@dataclass
class Largest:
    """The largest absolute value seen, and the node that gave it."""

    value: float = 0.0
    at: str = ""

    def see(self, at: str, values: Any) -> None:
        """Takes notice of values; not a number counts as infinite."""
        found = float(max(values.max(), -values.min()))
        if not found <= self.value:
            self.value, self.at = (float("inf") if np.isnan(found) else found), at


def largest_activation(checkpoint: Checkpoint, tokenizer: CodeTokenizer, chosen: Format) -> Largest:
    """Runs the float32 network over the calibration set, a layer at a time, with the norms as the format has them."""
    config, found = checkpoint.config, Largest()
    network = reference_network(checkpoint, moves_norms=chosen.precision.moves_norms)
    rows = calibration_rows(tokenizer, config.n_positions)
    tokens = np.stack([row for row in rows if len(row) == len(rows[0])])
    side = Rows(network, (config.n_head, config.head_dim), "float32", tokens)
    side.embed()
    for values in side.values:
        found.see("model.embed_tokens", values)
    for layer in range(config.n_layer):
        names = _values_of(network, layer)

        def seen(_: tuple[Any, Any], inside: list[Any], names: list[str] = names) -> None:
            for name, values in zip(names, inside, strict=True):
                found.see(_readable(name), values)

        side.block(layer, seen, names)
        for values in side.values:
            found.see(f"model.layers.{layer}", values)
    head = network.head()
    for row in side.values[0]:
        for at in range(0, len(row), CHUNK):
            found.see("lm_head", head(**{NORMED_END: row[None, at : at + CHUNK]})[0])
    return found


def _values_of(network: Network, layer: int) -> list[str]:
    """Names of all values that a block's nodes give, but for the cache."""
    path = f"/model/layers.{layer}/"
    nodes = [node for node in network.graph.graph.node if node.name.startswith(path)]
    cache = {entry.name for entry in network.graph.graph.output}
    return [
        name
        for node in nodes
        for name in node.output
        if name and name not in cache and not node.name.startswith(f"{path}ln_1/")
    ]


def _readable(name: str) -> str:
    return name.strip("/").rpartition("/")[0].rpartition("/")[0].replace("/", ".") or name


def check_half(checkpoint: Checkpoint, tokenizer: CodeTokenizer, chosen: Format) -> Largest:
    """Refuses a format with float16 activations for a network whose values it cannot hold.

    Raises:
        QuantizeError: see above.
    """
    found = largest_activation(checkpoint, tokenizer, chosen)
    if not found.value <= LIMIT / MARGIN:
        raise QuantizeError(
            f"{chosen.name} for CUDA computes in float16, which holds {LIMIT:,.0f} at most, but {found.at} reaches"
            f" {found.value:,.0f} on known code (a factor of {MARGIN:g} must be left for other text); choose bf16, or"
            " a format for the processor."
        )
    return found
