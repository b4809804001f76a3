"""The command `cg2-train bench`."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from cg2_training.cli.arguments import count, index

EXAMPLE = """\
example, the shape that the documentation's figures are of:
  cg2-train bench --shape 42m --rows 4
`matmul_peak_share` is the share of what a large matrix product reaches on this machine, measured in the same run;
`mfu` is the share of the data sheet's figure, on GPUs whose figure is known.
"""


def add_bench(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--shape", choices=("10m", "42m", "125m", "350m"), default="42m")
    parser.add_argument("--rows", type=count, default=4, help="rows of a step (default: %(default)s)")
    parser.add_argument("--rows-per-pass", type=index, default=0, help="0 for all at once (default)")
    parser.add_argument("--turn", type=count, default=3, help="steps of a turn (default: %(default)s)")
    parser.add_argument(
        "--rounds", type=count, default=5, help="turns of each that count (default: %(default)s)"
    )
    parser.add_argument(
        "--loaders", type=index, default=1, help="processes that make batches (default: %(default)s)"
    )
    parser.add_argument(
        "--threads", type=index, default=0, help="CPU threads; 0 for PyTorch's choice (default)"
    )
    parser.add_argument("--alone", action="store_true", help="leave the Hugging Face Trainer out")
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(run_command=run_bench)


def run_bench(arguments: argparse.Namespace) -> int:
    """Measure and prints."""
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
        found = measure(
            recipe,
            shard,
            Path(scratch),
            turn=arguments.turn,
            rounds=arguments.rounds,
            rival=not arguments.alone,
        )
    if arguments.json:
        print(json.dumps(found.to_dict(), indent=2))
        return 0
    print(f"{found.parameters / 1e6:.1f}M parameters, {found.dtype} on {found.device}")
    print(
        f"  ours          {found.tokens_per_s:10,.0f} tokens/s, waiting for data {found.loader_wait_share:.1%},"
        f" a batch is made in {found.batch_share:.1%} of a step"
    )
    if found.hf_tokens_per_s:
        print(
            f"  Hugging Face  {found.hf_tokens_per_s:10,.0f} tokens/s: ours is {found.ratio_vs_hf:.2f} x as fast"
        )
    print(
        f"  {found.matmul_peak_share:.1%} of the measured {found.dtype} matmul peak"
        f" ({found.matmul_peak / 1e12:.3f} TFLOP/s)"
    )
    if found.mfu:
        print(f"  {found.mfu:.1%} MFU by the data sheet")
    return 0
