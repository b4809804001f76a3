"""`cg2-quantize compare`, `frontier` and `sensitivity`: measurements that show which format to choose."""

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
    from cg2_quantize.verification.sensitivity import MatrixLoss, MixedPlan


COMPARE_EXAMPLE = """\
example:
  cg2-quantize compare models/int8 models/int4 models/nf4
      prints a column for each folder: the figures of its report.json, and its distance from the
      first folder over the held-out code that comes with cg2-quantize
"""


def run_compare(arguments: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    parser = make_parser("cg2-quantize compare", "Compare model folders.", COMPARE_EXAMPLE)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="model folders")
    parser.add_argument(
        "--tokens",
        type=int,
        default=2048,
        metavar="N",
        help="tokens to compare over; 0 for none (default: 2048)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per folder")
    options = parser.parse_args(arguments)

    from cg2_quantize.verification.comparison import compare_folders

    columns = compare_folders(options.folders, options.tokens)
    if options.json:
        print(json_text(columns, indent=2))
        return 0
    keys = list(dict.fromkeys(key for column in columns for key in column))
    rows = [(key, *(_cell(column.get(key)) for column in columns)) for key in keys]
    print(aligned(rows, right=range(1, len(columns) + 1)))
    return 0


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


FRONTIER_EXAMPLE = """\
example:
  cg2-quantize dequantize models/my-model -o checkpoints/shuffled --shuffle
  cg2-quantize frontier checkpoints/shuffled --ggml libggml-base.so --plot frontier.svg
      prints bits per weight and the distance from the float32 network, for each format and for
      llama.cpp's mixes; the library is a file of llama-cpp-python, ggml-python or llama.cpp
"""


def run_frontier(arguments: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    parser = make_parser("cg2-quantize frontier", "Compare formats by size and distance.", FRONTIER_EXAMPLE)
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

    from cg2_quantize.verification.frontier import FORMATS, measure_frontier, render_frontier
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


SENSITIVITY_EXAMPLE = """\
example:
  cg2-quantize sensitivity checkpoints/my-model -o plan.json
  cg2-quantize checkpoints/my-model -o models/mixed --format int6 --eight-bits plan.json
      measures what each matrix loses by four bits, and keeps those that lose most in eight
"""


def run_sensitivity(arguments: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    parser = make_parser(
        "cg2-quantize sensitivity", "Measure what each matrix loses by four bits.", SENSITIVITY_EXAMPLE
    )
    add = parser.add_argument
    add("checkpoint", type=Path, metavar="CHECKPOINT", help="a folder in the Hugging Face layout")
    add(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="also write a plan, for `--format int6 --eight-bits FILE`",
    )
    add(
        "--share",
        type=float,
        default=0.25,
        metavar="S",
        help="share of the blocks' weights in eight bits (default: 0.25, as int6 has without a plan)",
    )
    add("--tokens", type=int, default=2048, metavar="N", help="tokens to compare over (default: 2048)")
    add("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    if not 0 <= options.share <= 1:
        parser.error(f"--share is {options.share:g}, but must be between 0 and 1")

    from cg2_quantize.verification.sensitivity import MixedPlan, measure_sensitivity

    losses = []
    for loss in measure_sensitivity(options.checkpoint, tokens=options.tokens):
        losses.append(loss)
        print(f"{loss.name}: mean KL {loss.kl_mean:.2e}", file=sys.stderr)
    plan = MixedPlan.of(losses, share=options.share)
    if options.output is not None:
        write_atomically(options.output, json_text(plan.to_dict(), indent=2) + "\n")
    if options.json:
        matrices = [{"name": loss.name, "weights": loss.weights, "kl_mean": loss.kl_mean} for loss in losses]
        print(json_text({"matrices": matrices, "plan": plan.to_dict()}, indent=2))
    else:
        print(format_losses(losses, plan))
    return 0


def format_losses(losses: Sequence[MatrixLoss], plan: MixedPlan) -> str:
    """Format a table, the largest loss per weight first, and the plan's expected loss."""
    rows = [("matrix", "weights", "mean KL", "bits in the plan")]
    for loss in sorted(losses, key=lambda loss: loss.kl_mean / loss.weights, reverse=True):
        bits = "8" if loss.name in plan.eight_bits else "4"
        rows.append((loss.name, str(loss.weights), f"{loss.kl_mean:.2e}", bits))
    return (
        f"{aligned(rows, right={1, 2, 3})}\nThe matrices in four bits lose {plan.expected_kl:.2e} together."
    )
