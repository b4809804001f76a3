"""`cg2ls serve`: the language server on stdin and stdout."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cg2ls.errors import Cg2Error

if TYPE_CHECKING:
    import argparse


class NoStreamsError(Cg2Error):
    """A server that was started without stdin or stdout."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    made = commands.add_parser("serve", help="serve an editor over LSP (what `cg2ls` alone does)")
    made.add_argument(
        "--stdio", action="store_true", help="speak over stdin and stdout; the only way there is"
    )
    made.add_argument("--model", metavar="NAME_OR_FOLDER", help="model to answer with")
    made.add_argument("--log-file", type=Path, metavar="FILE", help="write a log there instead of to stderr")
    made.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serves one editor until it leaves.

    Returns:
        0 if the editor asked the server to shut down before it left, else 1.

    Raises:
        LogFileError: the log cannot be written.
        NoStreamsError: stdin or stdout is closed.
    """
    from cg2ls.server.logs import configure
    from cg2ls.server.server import Server
    from cg2ls.server.settings import Settings

    configure(arguments.log_file)
    if sys.stdin is None or sys.stdout is None:
        raise NoStreamsError("The language server needs stdin and stdout; let an editor start it.")
    if sys.stdin.isatty():
        print("cg2ls: waiting for an editor on stdin; Ctrl+C ends it.", file=sys.stderr)
    server = Server(Settings({"model": arguments.model}))
    return server.run_stdio(sys.stdin.buffer, protocol_output())


def protocol_output() -> BinaryIO:
    """Stdout for the protocol alone: whatever else writes to it reaches stderr from now on."""
    sys.stdout.flush()
    ours = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return ours
