"""Reliability diagram of a gate: an SVG file that loads nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from cg2ls.evaluation.gate.fit import GateCheck

SIZE, MARGIN = 360, 60
"""Pixels of the diagram's side and of its margin."""


def draw_reliability(name: str, check: GateCheck) -> str:
    """Draw the share of right answers over the estimate; a circle's area shows the number of answers.

    Filled circles are of the fitted gate, empty ones of the gate in use.

    Args:
        name: name of the model.
        check: the fitted gate on repositories that it has not seen.
    """
    whole = SIZE + 2 * MARGIN

    def place(x: float, y: float) -> tuple[float, float]:
        return MARGIN + SIZE * x, MARGIN + SIZE * (1 - y)

    series = ((check.reliability, "#1f77b4"), (check.other_reliability, "none"))
    most = max(each.count for bins, _ in series for each in bins)
    parts = [
        f'<rect width="{whole}" height="{whole}" fill="white"/>',
        f'<rect x="{MARGIN}" y="{MARGIN}" width="{SIZE}" height="{SIZE}" fill="none" stroke="#999"/>',
        f'<line x1="{MARGIN}" y1="{MARGIN + SIZE}" x2="{MARGIN + SIZE}" y2="{MARGIN}" stroke="#999"/>',
        _text(
            whole / 2,
            24,
            f"{name}: calibration error {check.calibration_error:.3f} (filled: fitted),"
            f" {check.other_calibration_error:.3f} (empty: in use)",
        ),
        _text(whole / 2, whole - 16, "estimated probability of being right"),
        _text(MARGIN, MARGIN - 10, "share that is right"),
    ]
    for share in (0.0, 0.5, 1.0):
        x, y = place(share, share)
        parts += [_text(x, MARGIN + SIZE + 18, f"{share:g}"), _text(MARGIN - 20, y + 4, f"{share:g}")]
    for bins, fill in series:
        for each in bins:
            x, y = place(each.estimated, each.right)
            radius = 3 + 12 * (each.count / most) ** 0.5
            parts.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{fill}" fill-opacity="0.6"'
                f' stroke="#1f77b4"><title>{each.count} answers: {each.right:.2f} right</title></circle>'
            )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="{whole}"'
        f' font-family="sans-serif">{"".join(parts)}</svg>\n'
    )


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" font-size="12">{escape(text)}</text>'
