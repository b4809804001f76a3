"""Picture of a report: an SVG file that loads nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

Json = Mapping[str, Any]

WIDTH, HEIGHT = 720, 260
"""Pixels of one panel."""

LEFT, RIGHT, TOP, BOTTOM = 150, 30, 40, 40
COLOURS = ("#1f77b4", "#d95f02", "#4d9221", "#7b3294")
TICKS_MS = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000)
SHARES = ("exact_line", "edit_similarity", "saved_characters", "shown_wrong")


def draw_picture(report: Json, curves: Mapping[str, Sequence[float]]) -> str:
    """Draw the whole picture.

    Args:
        report: the report that `--json` prints.
        curves: times of keys in milliseconds, by name; none if no keys were timed.
    """
    panels = []
    if curves:
        keys = len(next(iter(curves.values())))
        panels.append(_draw_latencies(curves, f"{keys} keys: share answered within a time"))
    if "repositories" in report:
        panels.append(_draw_shares(report))
    height = sum(size for _, size in panels) + 30
    top, body = 30, []
    for panel, size in panels:
        body.append(f'<g transform="translate(0 {top})">{panel}</g>')
        top += size
    title = _draw_text(WIDTH / 2, 20, report["model"]["name"], anchor="middle", size=15)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
        f' viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">'
        f'<rect width="100%" height="100%" fill="white"/>{title}{"".join(body)}</svg>\n'
    )


def _draw_latencies(curves: Mapping[str, Sequence[float]], title: str) -> tuple[str, int]:
    """Draw cumulative shares over a logarithmic axis of milliseconds."""
    values = [value for curve in curves.values() for value in curve if value > 0]
    ticks = [tick for tick in TICKS_MS if min(values) / 3 < tick < max(values) * 3]
    low, high = math.log(ticks[0]), math.log(ticks[-1])
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(value: float) -> float:
        return LEFT + width * (min(max(math.log(max(value, 1e-9)), low), high) - low) / (high - low)

    def y(share: float) -> float:
        return TOP + height * (1 - share)

    parts = [_draw_text(LEFT, TOP - 14, title)]
    parts += [
        _draw_line(x(t), TOP, x(t), TOP + height)
        + _draw_text(x(t), TOP + height + 18, f"{t:g} ms", anchor="middle")
        for t in ticks
    ]
    parts += [
        _draw_line(LEFT, y(share), LEFT + width, y(share))
        + _draw_text(LEFT - 8, y(share) + 4, f"{share:.0%}", anchor="end")
        for share in (0, 0.5, 0.95, 1)
    ]
    for number, (name, curve) in enumerate(curves.items()):
        points = " ".join(
            f"{x(value):.1f},{y((rank + 1) / len(curve)):.1f}" for rank, value in enumerate(sorted(curve))
        )
        colour = COLOURS[number]
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(_draw_text(LEFT + 10, TOP + 18 + 16 * number, name, colour=colour))
    return "".join(parts), HEIGHT


def _draw_shares(report: Json) -> tuple[str, int]:
    """Draw a bar per share and repository, and one of all with its interval."""
    names = [*report["repositories"], "all"]
    row = 14
    shares = [name for name in SHARES if name in report]
    height = TOP + len(names) * (row * len(shares) + 8) + BOTTOM
    width = WIDTH - LEFT - RIGHT
    parts = [
        _draw_text(LEFT + 150 * number, TOP - 14, name.replace("_", " "), colour=COLOURS[number])
        for number, name in enumerate(shares)
    ]
    top = float(TOP)
    for name in names:
        found = report if name == "all" else report["repositories"][name]
        parts.append(_draw_text(LEFT - 8, top + row * len(shares) / 2 + 4, name, anchor="end"))
        for number, share in enumerate(shares):
            length = width * max(0.0, found.get(share, 0.0))
            parts.append(
                f'<rect x="{LEFT}" y="{top:.1f}" width="{length:.1f}" height="{row - 3}" fill="{COLOURS[number]}"/>'
            )
            parts.append(
                _draw_text(LEFT + length + 22, top + row - 4, f"{found.get(share, 0.0):.3f}", size=10)
            )
            if name == "all":
                low, high = (LEFT + width * max(0.0, end) for end in report["spread"][share])
                middle = top + (row - 3) / 2
                parts.append(_draw_line(low, middle, high, middle, colour="#333333"))
            top += row
        top += 8
    return "".join(parts), height


def _draw_line(x1: float, y1: float, x2: float, y2: float, colour: str = "#dddddd") -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _draw_text(
    x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, colour: str = "#333333"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"'
        f' fill="{colour}">{escape(text)}</text>'
    )
