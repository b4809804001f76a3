"""One place read by the reader of its kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cg2_training.corpus.draft import Dropped, SourceDocument
from cg2_training.corpus.errors import CorpusError
from cg2_training.corpus.readers.archives import read_sdist, read_wheel
from cg2_training.corpus.readers.columns import Columns
from cg2_training.corpus.readers.folder import read_folder
from cg2_training.corpus.readers.git import read_checkout
from cg2_training.corpus.readers.jsonl import read_json_lines
from cg2_training.corpus.readers.parquet import read_parquet
from cg2_training.corpus.readers.places import KINDS, Place

Wanted = Callable[[str], bool]
"""Whether a file of this path is wanted."""


def read(
    place: Place,
    wanted: Wanted,
    *,
    columns: Columns | None = None,
    commit: str = "HEAD",
    done: Callable[[float], object] = lambda _: None,
) -> Iterator[SourceDocument | Dropped]:
    """The documents of one place.

    Args:
        place: what to read.
        wanted: asked for each file; rows of dumps are all given.
        columns: names of a dump's columns where they are not the usual ones.
        commit: of a git repository.
        done: told now and then which share of the place is read, 0 to 1.

    Raises:
        CorpusError: the place is damaged or unreadable, named in a sentence.
    """
    try:
        if place.kind == "folder":
            yield from read_folder(place.path, wanted)
        elif place.kind == "git":
            yield from read_checkout(place.path, wanted, commit, done)
        elif place.kind == "wheel":
            yield from read_wheel(place.path, wanted)
        elif place.kind == "sdist":
            yield from read_sdist(place.path, wanted)
        elif place.kind == "jsonl":
            yield from read_json_lines(place.path, columns or Columns(), done)
        elif place.kind == "parquet":
            yield from read_parquet(place.path, columns or Columns(), done)
        else:
            raise CorpusError(f"{place.kind!r} is no kind of source; choose {', '.join(KINDS)}.")
    except OSError as error:
        raise CorpusError(f"{place.path} cannot be read ({error.strerror or error}).") from error
