"""cg2-quantize: the command line."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from cg2ls.commandline import run_command

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "dequantize": ("convert", "run_dequantize"),
    "compare": ("measure", "run_compare"),
    "frontier": ("measure", "run_frontier"),
    "sensitivity": ("measure", "run_sensitivity"),
    "prefill": ("prefill", "run"),
}
"""First arguments that name a command instead of a checkpoint; its module in `cg2_quantize.commands`, and function."""

CONVERT = ("convert", "run")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    is_named = bool(arguments) and arguments[0] in COMMANDS
    module, function = COMMANDS[arguments[0]] if is_named else CONVERT

    def work() -> int:
        run = getattr(import_module(f"cg2_quantize.commands.{module}"), function)
        status: int = run(arguments[1:] if is_named else arguments)
        return status

    return run_command(
        "cg2-quantize",
        work,
        install="onnx ml-dtypes psutil tqdm",
        interrupted="interrupted; nothing was written.",
    )
