"""Where the server's own log goes: stderr, or a file."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import TYPE_CHECKING

from cg2ls.errors import Cg2Error

if TYPE_CHECKING:
    from pathlib import Path

CHATTY = ("pygls", "asyncio")
"""Loggers whose lower levels hold whole messages, that is, users' code."""


class LogFileError(Cg2Error):
    """A log file that cannot be written."""


class OneLine(logging.Formatter):
    """The first line of each message; tracebacks belong in a file that was asked for."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of text."""
        return f"cg2ls: {record.levelname.lower()}: {record.getMessage().splitlines()[0]}"


class WithoutContent(logging.Filter):
    """Takes out of pygls' records what they quote of messages, that is, users' code."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keeps what the record says up to its first argument, and where an exception came from."""
        if record.name.partition(".")[0] == "pygls":
            said = str(record.msg).partition("%")[0].strip(' :"\n')
            record.msg, record.args = said + _origin(record), ()
            record.exc_info = record.exc_text = None
        return True


def _origin(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[0] is None or record.exc_info[2] is None:
        return ""
    last = traceback.extract_tb(record.exc_info[2])[-1]
    return f" ({record.exc_info[0].__name__}, {last.filename}:{last.lineno})"


def configure(file: Path | None) -> None:
    """Sends log records to a file, or warnings to stderr.

    Raises:
        LogFileError: the file cannot be opened.
    """
    if file is None:
        handler: logging.Handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(OneLine())
    else:
        try:
            handler = logging.FileHandler(file, encoding="utf-8")
        except OSError as wrong:
            raise LogFileError(
                f"{file} cannot be written ({wrong.strerror}); choose another --log-file."
            ) from None
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(WithoutContent())
    logging.basicConfig(
        level=logging.WARNING if file is None else logging.INFO, handlers=[handler], force=True
    )
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    # every late cancellation is a warning there, and typing makes many
    logging.getLogger("pygls.protocol.json_rpc").setLevel(logging.ERROR if file else logging.CRITICAL)
