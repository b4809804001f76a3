"""`cg2-quantize frontier CHECKPOINT`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cg2_quantize.commands import make_parser
from cg2ls.commandline import aligned
from cg2ls.files import write_atomically
from cg2ls.jsontext import json_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cg2_quantize.verification.frontier import Point

EXAMPLE = """\
example:
  cg2-quantize dequantize models/my-model -o checkpoints/shuffled --shuffle
  cg2-quantize frontier checkpoints/shuffled --ggml libggml-base.so --plot frontier.svg
      prints bits per weight and the distance from the float32 network, for each format and for
      llama.cpp's mixes; the library is a file of llama-cpp-python, ggml-python or llama.cpp
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    parser = make_parser("cg2-quantize frontier", "Compare formats by size and distance.", EXAMPLE)
    add = parser.add_argument
    add("checkpoint", type=Path, metavar="CHECKPOINT", help="a folder in the Hugging Face layout")
    add("--tokens", type=int, default=2048, metavar="N", help="tokens to compare over (default: 2048)")
    add(
        "--formats",
        nargs="+",
        metavar="F",
        help='formats, such as int4 and "int4 --calibrate" (default: six)',
    )
    add("--eight-bits", type=Path, metavar="FILE", help='plan for formats such as "int6 --eight-bits"')
    add("--ggml", type=Path, metavar="FILE", help="libggml-base, for llama.cpp's mixes")
    add("--plot", type=Path, metavar="FILE", help="also write a picture (SVG)")
    add("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)

    from cg2_quantize.verification.frontier import FORMATS, measure_frontier
    from cg2_quantize.verification.frontier_plot import render_frontier
    from cg2_quantize.verification.sensitivity import read_mixed_plan

    points = []
    for point in measure_frontier(
        options.checkpoint,
        tokens=options.tokens,
        formats=options.formats or FORMATS,
        ggml=options.ggml,
        eight_bits=read_mixed_plan(options.eight_bits) if options.eight_bits else (),
    ):
        points.append(point)
        share = sum(point.agreement) / len(point.agreement)
        figures = f"{point.bits_per_weight:.2f} bits, mean KL {point.kl_mean:.2e}, {share:.2%} agree"
        print(f"{point.name}: {figures}", file=sys.stderr)
    if options.plot is not None:
        write_atomically(options.plot, render_frontier(points))
    if options.json:
        keys = ("name", "bits_per_weight", "kl_mean", "kl_error", "kl", "agreement", "runs")
        print(json_text([{key: getattr(point, key) for key in keys} for point in points], indent=2))
    else:
        print(format_frontier(points))
    return 0


def format_frontier(points: Sequence[Point]) -> str:
    """Format a table; where the baseline was measured, with the paired difference from it."""
    from cg2_quantize.verification.frontier import BASELINE

    baseline = next((point for point in points if point.name == BASELINE), None)
    head = ["format", "bits/weight", "mean KL", "+-", "same likeliest"]
    rows = [tuple([*head, f"KL less {BASELINE}'s", "+-"] if baseline else head)]
    for point in points:
        share = sum(point.agreement) / len(point.agreement)
        cells = [
            point.name,
            f"{point.bits_per_weight:.2f}",
            f"{point.kl_mean:.2e}",
            f"{2 * point.kl_error:.1e}",
        ]
        cells.append(f"{share:.2%}")
        if baseline is not None:
            difference, error = point.kl_less_than(baseline)
            cells += [f"{difference:+.2e}", f"{2 * error:.1e}"]
        rows.append(tuple(cells))
    return aligned(rows, right=set(range(1, len(rows[0]))))
