"""The command `cg2-train`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from cg2_training.cli.adapt import add_adapt
from cg2_training.cli.bench import add_bench
from cg2_training.cli.corpus import add_corpus
from cg2_training.cli.data import add_show_batch, add_tokenize, add_tokenizer
from cg2_training.cli.evaluate import add_evaluate
from cg2_training.cli.grow import add_grow
from cg2_training.cli.pretrain import add_export, add_plan, add_pretrain
from cg2_training.cli.remote import add_pack, add_unpack
from cg2ls.commandline import Parser, run_command

EXAMPLE = """\
example, from packages to a checkpoint:
  cg2-train corpus build training/manifests/python-permissive.toml -o runs/corpus
  cg2-train tokenizer runs/corpus/train.jsonl -o runs/tokenizer.json --vocab-size 8192
  cg2-train tokenize runs/corpus/train.jsonl --tokenizer runs/tokenizer.json -o runs/train
  cg2-train tokenize runs/corpus/heldout.jsonl --tokenizer runs/tokenizer.json -o runs/heldout
  cg2-train pretrain training/recipes/python-small.toml --train runs/train --heldout runs/heldout \
    --run runs/python-small
  cg2-train export runs/python-small --heldout runs/heldout --corpus runs/corpus -o models/python-small
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""

    def work() -> int:
        arguments = _parser().parse_args(argv)
        return int(arguments.run_command(arguments))

    return run_command(
        "cg2-train",
        work,
        install="torch matplotlib rensa tqdm onnx onnxruntime",
        interrupted="interrupted; the same command resumes.",
    )


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="cg2-train",
        description="Trains CodeGen2 models: corpus, tokenizer, pretraining, checkpoint.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_corpus(commands.add_parser("corpus", help="make a corpus of packages, folders, repositories, dumps"))
    add_tokenizer(commands.add_parser("tokenizer", help="train a byte-level BPE tokenizer on code"))
    add_tokenize(commands.add_parser("tokenize", help="turn a corpus file into a token shard"))
    add_plan(commands.add_parser("plan", help="what a recipe will need, before anything is spent"))
    add_pretrain(commands.add_parser("pretrain", help="train a model; the same command resumes"))
    add_grow(commands.add_parser("grow", help="a larger model that computes the same, to train on"))
    add_evaluate(commands.add_parser("evaluate", help="held-out loss of a checkpoint or a model folder"))
    add_export(
        commands.add_parser("export", help="turn a run into a measured model folder with a model card")
    )
    add_adapt(commands.add_parser("adapt", help="teach a model your own repository, if that helps"))
    add_pack(commands.add_parser("pack", help="pack a run for a borrowed machine without a network"))
    add_unpack(commands.add_parser("unpack", help="make a run of what a borrowed machine left"))
    add_bench(commands.add_parser("bench", help="training speed, beside the Hugging Face Trainer's"))
    add_show_batch(commands.add_parser("show-batch", help="print the rows of a step as text, or in numbers"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
