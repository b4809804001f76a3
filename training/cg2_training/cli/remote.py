"""The commands `cg2-train pack` and `cg2-train unpack`."""

from __future__ import annotations

import argparse
from pathlib import Path

from cg2_training.cli.arguments import amount

PACK_EXAMPLE = """\
example, half an hour on a machine that has PyTorch, one GPU and no network:
  cg2-train pack training/recipes/python-27m.toml --corpus runs/corpus --tokenizer runs/tokenizer.json -o runs/pack
there, with as many pieces beside lease.py as can be sent at a time, until all have come and again for each leg:
  python3 lease.py --work leased --out "$OUT" --leg 9 --budget 18 --installed
and here again, with what it left:
  cg2-train unpack home/ --tokenizer runs/tokenizer.json -o runs/leased
"""


def add_pack(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `pack`."""
    parser.epilog = PACK_EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--corpus", type=Path, required=True, metavar="FOLDER", help="made by corpus build")
    parser.add_argument("--tokenizer", type=Path, required=True, metavar="FILE")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--piece-mb", type=amount, default=30.0, help="largest piece (default: %(default)s)")
    parser.set_defaults(run_command=run_pack)


def run_pack(arguments: argparse.Namespace) -> int:
    """Pack a run."""
    from cg2_training.remote.pack import pack_run

    pack = pack_run(
        arguments.recipe,
        arguments.corpus,
        arguments.tokenizer,
        arguments.output,
        piece_mb=arguments.piece_mb,
    )
    print(
        f"{pack.folder}: {len(pack.pieces)} pieces, {pack.bytes / 1e6:.1f} MB,"
        f" for {pack.text_bytes / 1e6:.0f} MB of text"
    )
    return 0


def add_unpack(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `unpack`."""
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="what the legs left")
    parser.add_argument(
        "--tokenizer", type=Path, required=True, metavar="FILE", help="the one that was packed"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="RUN")
    parser.set_defaults(run_command=run_unpack)


def run_unpack(arguments: argparse.Namespace) -> int:
    """Make a run's folder of what came home."""
    from cg2_training.remote.upload import collect_uploads
    from cg2ls.models.codegen2 import CodeTokenizer

    report = collect_uploads(arguments.folders, CodeTokenizer.load(arguments.tokenizer), arguments.output)
    print(
        f"{arguments.output}: {report['parameters']:,} parameters, {report['tokens_seen']:,} tokens seen"
        f" ({report['epochs']} epochs), {report['heldout']['bits_per_byte']:.4f} bits per byte held out"
    )
    return 0
