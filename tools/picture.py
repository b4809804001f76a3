"""Turn a terminal program's output into an SVG picture.

script -qec "python tools/demo.py" /dev/null | python tools/picture.py demo.svg "make demo"
"""

from __future__ import annotations

import argparse
import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 100
"""Columns."""

_FONT = re.compile(r"\s*@font-face\s*\{.*?\}", re.DOTALL)


def main() -> int:
    """Read standard input and write the picture."""
    parser = argparse.ArgumentParser(
        description="Turn terminal output on standard input into an SVG picture."
    )
    parser.add_argument("picture", type=Path)
    parser.add_argument("title")
    parser.add_argument("--lines", type=int, default=60, help="maximum lines to draw (default: %(default)s)")
    arguments = parser.parse_args()
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    lines = sys.stdin.read().replace("\r\n", "\n").splitlines()
    console.print(Text.from_ansi("\n".join(lines[: arguments.lines])))
    # rich names web fonts, but a picture in a README must not load anything; and some viewers drop indentation
    svg = _FONT.sub("", console.export_svg(title=arguments.title)).replace(
        "<svg ", '<svg xml:space="preserve" ', 1
    )
    arguments.picture.write_text(svg, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
