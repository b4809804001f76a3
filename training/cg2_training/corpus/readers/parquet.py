"""Parquet files, a batch of rows at a time, only the columns that are used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from cg2_training.corpus.draft import Dropped, SourceDocument
from cg2_training.corpus.errors import CorpusError
from cg2_training.corpus.readers.columns import Columns, draft_of

ROWS = 256
"""Rows in memory at once; some files have texts of megabytes."""


def read_parquet(
    path: Path, columns: Columns, done: Callable[[float], object] = lambda _: None
) -> Iterator[SourceDocument | Dropped]:
    """The rows of a Parquet file.

    Raises:
        CorpusError: the file is damaged or cut off, no column holds text, or the library is missing.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise CorpusError(f"{path} needs the package pyarrow; install it with pip.") from None
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            found = columns.resolved(file.schema_arrow.names, path)
            total, number = max(1, file.metadata.num_rows), 0
            for batch in file.iter_batches(ROWS, columns=sorted(set(found.values()))):
                for row in batch.to_pylist():
                    number += 1
                    yield draft_of(row, found, number)
                done(number / total)
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        said = str(error).splitlines()[0].rstrip(".")
        raise CorpusError(f"{path} is no whole Parquet file ({said}); fetch it again.") from None
    except OSError as error:
        if error.errno is not None:
            raise
        said = str(error).splitlines()[0].rstrip(".")
        raise CorpusError(f"{path} is no whole Parquet file ({said}); fetch it again.") from None
