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
      loads: to train it further, convert it to another format, or compare other runtimes with it
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    parser = make_parser("cg2-quantize dequantize", "Convert a model folder back to a checkpoint.", EXAMPLE)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a model folder")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="CHECKPOINT", help="the checkpoint to make"
    )
    parser.add_argument(
        "--shuffle",
        action="store_true",
        help="change the order of channels: the same function, for comparing formats on weights that were rounded",
    )
    parser.add_argument("--force", action="store_true", help="replace an existing checkpoint")
    options = parser.parse_args(arguments)

    from cg2_quantize.checkpoint.dequantize import dequantize

    config = dequantize(options.folder, options.output, force=options.force, shuffle=options.shuffle)
    layout = f", {config.qkv_groups} qkv groups" if config.family == CODEGEN2 else ""
    print(f"{options.output}: {config.n_parameters} parameters in float32{layout}")
    return 0
