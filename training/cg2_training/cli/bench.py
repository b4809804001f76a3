"""Command `cg2-train bench`."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from cg2_training.cli.arguments import count, index

EXAMPLE = """\
example, with the shape of the documentation's figures:
  cg2-train bench --shape 42m --rows 4
`matmul_peak_share` is the share of the FLOP/s of a large matrix product, measured in the same run; `mfu` is the share
of the data sheet's FLOP/s, for known GPUs.
"""


def add_bench(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bench`."""
    parser.epilog = EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--shape",
        choices=("10m", "42m", "125m", "350m"),
        default="42m",
        help="shape of the model (default: %(default)s)",
    )
    parser.add_argument("--rows", type=count, default=4, help="rows of a step (default: %(default)s)")
    parser.add_argument(
        "--rows-per-pass", type=index, default=0, help="rows of one pass; 0 for all at once (default)"
    )
    parser.add_argument("--turn", type=count, default=3, help="steps of a turn (default: %(default)s)")
    parser.add_argument(
        "--rounds", type=count, default=5, help="measured turns of each trainer (default: %(default)s)"
    )
    parser.add_argument(
        "--loaders", type=index, default=1, help="worker processes that make batches (default: %(default)s)"
    )
    parser.add_argument("--threads", type=index, default=0, help="CPU threads; 0 for automatic (default)")
    parser.add_argument("--alone", action="store_true", help="exclude the Hugging Face Trainer")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run_command=run_bench)


def run_bench(arguments: argparse.Namespace) -> int:
    """Measure the training speed and print it."""
    from cg2_training.bench.measure import make_bench_recipe, make_bench_shard, measure

    recipe = make_bench_recipe(
        arguments.shape,
        rows=arguments.rows,
        rows_per_pass=arguments.rows_per_pass,
        steps=1000,
        loaders=arguments.loaders,
        threads=arguments.threads,
    )
    with tempfile.TemporaryDirectory() as scratch:
        shard = make_bench_shard(Path(scratch), recipe.model.vocab_size)
        result = measure(
            recipe,
            shard,
            Path(scratch),
            turn=arguments.turn,
            rounds=arguments.rounds,
            with_hf=not arguments.alone,
        )
    if arguments.json:
        print(json.dumps(result.to_dict(), indent=2))
        return 0
    print(f"{result.parameters / 1e6:.1f}M parameters, {result.dtype} on {result.device}")
    print(
        f"  ours          {result.tokens_per_s:10,.0f} tokens/s, waiting for data {result.loader_wait_share:.1%},"
        f" a batch is made in {result.batch_share:.1%} of a step"
    )
    if result.hf_tokens_per_s:
        print(
            f"  Hugging Face  {result.hf_tokens_per_s:10,.0f} tokens/s: ours is {result.ratio_vs_hf:.2f} x as fast"
        )
    print(
        f"  {result.matmul_peak_share:.1%} of the measured {result.dtype} matmul peak"
        f" ({result.matmul_peak / 1e12:.3f} TFLOP/s)"
    )
    if result.mfu:
        print(f"  {result.mfu:.1%} MFU by the data sheet")
    return 0
