"""Command `cg2-train grow`."""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

from cg2_training.cli.arguments import count

EXAMPLE = """\
example, a model of 27 million parameters made from one of 9 million:
  cg2-train grow runs/python-small/checkpoint -o runs/grown --n-layer 6 --n-embd 512
  cg2-train pretrain training/recipes/python-grown.toml --from runs/grown --train runs/train --heldout runs/heldout \\
    --run runs/python-grown
Before further training, the grown model has the source's logits.
"""


def add_grow(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `grow`."""
    parser.epilog = EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("source", type=Path, help="a checkpoint or a model folder")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="CHECKPOINT", help="checkpoint to write"
    )
    parser.add_argument("--n-layer", type=count, metavar="N", help="number of blocks (default: unchanged)")
    parser.add_argument(
        "--n-embd", type=count, metavar="D", help="width, a multiple of the source's (default: unchanged)"
    )
    parser.add_argument(
        "--context", type=count, metavar="N", help="maximum sequence length in tokens (default: unchanged)"
    )
    parser.add_argument(
        "--name", default="", help="name of the new model (default: the old name and the shape)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run_command=run_grow)


def run_grow(arguments: argparse.Namespace) -> int:
    """Grow a model and print its shape."""
    from cg2_training.model.grow import grow
    from cg2ls.models.codegen2 import Checkpoint

    with tempfile.TemporaryDirectory() as scratch:
        source = Checkpoint.open(_open_as_checkpoint(arguments.source, Path(scratch)))
        config = grow(
            source,
            arguments.output,
            n_layer=arguments.n_layer,
            n_embd=arguments.n_embd,
            context=arguments.context,
            name=arguments.name,
        )
        before, after = source.config.n_parameters, config.n_parameters
    if arguments.json:
        print(json.dumps({"parameters_before": before, "parameters": after, **asdict(config)}, indent=2))
        return 0
    print(
        f"{arguments.output}: {config.n_layer} layers x {config.n_embd}, context {config.n_positions},"
        f" {after:,} parameters (before: {before:,})"
    )
    return 0


def _open_as_checkpoint(source: Path, scratch: Path) -> Path:
    """Return a checkpoint unchanged, or convert a model folder to one."""
    if not (source / "model.json").is_file():
        return source
    from cg2_quantize.checkpoint.dequantize import dequantize

    checkpoint = scratch / "checkpoint"
    dequantize(source, checkpoint)
    return checkpoint
