"""The commands `cg2-train tokenizer`, `tokenize` and `show-batch`."""

from __future__ import annotations

import argparse
import json
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from cg2_training.cli.arguments import add_recipe_options, count, index, recipe_overrides

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from cg2_training.data.row_stats import RowStats
    from cg2ls.models.codegen2 import CodeTokenizer

STATS_ROWS = 512
"""Default number of rows for statistics."""


def add_show_batch(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `show-batch`."""
    add_recipe_options(parser)
    parser.add_argument(
        "--step", type=index, default=0, help="step whose rows come first (default: %(default)s)"
    )
    parser.add_argument(
        "--stats",
        action="store_true",
        help="print mask ratios, span lengths and cut rows instead of the text",
    )
    parser.add_argument(
        "--rows",
        type=count,
        metavar="N",
        help=f"number of rows (default: those of one step; with --stats {STATS_ROWS})",
    )
    parser.add_argument("--json", action="store_true", help="print JSON; needs --stats")
    parser.set_defaults(run_command=_run_show)


def _run_show(arguments: argparse.Namespace) -> int:
    from cg2_training.data.batches import row_stream
    from cg2_training.data.row_stats import collect_row_stats
    from cg2_training.data.shards import ShardSet
    from cg2_training.errors import TrainingError
    from cg2_training.run.recipe import Recipe

    if arguments.json and not arguments.stats:
        raise TrainingError("--json needs --stats, since rows are printed as text; add --stats.")
    recipe = Recipe.load(arguments.recipe, recipe_overrides(arguments))
    shards = ShardSet.open(arguments.train)
    stream = row_stream(
        shards, recipe.model.context_length, recipe.objective, recipe.run.seed, data=recipe.data
    )
    first = arguments.step * recipe.run.rows_per_step
    rows = arguments.rows or (STATS_ROWS if arguments.stats else recipe.run.rows_per_step)
    if stream.limit is not None:
        rows = min(rows, max(0, stream.limit - first))
    if arguments.stats:
        stats = collect_row_stats(stream, first, rows)
        print(json.dumps(stats.to_dict(), indent=2) if arguments.json else format_stats(stats))
        return 0
    for number in range(first, first + rows):
        print(f"--- row {number} {stream.origin(number)}".rstrip())
        print(render_row(stream.row(number), shards.tokenizer))
    epochs = stream.epochs(recipe.run.steps * recipe.run.rows_per_step)
    epochs_text = ", ".join(f"{name} {times:.2f}" for name, times in epochs.items())
    print(f"--- epochs in {recipe.run.steps:,} steps: {epochs_text}")
    return 0


def format_stats(stats: RowStats) -> str:
    """Format the statistics as tables."""
    from cg2ls.commandline import aligned

    table = stats.to_dict()
    ratio = table["mask_ratio"]
    lines = [
        ["rows", f"{table['rows']}"],
        ["rows with masks", f"{table['infill_rows']}"],
        ["rows that lose an answer", f"{table['rows_cut']}"],
        ["tokens a row", f"{table['tokens_per_row']}"],
        ["share masked, mean", f"{ratio['mean']:.3f}"],
        ["share masked, 5 % to 95 %", f"{ratio['p05']:.3f} to {ratio['p95']:.3f}"],
        ["middles a part", f"{table['middles_per_part']}"],
        ["middle starts per 1,000 labels of rows with masks", f"{table['middle_starts_per_1000_labels']}"],
        ["single-line middles", f"{100 * table['single_line_share']:.1f} %"],
        ["middles after known text", f"{100 * table['known_text']['share_of_middles']:.1f} %"],
        ["characters of known text, mean", f"{table['known_text']['mean_chars']}"],
        ["parts in suffix-prefix order", f"{100 * table['suffix_first_share_of_parts']:.1f} %"],
        ["characters below a part's last middle, mean", f"{table['chars_below_last_middle']}"],
    ]
    by_mask = [
        [number, f"{entry['middles']}", f"{entry['mean']}"]
        for number, entry in table["chars_by_mask"].items()
    ]
    head = ["mask", "middles", "mean characters"]
    return aligned(lines, right=(1,)) + "\n\n" + aligned([head, *by_mask], right=(1, 2))


def render_row(row: npt.NDArray[np.int64], tokenizer: CodeTokenizer) -> str:
    """Decode a row's tokens, with special tokens as text and without padding."""
    special = tokenizer.special
    names = {special.end_of_text: "<|endoftext|>", special.sep: "<sep>", special.eom: "<eom>"}
    names |= {special.mask(number): f"<mask_{number}>" for number in range(1, special.n_masks + 1)}
    parts: list[str] = []
    text: list[int] = []
    for token in [int(token) for token in row if token >= 0]:
        if token in names:
            parts += [tokenizer.decode(text), names[token]]
            text = []
        else:
            text.append(token)
    return "".join([*parts, tokenizer.decode(text)])


CORPUS_HELP = "a corpus file with one JSON document per line, or a folder of corpus collect"


def add_tokenizer(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `tokenizer`."""
    parser.add_argument("corpus", type=Path, help=CORPUS_HELP)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="file to write")
    parser.add_argument(
        "--vocab-size", type=count, default=8192, help="size of the whole vocabulary (default: %(default)s)"
    )
    parser.add_argument(
        "--masks", type=count, default=100, help="number of <mask_N> tokens (default: %(default)s)"
    )
    parser.add_argument(
        "--documents",
        type=count,
        default=8000,
        help="number of documents to learn from (default: %(default)s)",
    )
    parser.set_defaults(run_command=_run_tokenizer)


def _run_tokenizer(arguments: argparse.Namespace) -> int:
    from cg2_training.data.shards import interleaved
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
            f"{len(sample.encode()) / len(tokenizer.encode(sample)):.2f} bytes per token on other documents"
        )
    return 0


def add_tokenize(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `tokenize`."""
    parser.add_argument("corpus", type=Path, help=CORPUS_HELP)
    parser.add_argument("--tokenizer", type=Path, required=True, metavar="FILE", help="file of the tokenizer")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder to write")
    parser.set_defaults(run_command=_run_tokenize)


def _run_tokenize(arguments: argparse.Namespace) -> int:
    from cg2_training.data.shards import files_of, tokenize_corpus, tokenize_folder
    from cg2ls.models.codegen2 import CodeTokenizer

    tokenizer = CodeTokenizer.load(arguments.tokenizer)
    if arguments.corpus.is_dir():
        shards = tokenize_folder(arguments.corpus, tokenizer, arguments.output)
        if not files_of(arguments.corpus, "heldout"):
            print(
                f"cg2-train: {arguments.corpus} has no held-out documents, which pretrain needs; collect it again"
                " with a larger --heldout.",
                file=sys.stderr,
            )
    else:
        shards = {arguments.output: tokenize_corpus(arguments.corpus, tokenizer, arguments.output)}
    for path, shard in shards.items():
        print(f"{path}: {len(shard.tokens):,} tokens, {shard.bytes:,} bytes")
    return 0
