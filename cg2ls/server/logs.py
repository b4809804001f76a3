"""Where the server's own log goes: stderr, or a file."""

from __future__ import annotations

import logging
import sys
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
    logging.basicConfig(
        level=logging.WARNING if file is None else logging.INFO, handlers=[handler], force=True
    )
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    # every late cancellation is a warning there, and typing makes many
    logging.getLogger("pygls.protocol.json_rpc").setLevel(logging.ERROR if file else logging.CRITICAL)
