"""What the three commands share: one-line error messages, exit statuses and tables."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from cg2ls.errors import Cg2Error
from cg2ls.system import open_missing_streams

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


INTERRUPTED = 130
"""Exit status after Ctrl+C, as in shells."""

REFERENCE_PYTHON = Path(__file__).parents[1] / ".venv-reference" / "bin" / "python"
"""The interpreter of the environment that `make reference` creates in a clone."""


class Parser(argparse.ArgumentParser):
    """An argument parser that states a problem in one line."""

    def error(self, message: str) -> NoReturn:
        """Print the error and exit with status 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def run_command(program: str, work: Callable[[], int], *, install: str, interrupted: str = "") -> int:
    """Run a command; an error becomes one line on stderr.

    Args:
        program: name of the command, which every line begins with.
        work: returns the exit status.
        install: what pip must install if a package is missing.
        interrupted: message after Ctrl+C; nothing if empty.

    Returns:
        The work's status, an error's own, 1 for an error of the system, or 130 after Ctrl+C.
    """
    open_missing_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # text that the terminal cannot show must not be an error
            stream.reconfigure(errors="backslashreplace")

    def say(problem: str) -> None:
        print(f"{program}: {problem}", file=sys.stderr)

    try:
        try:
            return work()
        finally:
            if sys.stdout:
                sys.stdout.flush()  # a reader who left is met here; at the interpreter's end it would be a traceback
    except Cg2Error as error:
        say(str(error))
        return error.exit_code
    except ModuleNotFoundError as missing:
        say(f"{missing.name} is not installed; install it with: pip install {install}")
    except BrokenPipeError:  # the reader of the output has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        say(f"{error.filename or 'a file'}: {error.strerror or error}.")
    except KeyboardInterrupt:
        if interrupted:
            say(interrupted)
        return INTERRUPTED
    return 1


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """Return the rows as lines, with columns two spaces apart.

    Args:
        rows: of one length each.
        right: columns, counted from 0, that are aligned to the right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def cell(text: str, column: int) -> str:
        return text.rjust(widths[column]) if column in right else text.ljust(widths[column])

    return "\n".join(
        "  ".join(cell(text, column) for column, text in enumerate(row)).rstrip() for row in rows
    )
