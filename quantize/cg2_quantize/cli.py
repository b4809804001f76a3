"""cg2-quantize: the command line."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from cg2ls.commandline import run_command

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "dequantize": "dequantize",
    "compare": "compare",
    "frontier": "frontier",
    "sensitivity": "sensitivity",
    "prefill": "prefill",
}
"""First arguments that name a command instead of a checkpoint, and their modules in `cg2_quantize.commands`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = COMMANDS.get(arguments[0]) if arguments else None

    def work() -> int:
        module = import_module(f"cg2_quantize.commands.{name or 'convert'}")
        status: int = module.run(arguments[1:] if name else arguments)
        return status

    return run_command(
        "cg2-quantize",
        work,
        install="onnx ml-dtypes psutil tqdm",
        interrupted="interrupted; nothing was written.",
    )
