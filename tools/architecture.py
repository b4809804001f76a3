"""Draw docs/design/architecture.svg: the packages and their imports, read from the code.

python tools/architecture.py [--check]
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from html import escape
from typing import TYPE_CHECKING

from import_graph import ROOT, import_graph, product_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Set

PICTURE = ROOT / "docs" / "design" / "architecture.svg"
WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 168, 46, 28, 64, 24
SHARED = "cg2ls (shared)"
LAYERED = ("cg2ls.models", "cg2ls.retrieval")
"""Packages that are drawn by their subpackages, since these import different packages."""

LARGE_MODULES = ("cg2ls.retrieval.context",)
"""Modules that are drawn like packages."""


def main() -> int:
    """Write the picture, or tell whether the one in docs is up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--check", action="store_true", help="exit 1 if the picture in docs is not up to date"
    )
    picture = draw(package_arrows(), package_sizes())
    if parser.parse_args().check:
        current = PICTURE.read_text("utf-8") if PICTURE.exists() else ""
        if current != picture:
            print(f"{PICTURE.relative_to(ROOT)} is not up to date; run `make architecture`.")
            return 1
        return 0
    PICTURE.write_text(picture, "utf-8")
    print(f"Wrote {PICTURE.relative_to(ROOT)}.")
    return 0


def package_of(module: str) -> str:
    """Return the box a module is drawn in; the plain modules of `cg2ls` share one."""
    parts = module.split(".")
    if parts[0] != "cg2ls":
        return parts[0]
    folder = parts[: 3 if ".".join(parts[:2]) in LAYERED else 2]
    is_package = len(parts) > 1 and ROOT.joinpath(*folder).is_dir()
    return ".".join(folder) if is_package or module in LARGE_MODULES else SHARED


def package_sizes() -> dict[str, int]:
    """Count the modules of each box."""
    sizes: dict[str, int] = defaultdict(int)
    for module in product_files():
        sizes[package_of(module)] += 1
    return {name: size for name, size in sizes.items() if name not in LAYERED}


def package_arrows() -> dict[str, set[str]]:
    """Return which box imports which; the shared modules, which everything imports, get no arrows."""
    arrows: dict[str, set[str]] = defaultdict(set)
    for module, targets in import_graph().items():
        arrows[package_of(module)] |= {package_of(target) for target in targets}
    left_out = {SHARED, *LAYERED}
    return {
        name: {target for target in targets if target not in {name, *left_out}}
        for name, targets in arrows.items()
        if name not in left_out
    }


def layers_of(arrows: Mapping[str, Set[str]]) -> list[list[str]]:
    """Sort boxes into rows, so that every arrow points down.

    Raises:
        ValueError: packages import each other in a cycle.
    """
    level: dict[str, int] = {}

    def visit(name: str, above: tuple[str, ...]) -> int:
        if name in above:
            raise ValueError(f"packages import each other: {' -> '.join((*above, name))}")
        if name not in level:
            below = [visit(target, (*above, name)) for target in sorted(arrows.get(name, ()))]
            level[name] = 1 + max(below, default=-1)
        return level[name]

    for name in sorted(arrows):
        visit(name, ())
    rows: list[list[str]] = [[] for _ in range(1 + max(level.values()))]
    for name in sorted(level):
        rows[level[name]].append(name)
    return rows[::-1]


def direct(arrows: Mapping[str, Set[str]]) -> dict[str, set[str]]:
    """Leave out the arrows that a longer path implies (the transitive reduction)."""

    def reach(name: str) -> set[str]:
        return set().union(*({target} | reach(target) for target in arrows.get(name, ())))

    return {
        name: {
            target
            for target in targets
            if not any(target in reach(other) for other in targets if other != target)
        }
        for name, targets in arrows.items()
    }


def draw(arrows: Mapping[str, Set[str]], sizes: Mapping[str, int]) -> str:
    """Return the picture as SVG."""
    rows = layers_of(arrows)
    columns = max(map(len, rows))
    total = columns * (WIDTH + GAP_X) - GAP_X
    place: dict[str, tuple[float, float]] = {}
    for number, row in enumerate(rows):
        left = MARGIN + (total - len(row) * (WIDTH + GAP_X) + GAP_X) / 2
        for index, name in enumerate(row):
            place[name] = (left + index * (WIDTH + GAP_X), MARGIN + number * (HEIGHT + GAP_Y))
    height = len(rows) * (HEIGHT + GAP_Y) - GAP_Y + 2 * MARGIN + 20
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{total + 2 * MARGIN:.0f}" height="{height:.0f}"'
            ' font-family="sans-serif" font-size="13">'
        ),
        (
            '<defs><marker id="head" markerWidth="8" markerHeight="8" refX="7" refY="3" orient="auto">'
            '<path d="M0,0 L7,3 L0,6 z" fill="#667"/></marker></defs>'
        ),
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for name, targets in sorted(direct(arrows).items()):
        for target in sorted(targets):
            (x, y), (to_x, to_y) = place[name], place[target]
            start, end = (x + WIDTH / 2, y + HEIGHT), (to_x + WIDTH / 2, to_y - 2)
            bend = (end[1] - start[1]) / 2
            parts.append(
                f'<path d="M{start[0]:.0f},{start[1]:.0f} C{start[0]:.0f},{start[1] + bend:.0f}'
                f' {end[0]:.0f},{end[1] - bend:.0f} {end[0]:.0f},{end[1]:.0f}"'
                ' fill="none" stroke="#99a" marker-end="url(#head)"/>'
            )
    for name, (x, y) in sorted(place.items()):
        parts.append(
            f'<rect x="{x:.0f}" y="{y:.0f}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#eef2fa" stroke="#557"/>'
            f'<text x="{x + WIDTH / 2:.0f}" y="{y + 20:.0f}" text-anchor="middle">{escape(name)}</text>'
            f'<text x="{x + WIDTH / 2:.0f}" y="{y + 37:.0f}" text-anchor="middle" font-size="11" fill="#556">'
            f"{sizes[name]} modules</text>"
        )
    parts.append(
        f'<text x="{MARGIN}" y="{height - 12:.0f}" font-size="11" fill="#556">An arrow means "imports". Arrows that a'
        " longer way implies, and the shared modules of cg2ls, are left out.</text></svg>\n"
    )
    return "\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
