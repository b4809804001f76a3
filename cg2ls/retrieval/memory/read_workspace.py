"""Read a workspace's files into tokens, again only where they changed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.retrieval.memory.index import Index, IndexedFile
from cg2ls.retrieval.memory.suffix_segment import NARROW
from cg2ls.workspace import RefusedError
from cg2ls.workspace.languages import language_of_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cg2ls.retrieval.memory.suffix_segment import Tokens
    from cg2ls.workspace import Refusal, Workspace


PIECE_CHARS = 2000
"""Characters tokenized at once, which takes about a millisecond."""

_CUT = re.compile(r"(?<=[^\n])\n(?!\n)")


@dataclass(frozen=True)
class Progress:
    """Progress of reading.

    Attributes:
        files: files read so far.
        of: number of files.
    """

    files: int
    of: int


@dataclass(frozen=True)
class Stamp:
    """Time stamp and size, which show whether a file changed.

    Attributes:
        modified: time stamp in nanoseconds.
        size: size in bytes.
    """

    modified: int
    size: int


class StoppedError(Exception):
    """Reading was cancelled."""


@dataclass(frozen=True)
class Listener:
    """Callbacks of the reader of files.

    Attributes:
        report: receives progress.
        refused: receives each file or folder that may not be read.
        stop: returns whether to stop; called at intervals.
    """

    report: Callable[[Progress], None] = lambda _: None
    refused: Callable[[Refusal], None] = lambda _: None
    stop: Callable[[], bool] = lambda: False


NO_LISTENER = Listener()


def listing(
    workspace: Workspace, language: str, refused: Callable[[Refusal], None] = lambda _: None
) -> dict[str, Stamp]:
    """List the files of one language that may be read, by path relative to the workspace."""
    found = {}
    for path in workspace.walk(lambda name: language_of_name(name) == language, refused):
        stamp = stamp_of(path)
        if stamp is not None:
            found[path.relative_to(workspace.root).as_posix()] = stamp
    return found


def stamp_of(path: Path) -> Stamp | None:
    """Return a file's stamp; None if the file is gone."""
    try:
        state = path.lstat()
    except OSError:
        return None
    return Stamp(state.st_mtime_ns, state.st_size)


def differing(index: Index, files: Mapping[str, Stamp]) -> tuple[list[str], list[str]]:
    """Return the files that are new or changed since indexing, and the indexed files that are gone."""
    changed = []
    for path, stamp in files.items():
        known = index.known(path)
        if known is None or (known.modified, known.size) != (stamp.modified, stamp.size):
            changed.append(path)
    return changed, [file.path for file in index.files if file.path not in files]


def read_files(
    workspace: Workspace,
    files: Mapping[str, Stamp],
    encode: Callable[[str], list[int]],
    *,
    reuse: Index,
    listener: Listener = NO_LISTENER,
    numbers: np.dtype[Any] = NARROW,
) -> tuple[list[IndexedFile], list[Tokens]]:
    """Return the tokens of files, of type `numbers`, from an index where it has them already.

    Raises:
        StoppedError: the listener requested it.
    """
    noted, tokens = [], []
    for number, (path, stamp) in enumerate(files.items()):
        if listener.stop():
            raise StoppedError
        known = reuse.known(path)
        if known is not None and (known.modified, known.size) == (stamp.modified, stamp.size):
            of_file = reuse.tokens_of(path)
            assert of_file is not None
        else:
            of_file = _read(workspace, path, encode, listener.refused, numbers)
            listener.report(Progress(number + 1, len(files)))
        noted.append(IndexedFile(path, stamp.modified, stamp.size, len(of_file)))
        tokens.append(of_file)
    return noted, tokens


def encoded(encode: Callable[[str], list[int]], text: str, numbers: np.dtype[Any] = NARROW) -> Tokens:
    """Encode a text piece by piece: the tokenizer keeps Python's global lock, and keys are answered in between.

    Pieces end at line ends that no blank line follows; no token crosses such a place
    (`cg2ls.retrieval.memory.token_lines`).
    """
    pieces, start = [], 0
    while start < len(text):
        cut = _CUT.search(text, start + PIECE_CHARS)
        end = cut.end() if cut else len(text)
        pieces.append(np.array(encode(text[start:end]), numbers))
        start = end
    return np.concatenate(pieces) if pieces else np.zeros(0, numbers)


def _read(
    workspace: Workspace,
    path: str,
    encode: Callable[[str], list[int]],
    refused: Callable[[Refusal], None],
    numbers: np.dtype[Any],
) -> Tokens:
    """Return a file's tokens; none if it may not be read."""
    try:
        return encoded(encode, workspace.read(Path(path)), numbers)
    except RefusedError as error:
        refused(error.refusal)
        return np.zeros(0, numbers)
