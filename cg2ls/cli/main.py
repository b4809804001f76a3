"""The command `cg2ls`."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

from cg2ls import __version__
from cg2ls.commandline import Parser, run_command

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

COMMANDS = {
    "serve": "serve an editor over LSP (what `cg2ls` alone does)",
    "complete": "complete a file at one place and print the text",
    "models": "list, add, choose, verify, fit, remove, pull and push models",
    "memory": "show, build, explain, fit and clear the memory of a workspace",
    "bench": "measure prefill, decode and key-to-answer times",
    "replay": "measure latency and quality by replaying people who write files",
    "evaluate": "put a model on the scales of published benchmarks",
    "gate": "collect verdicts and fit the gate that decides what is shown while typing",
    "stats": "count of what was shown and accepted on this machine",
    "doctor": "check that completion works here, and report problems",
    "neovim": "write the plugin for Neovim to a folder",
    "completion": "print a script that completes these commands in a shell",
}
"""Commands with their help. Each is a module of this package, imported only if it runs: the server must start at once,
and `--help` too."""

STDIO = "--stdio"
HTTP = "--http"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; without one, the language server.

    Args:
        argv: arguments without the program's name; None for those of the process.

    Returns:
        The exit status: 0; 1 after an error, reported on stderr in one line; 2 for wrong arguments.
    """
    given = normalize_arguments(list(sys.argv[1:] if argv is None else argv))

    def work() -> int:
        arguments = make_parser(given[0]).parse_args(given)
        return int(arguments.run(arguments) or 0)

    return run_command("cg2ls", work, install="onnxruntime")


def normalize_arguments(arguments: list[str]) -> list[str]:
    """Insert `serve` where no command is named, and remove the `--stdio` that clients append.

    The server uses stdin and stdout anyway, so `--stdio` has no effect at any position. Only with `--http` does it
    mean that there is an editor too.
    """
    is_served_twice = any(argument.partition("=")[0] == HTTP for argument in arguments)
    rest = [argument for argument in arguments if argument != STDIO or is_served_twice]
    if rest and (rest[0] in ("-h", "--help", "--version") or not rest[0].startswith("-")):
        return rest if rest[0] == "serve" else arguments
    return ["serve", *rest]


def make_parser(*with_arguments: str) -> argparse.ArgumentParser:
    """Make the parser of all commands.

    Args:
        with_arguments: the commands that get their arguments, which takes time.
    """
    parser = Parser(
        prog="cg2ls",
        description="Code completion on your own machine. Without a command it serves an editor: cg2ls --stdio.",
    )
    parser.add_argument("--version", action="version", version=f"cg2ls {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, purpose in COMMANDS.items():
        if name in with_arguments:
            importlib.import_module(f"cg2ls.cli.{name}").add_parser(commands)
        else:
            commands.add_parser(name, help=purpose)
    return parser


def make_whole_parser() -> argparse.ArgumentParser:
    """Make the parser of all commands with their arguments."""
    return make_parser(*COMMANDS)
