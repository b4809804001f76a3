"""Parts shared by the three commands: one-line error messages, exit statuses and tables."""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from cg2ls.errors import NO_ROOM, Cg2Error
from cg2ls.installation import install_command
from cg2ls.system import open_missing_streams

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


INTERRUPTED = 130
"""Exit status after Ctrl+C, as in shells."""

REFERENCE_PYTHON = Path(__file__).parents[1] / ".venv-reference" / "bin" / "python"
"""The interpreter of the environment that `make reference` creates in a clone."""


CHOICE = re.compile(r"invalid choice: '(?P<word>[^']*)' \(choose from (?P<choices>.*)\)")
UNKNOWN = re.compile(r"unrecognized arguments: (?P<words>.*)")
"""Messages of argparse that a suggestion can help with."""


INNERMOST = "_innermost"
"""Member of the parsed arguments that holds the parser of the command that was named."""


class Parser(argparse.ArgumentParser):
    """An argument parser that reports a problem in one line, with a suggestion."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.set_defaults(**{INNERMOST: self})

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Return the parsed arguments; unknown ones are an error of the command that got them.

        argparse names the outermost command, whose help does not list the arguments.
        """
        found, unknown = self.parse_known_args(args, namespace)
        command: Parser = getattr(found, INNERMOST)
        delattr(found, INNERMOST)
        if unknown:
            command.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found

    def error(self, message: str) -> NoReturn:
        """Print the error and exit with status 2."""
        self.exit(2, f"{self.prog}: {message}{self._suggest(message)}; see {self.prog} --help\n")

    def _suggest(self, message: str) -> str:
        """Return the existing word that resembles an unknown one most; "" if none does."""
        from difflib import get_close_matches

        known: Iterable[str]
        if found := CHOICE.search(message):
            words, known = [found["word"]], found["choices"].replace("'", "").split(", ")
        elif found := UNKNOWN.search(message):
            words = [word.partition("=")[0] for word in found["words"].split() if word.startswith("--")]
            known = _flags_of(self)
        else:
            return ""
        close = [each for word in words for each in get_close_matches(word, list(known), n=1)]
        return f"; did you mean {close[0]}?" if close else ""


def _flags_of(parser: argparse.ArgumentParser) -> set[str]:
    """Return the long flags of a parser and of its commands."""
    found: set[str] = set()
    for action in parser._actions:
        found.update(flag for flag in action.option_strings if flag.startswith("--"))
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                found |= _flags_of(inner)
    return found


def add_command_group(
    parser: argparse.ArgumentParser, *, runs_as: str = "run"
) -> argparse._SubParsersAction[argparse.ArgumentParser]:
    """Add commands to a parser; alone, without one of them, it prints its help.

    Args:
        parser: the parser of the group.
        runs_as: name of the argument for the function to run.
    """

    def print_help(_: argparse.Namespace) -> int:
        parser.print_help()
        return 0

    parser.set_defaults(**{runs_as: print_help})
    return parser.add_subparsers(title="commands", metavar="COMMAND")


def run_command(program: str, work: Callable[[], int], *, install: str, interrupted: str = "") -> int:
    """Run a command; an error becomes one line on stderr.

    Args:
        program: name of the command, which every line begins with.
        work: returns the exit status.
        install: packages to install if one is missing.
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
                sys.stdout.flush()  # a closed output fails here; at the interpreter's exit it would print a traceback
    except Cg2Error as error:
        say(str(error))
        return error.exit_code
    except ModuleNotFoundError as missing:
        say(f"{missing.name} is not installed; install it with: {install_command(install)}")
    except BrokenPipeError:  # the reader of the output has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        advice = "; make room, or choose another place" if error.errno in NO_ROOM else ""
        say(f"{error.filename or 'a file'}: {error.strerror or error}{advice}.")
    except KeyboardInterrupt:
        if interrupted:
            say(interrupted)
        return INTERRUPTED
    return 1


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """Return the rows as lines, with columns two spaces apart.

    Args:
        rows: rows of equal length.
        right: columns, counted from 0, that are aligned to the right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def cell(text: str, column: int) -> str:
        return text.rjust(widths[column]) if column in right else text.ljust(widths[column])

    return "\n".join(
        "  ".join(cell(text, column) for column, text in enumerate(row)).rstrip() for row in rows
    )
