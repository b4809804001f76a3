"""Activations as they are rounded to eight bits when a graph runs: every row by its own scale.

One scale for a whole call (DynamicQuantizeLinear) would make a token's result depend on which others share the call.
ONNX Runtime's fast integer product takes one scale only, so a row is divided by its largest value before rounding,
and the product multiplied by it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from cg2_quantize.graph.builder import GraphBuilder

GELU_LEAST = 0.1701
"""GELU (tanh form) is nowhere below -0.17005."""

GELU_ZERO = 32
"""uint8 level of 0 after GELU: 223 levels above, 32 below. A row whose largest value is under 1.19 shares its scale,
so that what lies below zero still fits. 20 to 64 were measured to be equally good."""


@dataclass(frozen=True)
class RoundedRows:
    """Names of values in the graph: x = (levels - zero_point) * step * scale.

    Attributes:
        levels: uint8, of the shape of x.
        step: float32 [], a constant.
        zero_point: uint8 [], a constant.
        scale: float32 [..., 1], a value per row.
    """

    levels: str
    step: str
    zero_point: str
    scale: str


def rounded_rows(graph: GraphBuilder, x: str, *, after_gelu: bool = False) -> RoundedRows:
    """Rounds rows of x; products that share an x share the nodes.

    Args:
        graph: is added to.
        x: name of a float32 value.
        after_gelu: whether x is what a GELU gave, which has little below zero.
    """
    return graph.once(f"{x} rounded", lambda: _round(graph, x, after_gelu))


def _round(graph: GraphBuilder, x: str, after_gelu: bool) -> RoundedRows:
    path = f"{x.removesuffix('/output')}/rounded"
    zero, step = (GELU_ZERO, 1 / (255 - GELU_ZERO)) if after_gelu else (128, 1 / 127)
    largest = x if after_gelu else graph.node("Abs", path, [x])
    scale = graph.node("ReduceMax", path, [largest, graph.shared("axis.last", np.array([-1]))], keepdims=1)
    if after_gelu:
        scale = graph.node("Max", path, [scale, graph.shared("scale.least", np.float32(_least_scale()))])
    # A row of zeros is divided by zero; whatever levels that gives, their product is multiplied by zero again.
    unit = graph.node("Div", path, [x, scale])
    step_name = graph.shared(f"step.{zero}", np.float32(step))
    zero_name = graph.shared(f"zero_point.{zero}", np.uint8(zero))
    levels = graph.node("QuantizeLinear", path, [unit, step_name, zero_name])
    return RoundedRows(levels, step_name, zero_name, scale)


def _least_scale() -> float:
    return GELU_LEAST * (255 - GELU_ZERO) / GELU_ZERO
