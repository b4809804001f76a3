"""cg2-quantize: the command line."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cg2_quantize.formats.catalogue import FORMATS
from cg2ls.commandline import Parser, run_command
from cg2ls.table import aligned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cg2_quantize.folder import Report

CONVERT_EXAMPLE = """\
example:
  cg2-quantize checkpoints/my-model -o models/my-model --format int8
      reads checkpoints/my-model (config.json, tokenizer.json, *.safetensors)
      and writes models/my-model (model.onnx, model.onnx.data, tokenizer.json, model.json)

formats:
  int8   fastest on CPUs with VNNI, about 1 byte per weight (default)
  int4   smallest, the embedding and the head in 8 bits
  fp32   the checkpoint's own values, 4 bytes per weight

the way back:
  cg2-quantize dequantize models/my-model -o checkpoints/again
"""

DEQUANTIZE_EXAMPLE = """\
example:
  cg2-quantize dequantize models/my-model -o checkpoints/again
      writes the exact values the model computes with as a float32 checkpoint that transformers
      loads, to train on, to convert to another format, or to compare other runtimes with
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)

    def work() -> int:
        if arguments[:1] == ["dequantize"]:
            return _dequantize(arguments[1:])
        return _convert(arguments)

    return run_command(
        "cg2-quantize",
        work,
        install="onnx tqdm",
        interrupted="interrupted; nothing was written.",
    )


def _convert(arguments: Sequence[str]) -> int:
    options = _convert_parser().parse_args(arguments)

    from cg2_quantize.folder import convert

    report = convert(
        options.checkpoint,
        options.output,
        precision=options.format,
        name=options.name,
        qkv_groups=options.qkv_groups,
        license=options.license,
        force=options.force,
    )
    print(json.dumps(report.to_dict()) if options.json else table(report))
    return 0


def _dequantize(arguments: Sequence[str]) -> int:
    parser = _parser(
        "cg2-quantize dequantize", "Turns a model folder back into a checkpoint.", DEQUANTIZE_EXAMPLE
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a model folder")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="CHECKPOINT", help="the checkpoint to make"
    )
    parser.add_argument("--force", action="store_true", help="replace a checkpoint that is there")
    options = parser.parse_args(arguments)

    from cg2_quantize.dequantize import dequantize

    config = dequantize(options.folder, options.output, force=options.force)
    print(f"{options.output}: {config.n_parameters} parameters in float32, {config.qkv_groups} qkv groups")
    return 0


def table(report: Report) -> str:
    """A heading and one line."""
    row = (
        report.name,
        report.precision,
        str(report.parameters),
        str(report.bytes),
        f"{report.bits_per_weight:.2f}",
        f"{report.seconds:.1f}",
    )
    heads = ("model", "format", "parameters", "bytes", "bits/weight", "seconds")
    return aligned((heads, row), right=range(len(heads)))


def _convert_parser() -> Parser:
    parser = _parser(
        "cg2-quantize", "Turns a CodeGen2 checkpoint into a model folder that cg2ls runs.", CONVERT_EXAMPLE
    )
    parser.add_argument(
        "checkpoint", type=Path, metavar="CHECKPOINT", help="a checkpoint in the Hugging Face layout"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="the model folder to make"
    )
    parser.add_argument("--format", choices=FORMATS, default="int8", help="precision (default: int8)")
    parser.add_argument(
        "--name", help="the model's name (default: cg2ls.json's, else the checkpoint folder's)"
    )
    parser.add_argument(
        "--qkv-groups",
        type=int,
        metavar="N",
        help="groups in the fused attention weights: 8 for the published 1B and 3.7B, 4 for 7B and 16B"
        " (default: what config.json implies)",
    )
    parser.add_argument("--license", metavar="SPDX", help="licence of the weights (default: cg2ls.json's)")
    parser.add_argument("--force", action="store_true", help="replace a model folder that is there")
    parser.add_argument("--json", action="store_true", help="report as one JSON object")
    return parser


def _parser(program: str, description: str, epilog: str) -> Parser:
    return Parser(
        prog=program,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
