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
from cg2_training.cli.lessons import add_lessons
from cg2_training.cli.pretrain import add_export, add_plan, add_pretrain
from cg2_training.cli.remote import add_pack, add_unpack
from cg2ls.commandline import Parser, add_command_group, run_command

EXAMPLE = """\
example, from packages to a checkpoint:
  cg2-train corpus build training/manifests/python-permissive.toml -o runs/corpus
  cg2-train tokenizer runs/corpus/train.jsonl -o runs/tokenizer.json --vocab-size 8192
  cg2-train tokenize runs/corpus/train.jsonl --tokenizer runs/tokenizer.json -o runs/train
  cg2-train tokenize runs/corpus/heldout.jsonl --tokenizer runs/tokenizer.json -o runs/heldout
  cg2-train pretrain training/recipes/python-small.toml --train runs/train --heldout runs/heldout \\
    --run runs/python-small
  cg2-train export runs/python-small --heldout runs/heldout --corpus runs/corpus -o models/python-small
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""

    def run() -> int:
        arguments = _parser().parse_args(argv)
        return int(arguments.run_command(arguments))

    return run_command(
        "cg2-train",
        run,
        install="torch matplotlib rensa tqdm onnx onnxruntime",
        interrupted="interrupted; the same command resumes.",
    )


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="cg2-train",
        description="Train CodeGen2 models: corpus, tokenizer, pretraining, evaluation and export.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = add_command_group(parser, runs_as="run_command")
    add_corpus(
        commands.add_parser("corpus", help="make a corpus from packages, folders, repositories and dumps")
    )
    add_tokenizer(commands.add_parser("tokenizer", help="train a byte-level BPE tokenizer on code"))
    add_tokenize(commands.add_parser("tokenize", help="tokenize a corpus into token shards"))
    add_plan(commands.add_parser("plan", help="estimate the memory, speed and time that a recipe needs"))
    add_pretrain(commands.add_parser("pretrain", help="train a model; run the same command to resume"))
    add_grow(commands.add_parser("grow", help="make a larger model that computes the same function"))
    add_evaluate(
        commands.add_parser("evaluate", help="measure the held-out loss of a checkpoint or a model folder")
    )
    add_export(
        commands.add_parser("export", help="export a run as a measured model folder with a model card")
    )
    add_adapt(commands.add_parser("adapt", help="adapt a model to your repository, if that improves it"))
    add_pack(commands.add_parser("pack", help="pack a run for a remote machine without network"))
    add_unpack(commands.add_parser("unpack", help="make a run from the uploads of a remote machine"))
    add_bench(commands.add_parser("bench", help="compare the training speed with the Hugging Face Trainer"))
    add_show_batch(
        commands.add_parser("show-batch", help="print the training rows of a step, or their statistics")
    )
    add_lessons(commands.add_parser("lessons", help="repeat the paper's five lessons and report on them"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
