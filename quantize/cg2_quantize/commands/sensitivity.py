"""`cg2-quantize sensitivity CHECKPOINT`."""

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

    from cg2_quantize.verification.sensitivity import MatrixLoss, MixedPlan

EXAMPLE = """\
example:
  cg2-quantize sensitivity checkpoints/my-model -o plan.json
  cg2-quantize checkpoints/my-model -o models/mixed --format int6 --eight-bits plan.json
      measures what each matrix loses by four bits, and keeps those that lose most in eight
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    parser = make_parser("cg2-quantize sensitivity", "Measure what each matrix loses by four bits.", EXAMPLE)
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
