"""`cg2ls complete`: complete a file at one place and print the text."""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import dataclass
from pathlib import Path

from cg2ls.errors import Cg2Error
from cg2ls.workspace.languages import language_of_name


class CompleteError(Cg2Error):
    """A file or a place in it that cannot be completed."""


@dataclass(frozen=True)
class Place:
    """Place in a file: line and column from 1, the column in code points."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("complete", help="complete a file at one place and print the text")
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument(
        "--at",
        type=parse_place,
        required=True,
        metavar="LINE:COL",
        help="from 1; COL counts characters, and the end of a line is its length + 1",
    )
    parser.add_argument(
        "--json", action="store_true", help="print text, latency_ms, tokens and model as JSON"
    )
    parser.add_argument("--model", metavar="NAME_OR_FOLDER", help="model to answer with")
    parser.add_argument("--language", metavar="ID", help="LSP language id (default: by the file's name)")
    parser.add_argument("--max-lines", type=int, metavar="N", help="maximum lines to print")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the completion; an empty one is an empty line.

    Raises:
        CompleteError: the file is missing or is not text, or has no such place.
        Cg2Error: the model cannot be opened or run.
    """
    text = read_text(arguments.file)
    offset = find_offset(text, arguments.at, arguments.file)

    from cg2ls.completion import CompletionOptions, DocumentSession
    from cg2ls.engine import Engine
    from cg2ls.models.folder.store import locate_model

    options = CompletionOptions(max_lines=arguments.max_lines, unknown_languages=True)
    language = arguments.language or language_of_name(arguments.file.name)
    located = locate_model(flag=arguments.model, language=language or None)
    with Engine.open(located.folder) as engine:
        found = DocumentSession(engine, language, options).complete(text, offset, "invoked")
        name = engine.model.name
    if arguments.json:
        answer = {
            "text": found.text,
            "latency_ms": round(found.latency_ms, 3),
            "tokens": found.tokens,
            "model": name,
        }
        print(json.dumps(answer, ensure_ascii=False))
    else:
        print(found.text)
    return 0


def read_text(file: Path) -> str:
    """Read a UTF-8 file with its line ends.

    Raises:
        CompleteError: the file is missing, cannot be read or is not UTF-8.
    """
    try:
        return file.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise CompleteError(f"{file} does not exist; name a file to complete.") from None
    except UnicodeDecodeError as error:
        raise CompleteError(f"{file} is not UTF-8 (byte {error.start}); convert it first.") from None
    except OSError as error:
        raise CompleteError(f"{file} cannot be read ({error.strerror}).") from None


def find_offset(text: str, at: Place, file: Path) -> int:
    r"""Return the offset of a place, in code points; lines end with `\n`, `\r\n` or `\r`.

    Raises:
        CompleteError: there is no such line or column.
    """
    lines = re.split(r"(\r\n|\r|\n)", text)
    contents = lines[::2]
    if not 1 <= at.line <= len(contents):
        raise CompleteError(f"{file} has no line {at.line}; its lines are 1 to {len(contents)}.")
    length = len(contents[at.line - 1])
    if not 1 <= at.column <= length + 1:
        raise CompleteError(
            f"Line {at.line} of {file} has no column {at.column}; its columns are 1 to {length + 1}."
        )
    return sum(map(len, lines[: 2 * (at.line - 1)])) + at.column - 1


def parse_place(raw: str) -> Place:
    """Parse `LINE:COL`.

    Raises:
        ArgumentTypeError: the text has another form.
    """
    found = re.fullmatch(r"(\d+):(\d+)", raw)
    if not found:
        raise argparse.ArgumentTypeError(f"{raw!r} is not LINE:COL, as in 12:5")
    return Place(int(found[1]), int(found[2]))
