"""`cg2ls models pull` and `cg2ls models push`, each run by cg2ls in a process of its own.

cg2ls itself has no code for the network. It parses the arguments and runs
`python -m cg2_quantize.hub_commands pull|push ARGUMENTS`, with the arguments as one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from cg2ls.commandline import run_command

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    name, given = sys.argv[1:] if argv is None else argv
    options = argparse.Namespace(**json.loads(given))

    def work() -> int:
        status: int = import_module(f"cg2_quantize.commands.{name}").run(options)
        return status

    return run_command(
        "cg2ls",
        work,
        install="'cg2ls[hub]'",
        interrupted="interrupted; what was downloaded is kept, so the same command goes on from there.",
    )


if __name__ == "__main__":
    sys.exit(main())
