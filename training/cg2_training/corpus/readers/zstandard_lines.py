"""Lines of a Zstandard file, which must end where a frame ends: the library's own reader takes a cut for the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

from cg2_training.corpus.errors import CorpusError

CHUNK = 1 << 20
"""Compressed bytes read at once."""

WINDOW_LOG = 31
"""Dumps made with `zstd --long` have windows of up to 2 GiB."""


def zstandard_lines(file: IO[bytes], path: Path) -> Iterator[bytes]:
    """The lines of all frames of a file.

    Args:
        file: the compressed bytes.
        path: for messages.

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
    decompressor = zstandard.ZstdDecompressor(max_window_size=1 << WINDOW_LOG)
    frame = decompressor.decompressobj()
    begun = False
    try:
        while data := file.read(CHUNK):
            while data:
                begun = True
                yield frame.decompress(data)
                data = b""
                if frame.eof:
                    data, frame, begun = frame.unused_data, decompressor.decompressobj(), False
    except zstandard.ZstdError as error:
        raise CorpusError(f"{path} is damaged ({error}); fetch it again.") from None
    if begun:
        raise CorpusError(f"{path} is cut off; fetch it again.")
