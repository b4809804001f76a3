"""Small plots in SVG."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = 460, 200
"""Of the area between the axes, in pixels."""

LEFT, BELOW = 56, 26
"""Room for labels."""

MOST_LABELS = 8


def curve(
    title: str, points: Sequence[tuple[float, float]], across: tuple[int, int], up: tuple[int, int]
) -> str:
    """A line through points given as powers of ten, between powers of ten."""

    def place(x: float, y: float) -> str:
        right = _share(x, *across) * WIDTH
        return f"{LEFT + right:.1f} {(1 - _share(y, *up)) * HEIGHT:.1f}"

    path = f'<path class="curve" d="M{"L".join(place(x, y) for x, y in points)}"/>'
    return _frame(title, path, _powers(*across), _powers(*up))


def bars(title: str, values: Sequence[float]) -> str:
    """A bar per value, from 0."""
    top = max(values) * 1.1 or 1.0
    wide = WIDTH / len(values)
    drawn = "".join(
        f'<rect class="bar" x="{LEFT + index * wide + 1:.1f}" y="{HEIGHT * (1 - value / top):.1f}"'
        f' width="{max(1.0, wide - 2):.1f}" height="{HEIGHT * value / top:.1f}"/>'
        for index, value in enumerate(values)
    )
    step = max(1, len(values) // MOST_LABELS)
    across = [(str(index), (index + 0.5) / len(values)) for index in range(0, len(values), step)]
    return _frame(title, drawn, across, [(f"{top * share:.3f}", share) for share in (0.0, 0.5, 1.0)])


def _frame(
    title: str, inside: str, across: Sequence[tuple[str, float]], up: Sequence[tuple[str, float]]
) -> str:
    """Axes with labels at shares of their lengths."""
    below = (
        f'<text x="{LEFT + WIDTH * share:.1f}" y="{HEIGHT + 18}" text-anchor="middle">{label}</text>'
        for label, share in across
    )
    beside = (
        f'<text x="{LEFT - 6}" y="{HEIGHT * (1 - share) + 4:.1f}" text-anchor="end">{label}</text>'
        for label, share in up
    )
    name = escape(title)
    return f"""<h2>{name}</h2>
<svg viewBox="0 -10 {LEFT + WIDTH + 20} {HEIGHT + BELOW + 10}" width="{LEFT + WIDTH}" role="img" aria-label="{name}">
<path class="axis" fill="none" d="M{LEFT} 0V{HEIGHT}H{LEFT + WIDTH}"/>{inside}{"".join((*below, *beside))}</svg>
"""


def _share(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _powers(low: int, high: int) -> list[tuple[str, float]]:
    return [(f"1e{power}", _share(power, low, high)) for power in range(low, high + 1)]
