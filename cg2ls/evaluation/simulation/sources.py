"""The files that are replayed, each with the repository it belongs to."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from cg2ls.evaluation.errors import ReplayError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

LARGEST = 1_000_000
"""Bytes; a larger file is data or generated."""

LONGEST_LINE = 400
"""Characters; a file with a longer line is data, generated or minified."""


@dataclass(frozen=True)
class Source:
    r"""One file.

    Attributes:
        repository: name of the path it was found under.
        path: of the file in there, with slashes.
        language: LSP id.
        text: its text, line ends `\n`.
    """

    repository: str
    path: str
    language: str
    text: str

    @property
    def name(self) -> str:
        """Unique among all files of a replay."""
        return f"{self.repository}/{self.path}"


def collect(
    paths: Sequence[Path], by_suffix: Mapping[str, str], languages: Collection[str] = ()
) -> list[Source]:
    """All files that people could have written under some paths, sorted.

    Args:
        paths: files, or folders that are one repository each.
        by_suffix: LSP id by file name suffix.
        languages: those to take; all of `by_suffix` if empty.

    Raises:
        ReplayError: a path is missing, or there is no file to replay.
    """
    found = [
        source
        for path in paths
        for source in _under(path, by_suffix)
        if not languages or source.language in languages
    ]
    if not found:
        wanted = f" in {' or '.join(sorted(languages))}" if languages else ""
        raise ReplayError(f"There is no file{wanted} to replay under {', '.join(map(str, paths))}.")
    return found


def _under(path: Path, by_suffix: Mapping[str, str]) -> Iterator[Source]:
    if not path.exists():
        raise ReplayError(f"{path} does not exist; name a file or a folder to replay.")
    repository = path.absolute().name
    for file in [path] if path.is_file() else sorted(path.rglob("*")):
        language = by_suffix.get(file.suffix.lower())
        inside = file.relative_to(path if path.is_dir() else path.parent)
        hidden = any(part.startswith(".") for part in inside.parts)
        if language and not hidden and file.is_file() and (text := _text(file)) is not None:
            yield Source(repository, inside.as_posix(), language, text)


def _text(file: Path) -> str | None:
    """The file's text; None if it is not what people write."""
    try:
        data = file.read_bytes()
        text = data.decode("utf-8") if len(data) <= LARGEST else ""
    except (OSError, UnicodeDecodeError):
        return None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    written = text.strip() and "\0" not in text and max(map(len, text.split("\n"))) <= LONGEST_LINE
    return text if written else None


T = TypeVar("T")

TRIES = 30
"""Draws from one file before the next one's turn."""


def in_turns(
    sources: Sequence[Source],
    count: int,
    seed: str,
    draw: Callable[[Source, random.Random], Callable[[], T | None]],
) -> list[T]:
    """So many samples, as many from each repository; what one gives depends on its own files alone.

    Args:
        sources: the files.
        count: samples.
        seed: of the order and the draws.
        draw: for a file whose turn it is, what draws one sample of it; None if that draw found none.

    Raises:
        ReplayError: no file gave any.
    """
    repositories: dict[str, list[Source]] = defaultdict(list)
    for source in sources:
        repositories[source.repository].append(source)
    streams = [_stream(files, f"{seed} {name}", draw) for name, files in repositories.items()]
    found: list[T] = []
    while streams and len(found) < count:
        for stream in list(streams):
            sample = next(stream, None)
            if sample is None:
                streams.remove(stream)
            elif len(found) < count:
                found.append(sample)
    if not found:
        raise ReplayError("No file has a line to complete; name files with code.")
    return found


def _stream(
    files: Sequence[Source], seed: str, draw: Callable[[Source, random.Random], Callable[[], T | None]]
) -> Iterator[T]:
    """One repository's samples without end, as long as its files have any."""
    chance = random.Random(seed)
    order = list(files)
    fruitful = True
    while fruitful:
        chance.shuffle(order)
        fruitful = False
        for source in order:
            once = draw(source, chance)
            found = next((sample for _ in range(TRIES) if (sample := once()) is not None), None)
            if found is not None:
                fruitful = True
                yield found
