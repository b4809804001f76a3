"""The command `cg2-train`."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from cg2_training.cli.adapt import add_adapt
from cg2_training.cli.arguments import amount, count
from cg2_training.cli.bench import add_bench
from cg2_training.cli.corpus import add_corpus
from cg2_training.cli.evaluate import add_evaluate
from cg2_training.cli.grow import add_grow
from cg2_training.cli.lessons import add_lessons
from cg2_training.cli.plan import add_plan
from cg2_training.cli.recipe_options import add_recipe_options, recipe_overrides
from cg2_training.cli.remote import add_pack, add_unpack
from cg2_training.cli.show_batch import add_show
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


CORPUS = "a corpus file, one JSON document a line, or the folder of corpus collect"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""

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
    _tokenizer(commands.add_parser("tokenizer", help="train a byte-level BPE tokenizer on code"))
    _tokenize(commands.add_parser("tokenize", help="turn a corpus file into a token shard"))
    add_plan(commands.add_parser("plan", help="what a recipe will need, before anything is spent"))
    _pretrain(commands.add_parser("pretrain", help="train a model; the same command resumes"))
    add_grow(commands.add_parser("grow", help="a larger model that computes the same, to train on"))
    add_evaluate(commands.add_parser("evaluate", help="held-out loss of a checkpoint or a model folder"))
    _export(commands.add_parser("export", help="turn a run into a measured model folder with a model card"))
    add_adapt(commands.add_parser("adapt", help="teach a model your own repository, if that helps"))
    add_lessons(commands.add_parser("lessons", help="repeat the paper's five lessons and report on them"))
    add_pack(commands.add_parser("pack", help="pack a run for a borrowed machine without a network"))
    add_unpack(commands.add_parser("unpack", help="make a run of what a borrowed machine left"))
    add_bench(commands.add_parser("bench", help="training speed, beside the Hugging Face Trainer's"))
    add_show(commands.add_parser("show-batch", help="print the rows of a step as text, or in numbers"))
    return parser


def _tokenizer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("corpus", type=Path, help=CORPUS)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--vocab-size", type=count, default=8192, help="the whole vocabulary (default: %(default)s)"
    )
    parser.add_argument(
        "--masks", type=count, default=100, help="how many <mask_N> tokens (default: %(default)s)"
    )
    parser.add_argument(
        "--documents", type=count, default=8000, help="documents to learn from (default: %(default)s)"
    )
    parser.set_defaults(run_command=_run_tokenizer)


def _run_tokenizer(arguments: argparse.Namespace) -> int:
    from cg2_training.data.corpus_folder import interleaved
    from cg2_training.data.tokenizer import padding_problem, train_tokenizer
    from cg2ls.files import write_atomically

    documents = islice(interleaved(arguments.corpus), arguments.documents)
    tokenizer = train_tokenizer(documents, arguments.vocab_size, arguments.masks)
    if notice := padding_problem(tokenizer):
        print(f"cg2-train: {notice}", file=sys.stderr)
    write_atomically(arguments.output, tokenizer.to_json())
    sample = "".join(islice(interleaved(arguments.corpus), arguments.documents, arguments.documents + 50))
    print(f"{arguments.output}: {arguments.vocab_size} tokens")
    if sample:
        print(
            f"{len(sample.encode()) / len(tokenizer.encode(sample)):.2f} bytes per token on documents not learned from"
        )
    return 0


def _tokenize(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("corpus", type=Path, help=CORPUS)
    parser.add_argument("--tokenizer", type=Path, required=True, metavar="FILE")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    parser.set_defaults(run_command=_run_tokenize)


def _run_tokenize(arguments: argparse.Namespace) -> int:
    from cg2_training.data.corpus_folder import files_of, tokenize_folder
    from cg2_training.data.shards import tokenize_corpus
    from cg2ls.models.codegen2 import CodeTokenizer

    tokenizer = CodeTokenizer.load(arguments.tokenizer)
    if arguments.corpus.is_dir():
        made = tokenize_folder(arguments.corpus, tokenizer, arguments.output)
        if not files_of(arguments.corpus, "heldout"):
            print(
                f"cg2-train: {arguments.corpus} holds nothing out, so pretrain could not measure; collect it again"
                " with a greater --heldout.",
                file=sys.stderr,
            )
    else:
        made = {arguments.output: tokenize_corpus(arguments.corpus, tokenizer, arguments.output)}
    for path, shard in made.items():
        print(f"{path}: {len(shard.tokens):,} tokens, {shard.bytes:,} bytes")
    return 0


def _pretrain(parser: argparse.ArgumentParser) -> None:
    add_recipe_options(parser)
    parser.add_argument(
        "--heldout", type=Path, required=True, metavar="FOLDER", help="token shards to evaluate on, likewise"
    )
    parser.add_argument(
        "--run", type=Path, required=True, metavar="FOLDER", help="states, log, checkpoint, picture"
    )
    parser.add_argument(
        "--from",
        type=Path,
        dest="start",
        metavar="CHECKPOINT",
        help="weights to go on from; the recipe's warm-up warms the learning rate up again",
    )
    parser.add_argument(
        "--minutes", type=amount, metavar="N", help="stop after this time; the same command goes on"
    )
    parser.add_argument(
        "--accept-changes",
        action="store_true",
        help="go on with a run although its recipe, seed or tokens are others than before",
    )
    parser.set_defaults(run_command=_run_pretrain)


def _run_pretrain(arguments: argparse.Namespace) -> int:
    from cg2_training.data.shard_set import ShardSet
    from cg2_training.run.recipe import Recipe
    from cg2_training.trainer import Trainer
    from cg2ls.models.codegen2 import Checkpoint

    recipe = Recipe.load(arguments.recipe, recipe_overrides(arguments))
    trainer = Trainer(
        recipe,
        ShardSet.open(arguments.train),
        ShardSet.open(arguments.heldout),
        arguments.run,
        start=Checkpoint.open(arguments.start) if arguments.start else None,
        accept_changes=arguments.accept_changes,
    )
    if trainer.ranks.first:
        for told in (trainer.precision, trainer.threads, *trainer.changes):
            print(told, file=sys.stderr)
    trainer.fit(deadline=time.monotonic() + 60 * arguments.minutes if arguments.minutes else math.inf)
    print(
        f"{arguments.run / 'checkpoint'}: {trainer.model.config.n_parameters:,} parameters, {trainer.done} steps"
    )
    return 0


def _export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="the folder of a pretraining run")
    parser.add_argument(
        "--heldout", type=Path, required=True, metavar="FOLDER", help="token shard to measure on"
    )
    parser.add_argument(
        "--corpus", type=Path, required=True, metavar="FOLDER", help="the built corpus, for the card"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--format", choices=("int8", "int4", "fp32"), default="int8")
    parser.add_argument(
        "--language", default="python", help="what the corpus is written in (default: %(default)s)"
    )
    parser.add_argument(
        "--license", default="Apache-2.0", help="SPDX id of the weights (default: %(default)s)"
    )
    parser.set_defaults(run_command=_run_export)


def _run_export(arguments: argparse.Namespace) -> int:
    from cg2_training.export.publish import publish

    card = publish(
        arguments.run,
        arguments.heldout,
        arguments.corpus,
        arguments.output,
        precision=arguments.format,
        language=arguments.language,
        license_id=arguments.license,
    )
    print(card)
    return 0


if __name__ == "__main__":
    sys.exit(main())
