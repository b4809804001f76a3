"""`cg2ls serve`: the language server on stdin and stdout, or on a socket if that is asked for."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cg2ls.errors import Cg2Error
from cg2ls.system import expand_home

if TYPE_CHECKING:
    from collections.abc import Callable

    from cg2ls.server.protocol import ServerProtocol

TOKEN_VARIABLE = "CG2LS_TOKEN"  # noqa: S105
"""Environment variable with the word an editor must know that connects over TCP."""


class NoStreamsError(Cg2Error):
    """A server that was started without stdin or stdout."""


class NoHomeError(Cg2Error):
    """A path that begins with a home folder which is not there."""


EPILOG = """\
examples:
  cg2ls --stdio                                  what an editor starts
  cg2ls serve --unix ~/.cache/cg2ls/socket       for an editor that connects to a socket
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    made = commands.add_parser(
        "serve",
        help="serve an editor over LSP (what `cg2ls` alone does)",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    way = made.add_mutually_exclusive_group()
    way.add_argument(
        "--stdio", action="store_true", help="speak over stdin and stdout, as without any of these"
    )
    way.add_argument(
        "--unix",
        type=Path,
        metavar="PATH",
        help="listen on a Unix socket, in a folder of mode 700, for one editor",
    )
    way.add_argument(
        "--tcp",
        type=int,
        metavar="PORT",
        help=f"listen on 127.0.0.1 for one editor (0 for a free port); if {TOKEN_VARIABLE} is set, the editor"
        " must send it as initializationOptions.token",
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
        ListenError: the socket cannot be listened on, or not safely.
        NoStreamsError: stdin or stdout is closed.
    """
    from cg2ls.server.app import Server
    from cg2ls.server.logs import configure
    from cg2ls.server.settings import Settings

    configure(arguments.log_file)
    server = Server(Settings({"model": arguments.model}))
    status = server.run(_transport(arguments))
    if (
        server.models.is_loading()
    ):  # a library's thread that still loads a model would outlive what it works on
        logging.shutdown()
        os._exit(status)
    return status


def _transport(arguments: argparse.Namespace) -> Callable[[ServerProtocol], None]:
    from cg2ls.server import transport

    if arguments.unix is not None:
        path = expand_home(str(arguments.unix))
        if path is None:
            raise NoHomeError(
                f"{arguments.unix} is in no home folder, since there is none; give the full path."
            )
        return lambda protocol: transport.over_unix_socket(protocol, path)
    if arguments.tcp is not None:
        return lambda protocol: transport.over_tcp(
            protocol, arguments.tcp, os.environ.get(TOKEN_VARIABLE, "")
        )
    if sys.stdin is None or sys.stdout is None:
        raise NoStreamsError("The language server needs stdin and stdout; let an editor start it.")
    if sys.stdin.isatty():
        print("cg2ls: waiting for an editor on stdin; Ctrl+C ends it.", file=sys.stderr)
    streams = sys.stdin.buffer, protocol_output()
    return lambda protocol: transport.over_streams(protocol, *streams)


def protocol_output() -> BinaryIO:
    """Stdout for the protocol alone: whatever else writes to it reaches stderr from now on."""
    sys.stdout.flush()
    ours = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return ours
