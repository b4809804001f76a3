"""The frontier as an SVG picture."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cg2_quantize.verification.frontier import Point

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 110, 20, 50
"""Pixels of the picture and its margins."""

STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#444}.axis{stroke:#999}.ours{fill:#2a6fb0}"
    ".theirs{fill:#c0632a}.whisker{stroke:#888}"
)


def render_frontier(points: Sequence[Point]) -> str:
    """Render bits per weight against mean KL divergence, on a logarithmic scale, with two standard errors."""
    bits = [point.bits_per_weight for point in points]
    least, most = math.floor(min(bits)), math.ceil(max(bits))
    powers = [math.log10(max(point.kl_mean, 1e-9)) for point in points]
    low, high = math.floor(min(powers)), math.ceil(max(powers) + 1e-9)

    def x(value: float) -> float:
        return LEFT + (value - least) / max(1, most - least) * (WIDTH - LEFT - RIGHT)

    def y(kl: float) -> float:
        power = min(max(math.log10(max(kl, 1e-9)), low), high)
        return TOP + (high - power) / max(1, high - low) * (HEIGHT - TOP - BOTTOM)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"><style>{STYLE}</style>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<path class="axis" fill="none" d="M{LEFT},{TOP} V{HEIGHT - BOTTOM} H{WIDTH - RIGHT}"/>',
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 12}" text-anchor="middle">bits per weight</text>',
    ]
    turned = f'transform="rotate(-90 16 {HEIGHT / 2:.0f})" text-anchor="middle"'
    lines.append(f'<text x="16" y="{HEIGHT / 2:.0f}" {turned}>mean KL divergence, nats</text>')
    for value in range(least, most + 1):
        at = f'x="{x(value):.1f}" y="{HEIGHT - BOTTOM + 18}"'
        lines.append(f'<text {at} text-anchor="middle">{value}</text>')
    lines += [
        f'<text x="{LEFT - 8}" y="{y(10.0**power) + 4:.1f}" text-anchor="end">1e{power}</text>'
        for power in range(low, high + 1)
    ]
    for point in points:
        across, up = x(point.bits_per_weight), y(point.kl_mean)
        ends = y(point.kl_mean + 2 * point.kl_error), y(max(point.kl_mean - 2 * point.kl_error, 1e-9))
        lines.append(f'<path class="whisker" d="M{across:.1f},{ends[0]:.1f} V{ends[1]:.1f}"/>')
        kind = "ours" if point.runs else "theirs"
        lines.append(f'<circle class="{kind}" cx="{across:.1f}" cy="{up:.1f}" r="4"/>')
        lines.append(f'<text x="{across + 8:.1f}" y="{up + 4:.1f}">{escape(point.name)}</text>')
    return "\n".join([*lines, "</svg>", ""])
