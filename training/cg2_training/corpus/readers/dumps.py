"""Read dumps: JSON lines and Parquet, with the columns of The Stack, StarCoderData and similar data sets."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any

from cg2_training.corpus.document import Dropped, SourceDocument
from cg2_training.errors import CorpusError

KNOWN_COLUMNS = {
    "text": ("content", "text", "code"),
    "path": ("max_stars_repo_path", "path", "file_path", "filename"),
    "language": ("lang", "language", "programming_language"),
    "extension": ("ext", "extension"),
    "licences": ("max_stars_repo_licenses", "detected_licenses", "licenses", "license", "licence"),
    "repository": ("max_stars_repo_name", "repository_name", "repo_name", "repo"),
}
"""Names of columns by their meaning; the first that exists is used."""

_STARCODER_HEADER = re.compile(r"\A(?:<(?:reponame|filename|gh_stars)>[^\n<]*)+\n?")
"""StarCoderData puts a file's repository, path and stars before some texts."""

BATCH_ROWS = 256
"""Rows in memory at once; some files have texts of megabytes."""

CHUNK_BYTES = 1 << 20
"""Compressed bytes that are read at once."""

MAX_WINDOW_BYTES = 1 << 31
"""Dumps made with `zstd --long` have windows of up to 2 GiB."""

PROGRESS_INTERVAL_ROWS = 256


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Names of a dump's columns; "" selects a name of KNOWN_COLUMNS.

    Attributes:
        extension: column of the file name's extension, such as "py", for dumps without paths.
    """

    text: str = ""
    path: str = ""
    language: str = ""
    extension: str = ""
    licences: str = ""
    repository: str = ""

    def resolve(self, available: Iterable[str], where: Path) -> dict[str, str]:
        """Return the dump's column for each meaning.

        Raises:
            CorpusError: there is no column of text, or a configured column is missing.
        """
        names = list(available)
        found = {}
        for field in fields(self):
            configured = getattr(self, field.name)
            if configured and configured not in names:
                raise CorpusError(
                    f"{where} has no column {configured!r}; its columns are: {', '.join(names)}."
                )
            match = configured or next((name for name in KNOWN_COLUMNS[field.name] if name in names), "")
            if match:
                found[field.name] = match
        if "text" not in found:
            raise CorpusError(
                f"{where} has no known column of text among {', '.join(names)}; set columns.text in a collection."
            )
        return found


def row_to_document(
    row: Mapping[str, Any], columns: Mapping[str, str], number: int
) -> SourceDocument | Dropped:
    """Return a row as a document.

    Args:
        row: values by column.
        columns: result of `Columns.resolve`.
        number: number of the row, for the path if the dump has none.
    """
    text = row.get(columns["text"])
    if not isinstance(text, str) or not text:
        return Dropped("no text")
    path = _string(row.get(columns.get("path", "")))
    extension = _string(row.get(columns.get("extension", ""))).lstrip(".")
    return SourceDocument(
        _STARCODER_HEADER.sub("", text),
        path or (f"row-{number}.{extension}" if extension else f"row-{number}"),
        language=_string(row.get(columns.get("language", ""))),
        licences=_licences(row.get(columns.get("licences", ""))),
        repository=_string(row.get(columns.get("repository", ""))),
    )


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _licences(value: object) -> tuple[str, ...]:
    """Return licences from a list, a JSON list or one expression."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            return (str(value),)
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(str(one) for one in value) if isinstance(value, list | tuple) else ()


def read_zstandard_lines(file: IO[bytes], path: Path) -> Iterator[bytes]:
    """Yield the lines of all frames of a file; unlike the library's reader, detect a file that is cut off.

    Args:
        file: the compressed file.
        path: path for messages.

    Raises:
        CorpusError: the file is damaged or cut off, or the library is missing.
    """
    rest = b""
    for chunk in _chunks(file, path):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    if rest:
        yield rest


def _chunks(file: IO[bytes], path: Path) -> Iterator[bytes]:
    try:
        import zstandard
    except ModuleNotFoundError:
        raise CorpusError(f"{path} needs the package zstandard; install it with pip.") from None
    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
    frame = decompressor.decompressobj()
    is_open = False
    try:
        while data := file.read(CHUNK_BYTES):
            while data:
                is_open = True
                yield frame.decompress(data)
                data = b""
                if frame.eof:
                    data, frame, is_open = frame.unused_data, decompressor.decompressobj(), False
    except zstandard.ZstdError as error:
        raise CorpusError(f"{path} is damaged ({error}); fetch it again.") from None
    if is_open:
        raise CorpusError(f"{path} is cut off; fetch it again.")


def read_json_lines(
    path: Path, columns: Columns, on_progress: Callable[[float], object] = lambda _: None
) -> Iterator[SourceDocument | Dropped]:
    """Yield the rows of a JSON-lines file; each row may have other columns.

    Raises:
        CorpusError: the file is damaged or cut off, a line is not a JSON object, or there is no column of text.
    """
    keys: tuple[str, ...] = ()
    found: dict[str, str] = {}
    for number, row in enumerate(_rows(path, on_progress), start=1):
        if tuple(row) != keys:
            keys = tuple(row)
            try:
                found = columns.resolve(keys, path)
            except CorpusError:
                if not found:
                    raise
                yield Dropped("no text")
                keys = ()
                continue
        yield row_to_document(row, found, number)


def _rows(path: Path, on_progress: Callable[[float], object]) -> Iterator[dict[str, Any]]:
    size = max(1, path.stat().st_size)
    with path.open("rb") as file:
        try:
            for number, line in enumerate(_lines(path, file), start=1):
                if line.strip():
                    yield _row(line, path, number)
                if number % PROGRESS_INTERVAL_ROWS == 0:
                    on_progress(file.tell() / size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise CorpusError(f"{path} is cut off or damaged ({error}); fetch it again.") from error


def _lines(path: Path, file: IO[bytes]) -> Iterator[bytes]:
    if path.suffix == ".zst":
        return read_zstandard_lines(file, path)
    return iter(gzip.GzipFile(fileobj=file)) if path.suffix == ".gz" else iter(file)


def _row(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"{path}, line {number}: not JSON ({error}); correct or remove the line.") from None
    if not isinstance(row, dict):
        raise CorpusError(f"{path}, line {number}: not a JSON object; correct or remove the line.")
    return row


def read_parquet(
    path: Path, columns: Columns, on_progress: Callable[[float], object] = lambda _: None
) -> Iterator[SourceDocument | Dropped]:
    """Yield the rows of a Parquet file.

    Raises:
        CorpusError: the file is damaged or cut off, has no column of text, or the library is missing.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise CorpusError(f"{path} needs the package pyarrow; install it with pip.") from None
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            found = columns.resolve(file.schema_arrow.names, path)
            total, number = max(1, file.metadata.num_rows), 0
            for batch in file.iter_batches(BATCH_ROWS, columns=sorted(set(found.values()))):
                for row in batch.to_pylist():
                    number += 1
                    yield row_to_document(row, found, number)
                on_progress(number / total)
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise _parquet_error(path, error) from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise _parquet_error(path, error) from None


def _parquet_error(path: Path, error: Exception) -> CorpusError:
    reason = str(error).splitlines()[0].rstrip(".")
    return CorpusError(f"{path} is not a complete Parquet file ({reason}); fetch it again.")
