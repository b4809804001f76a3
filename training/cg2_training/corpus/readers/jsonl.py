"""JSON lines, plain or compressed with gzip or Zstandard."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from cg2_training.corpus.draft import Dropped, SourceDocument
from cg2_training.corpus.errors import CorpusError
from cg2_training.corpus.readers.columns import Columns, draft_of
from cg2_training.corpus.readers.zstandard_lines import zstandard_lines


def read_json_lines(
    path: Path, columns: Columns, done: Callable[[float], object] = lambda _: None
) -> Iterator[SourceDocument | Dropped]:
    """The rows of a JSON-lines file; columns are found anew where a row has others.

    Raises:
        CorpusError: the file is damaged or cut off, a line is no JSON object, or no column holds text.
    """
    keys: tuple[str, ...] = ()
    found: dict[str, str] = {}
    for number, row in enumerate(_rows(path, done), start=1):
        if tuple(row) != keys:
            keys = tuple(row)
            try:
                found = columns.resolved(keys, path)
            except CorpusError:
                if not found:
                    raise
                yield Dropped("no text")
                keys = ()
                continue
        yield draft_of(row, found, number)


def _rows(path: Path, done: Callable[[float], object]) -> Iterator[dict[str, Any]]:
    size = max(1, path.stat().st_size)
    with path.open("rb") as file:
        try:
            for number, line in enumerate(_lines(path, file), start=1):
                if line.strip():
                    yield _row(line, path, number)
                if number % 256 == 0:
                    done(file.tell() / size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise CorpusError(f"{path} is cut off or damaged ({error}); fetch it again.") from error


def _lines(path: Path, file: IO[bytes]) -> Iterator[bytes]:
    if path.suffix == ".zst":
        return zstandard_lines(file, path)
    return iter(gzip.GzipFile(fileobj=file)) if path.suffix == ".gz" else iter(file)


def _row(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"{path}, line {number}: not JSON ({error}); mend or remove the line.") from None
    if not isinstance(row, dict):
        raise CorpusError(f"{path}, line {number}: not a JSON object; mend or remove the line.")
    return row
