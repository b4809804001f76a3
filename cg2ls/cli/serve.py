"""`cg2ls serve`: serve an editor over stdin and stdout, or over a socket."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cg2ls.errors import Cg2Error
from cg2ls.system import expand_home, pause_collection

if TYPE_CHECKING:
    from collections.abc import Callable

    from cg2ls.server.protocol import ServerProtocol

TOKEN_VARIABLE = "CG2LS_TOKEN"  # noqa: S105
"""Environment variable with the token that an editor must send when it connects over TCP."""


class NoStreamsError(Cg2Error):
    """The server was started without stdin or stdout."""


class NoHomeError(Cg2Error):
    """A path begins with a home folder that does not exist."""


EPILOG = """\
examples:
  cg2ls --stdio                                  what an editor starts
  cg2ls serve --unix ~/.cache/cg2ls/socket       for an editor that connects to a socket
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "serve",
        help="serve an editor over LSP (what `cg2ls` alone does)",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    transport = parser.add_mutually_exclusive_group()
    transport.add_argument("--stdio", action="store_true", help="use stdin and stdout (the default)")
    transport.add_argument(
        "--unix",
        type=Path,
        metavar="PATH",
        help="listen on a Unix socket, in a folder of mode 700, for one editor",
    )
    transport.add_argument(
        "--tcp",
        type=int,
        metavar="PORT",
        help=f"listen on 127.0.0.1 for one editor (0 for a free port); if {TOKEN_VARIABLE} is set, the editor"
        " must send it as initializationOptions.token",
    )
    parser.add_argument("--model", metavar="NAME_OR_FOLDER", help="model to answer with")
    parser.add_argument(
        "--log-file", type=Path, metavar="FILE", help="write the log to this file instead of stderr"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve one editor until it leaves.

    Returns:
        0 if the editor asked the server to shut down before it left, else 1.

    Raises:
        LogFileError: the log cannot be written.
        ListenError: the server cannot listen on the socket, or not safely.
        NoStreamsError: stdin or stdout is closed.
    """
    with pause_collection():
        from cg2ls.server.app import Server
        from cg2ls.server.logs import configure
        from cg2ls.server.settings import Settings

    configure(arguments.log_file)
    server = Server(Settings({"model": arguments.model}))
    status = server.run(_choose_transport(arguments))
    if server.models.is_loading():  # a library's thread that still loads a model must not outlive its objects
        logging.shutdown()
        os._exit(status)
    return status


def _choose_transport(arguments: argparse.Namespace) -> Callable[[ServerProtocol], None]:
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
    streams = sys.stdin.buffer, take_protocol_output()
    return lambda protocol: transport.over_streams(protocol, *streams)


def take_protocol_output() -> BinaryIO:
    """Return stdout for the protocol alone; all other output to it goes to stderr from now on."""
    sys.stdout.flush()
    protocol = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return protocol
