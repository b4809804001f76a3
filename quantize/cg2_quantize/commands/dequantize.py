"""`cg2-quantize dequantize FOLDER -o CHECKPOINT`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cg2_quantize.commands import make_parser
from cg2ls.models.codegen2.config import CODEGEN2

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLE = """\
example:
  cg2-quantize dequantize models/my-model -o checkpoints/again
      writes the exact values the model computes with as a float32 checkpoint that transformers
      loads, to train on, to convert to another format, or to compare other runtimes with
"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command."""
    options_ = make_parser("cg2-quantize dequantize", "Turns a model folder back into a checkpoint.", EXAMPLE)
    options_.add_argument("folder", type=Path, metavar="FOLDER", help="a model folder")
    options_.add_argument(
        "-o", "--output", type=Path, required=True, metavar="CHECKPOINT", help="the checkpoint to make"
    )
    options_.add_argument("--force", action="store_true", help="replace a checkpoint that is there")
    options = options_.parse_args(arguments)

    from cg2_quantize.checkpoint.dequantize import dequantize

    config = dequantize(options.folder, options.output, force=options.force)
    layout = f", {config.qkv_groups} qkv groups" if config.family == CODEGEN2 else ""
    print(f"{options.output}: {config.n_parameters} parameters in float32{layout}")
    return 0
