"""Commands `cg2-train pack` and `cg2-train unpack`."""

from __future__ import annotations

import argparse
from pathlib import Path

from cg2_training.cli.arguments import amount

PACK_EXAMPLE = """\
example, half an hour on a remote machine with PyTorch, one GPU and no network:
  cg2-train pack training/recipes/python-27m.toml --corpus runs/corpus --tokenizer runs/tokenizer.json -o runs/pack
on the remote machine, with remote_session.py, pack.json and some pieces in one folder; repeat until all pieces have
arrived, and then once for each session:
  python3 remote_session.py --work remote --out "$OUT" --session 9 --budget 18 --installed
on this machine, with the uploads in uploads/:
  cg2-train unpack uploads/ --tokenizer runs/tokenizer.json -o runs/remote
"""


def add_pack(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `pack`."""
    parser.epilog = PACK_EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("recipe", type=Path, help="a recipe file (TOML)")
    parser.add_argument("--corpus", type=Path, required=True, metavar="FOLDER", help="folder of corpus build")
    parser.add_argument("--tokenizer", type=Path, required=True, metavar="FILE", help="file of the tokenizer")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder to write")
    parser.add_argument(
        "--from",
        dest="start",
        type=Path,
        metavar="CHECKPOINT",
        help="weights to begin with, such as the checkpoint of an unpacked run",
    )
    parser.add_argument(
        "--piece-mb", type=amount, default=30.0, help="maximum size of a piece (default: %(default)s)"
    )
    parser.set_defaults(run_command=run_pack)


def run_pack(arguments: argparse.Namespace) -> int:
    """Pack a run."""
    from cg2_training.remote.pack import pack_run

    pack = pack_run(
        arguments.recipe,
        arguments.corpus,
        arguments.tokenizer,
        arguments.output,
        start=arguments.start,
        piece_mb=arguments.piece_mb,
    )
    print(
        f"{pack.folder}: {len(pack.pieces)} pieces, {pack.bytes / 1e6:.1f} MB,"
        f" for {pack.text_bytes / 1e6:.0f} MB of text"
    )
    return 0


def add_unpack(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `unpack`."""
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="uploads of the sessions")
    parser.add_argument("--tokenizer", type=Path, required=True, metavar="FILE", help="the packed tokenizer")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="RUN", help="run to write")
    parser.set_defaults(run_command=run_unpack)


def run_unpack(arguments: argparse.Namespace) -> int:
    """Make a run's folder from uploads."""
    from cg2_training.remote.upload import collect_uploads
    from cg2ls.models.codegen2 import CodeTokenizer

    report = collect_uploads(arguments.folders, CodeTokenizer.load(arguments.tokenizer), arguments.output)
    print(
        f"{arguments.output}: {report['parameters']:,} parameters, {report['tokens_seen']:,} tokens seen"
        f" ({report['epochs']} epochs), {report['heldout']['bits_per_byte']:.4f} bits per byte held out"
    )
    return 0
