"""Arguments of `cg2ls bench` and `cg2ls replay` about other runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from cg2ls.evaluation.runtimes.other_runtimes import RuntimeOptions


def add_runtime_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a race over a trace."""
    add = parser.add_argument
    add(
        "--against",
        default="",
        metavar="ENGINES",
        help="only race ctranslate2, optimum or llamacpp over the trace, or over --visits",
    )
    add(
        "--reference-shape",
        action="store_true",
        help="with --against: random weights of 8 layers x 512, vocabulary 51200, prompts of 1024 tokens, which"
        " repeat the answers of --model",
    )
    add("--reference-python", type=Path, metavar="PATH", help="Python that has the other runtime")
    add(
        "--work",
        type=Path,
        metavar="DIR",
        help="keep and reuse models converted for --against in this folder",
    )


def make_runtime_options(arguments: argparse.Namespace) -> RuntimeOptions:
    """Return the other runtimes that the arguments name."""
    from cg2ls.evaluation.runtimes.other_runtimes import RuntimeOptions

    return RuntimeOptions(
        against=arguments.against,
        reference_shape=arguments.reference_shape,
        reference_python=arguments.reference_python,
        work=arguments.work,
    )
