"""`cg2ls serve`: serve an editor over stdin and stdout or over a socket, and clients over HTTP."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cg2ls.errors import Cg2Error
from cg2ls.installation import install_command
from cg2ls.system import expand_home, pause_collection

if TYPE_CHECKING:
    from collections.abc import Callable

    from cg2ls.server.app import Server
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
  cg2ls serve --http --root ~/project            for clients of llama.cpp and of OpenAI's completions
  cg2ls serve --stdio --http                     for an editor and HTTP clients, with one model
"""

HTTP_PACKAGES = "starlette uvicorn"
"""What the extra `http` installs."""

HTTP_PORT = 8012
"""Port that clients of llama.cpp's server ask first."""


class NoHttpError(Cg2Error):
    """The packages of the extra `http` are missing."""


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
    http = parser.add_argument_group("HTTP", "needs the extra `http`; listens on 127.0.0.1 only")
    http.add_argument(
        "--http",
        type=_port,
        nargs="?",
        const=HTTP_PORT,
        metavar="PORT",
        help=f"answer HTTP requests too, on this port ({HTTP_PORT} without one, 0 for a free one); without --stdio,"
        " --unix or --tcp no editor is served",
    )
    http.add_argument(
        "--root",
        type=Path,
        action="append",
        metavar="FOLDER",
        help="project folder whose text helps to answer HTTP requests; may be repeated, none by default",
    )
    http.add_argument(
        "--no-token", action="store_true", help="answer every program of this machine, without a token"
    )
    parser.add_argument("--model", metavar="NAME_OR_FOLDER", help="model to answer with")
    parser.add_argument(
        "--log-file", type=Path, metavar="FILE", help="write the log to this file instead of stderr"
    )
    parser.set_defaults(run=partial(run, parser))


def _port(said: str) -> int:
    port = int(said)
    if not 0 <= port <= 65535:
        raise ValueError
    return port


def run(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    """Serve one editor until it leaves, or HTTP until the process is asked to end.

    Returns:
        0 if the editor asked the server to shut down before it left, or if there was no editor; else 1.

    Raises:
        LogFileError: the log cannot be written.
        ListenError: the server cannot listen on the socket, or not safely.
        NoStreamsError: stdin or stdout is closed.
        NoHttpError: a package that HTTP needs is missing.
    """
    if arguments.http is None and (arguments.root or arguments.no_token):
        parser.error("--root and --no-token belong to --http, which is missing")
    with pause_collection():
        from cg2ls.server.app import Server
        from cg2ls.server.logs import configure
        from cg2ls.server.settings import Settings

    configure(arguments.log_file)
    server = Server(Settings({"model": arguments.model}))
    transport = _choose_transport(arguments) if arguments.http is None else _with_http(arguments, server)
    status = server.run(transport)
    if server.models.is_loading():  # a library's thread that still loads a model must not outlive its objects
        logging.shutdown()
        os._exit(status)
    return status if _has_editor(arguments) else 0


def _with_http(arguments: argparse.Namespace, server: Server) -> Callable[[ServerProtocol], None]:
    """Let a server listen for HTTP too; return how it serves an editor, or waits without one.

    Raises:
        NoHttpError: a package is missing.
    """
    try:
        from cg2ls.http.listener import HttpOptions, listening, without_editor
    except ModuleNotFoundError as missing:
        raise NoHttpError(
            f"HTTP needs {missing.name}; install it with: {install_command(HTTP_PACKAGES)}"
        ) from None

    options = HttpOptions(
        port=arguments.http, roots=tuple(arguments.root or ()), needs_token=not arguments.no_token
    )
    server.protocol.beside = lambda: listening(server, options)
    return _choose_transport(arguments) if _has_editor(arguments) else without_editor


def _has_editor(arguments: argparse.Namespace) -> bool:
    return bool(arguments.http is None or arguments.stdio or arguments.unix or arguments.tcp is not None)


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
