"""Files that are replayed, each with its repository, and samples drawn from them in turns."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from cg2ls.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

MAX_FILE_BYTES = 1_000_000
"""Maximum size; a larger file is data or generated."""

MAX_LINE_CHARS = 400
"""Maximum length of a line; a file with a longer one is data, generated or minified."""


T = TypeVar("T")

DRAWS_PER_FILE = 30
"""Number of draws from one file before the next file."""


@dataclass(frozen=True)
class SourceFile:
    r"""A file and its text.

    Attributes:
        repository: name of the path it was found under.
        path: path in the repository, with slashes.
        language: LSP language id.
        text: text with `\n` line ends.
    """

    repository: str
    path: str
    language: str
    text: str

    @property
    def name(self) -> str:
        """Name that is unique among all files of a replay."""
        return f"{self.repository}/{self.path}"


def collect_sources(
    paths: Sequence[Path], by_suffix: Mapping[str, str], languages: Collection[str] = ()
) -> list[SourceFile]:
    """Return all source files under some paths, sorted; generated and binary files are left out.

    Args:
        paths: files, or folders that are one repository each.
        by_suffix: LSP language id by file name suffix.
        languages: languages to take; all of `by_suffix` if empty.

    Raises:
        EvaluationError: a path is missing, or there is no file to replay.
    """
    found = [
        source
        for path in paths
        for source in _find_sources(path, by_suffix)
        if not languages or source.language in languages
    ]
    if not found:
        wanted = f" in {' or '.join(sorted(languages))}" if languages else ""
        raise EvaluationError(f"There is no file{wanted} to replay under {', '.join(map(str, paths))}.")
    return found


def _find_sources(path: Path, by_suffix: Mapping[str, str]) -> Iterator[SourceFile]:
    if not path.exists():
        raise EvaluationError(f"{path} does not exist; name a file or a folder to replay.")
    repository = path.absolute().name
    for file in [path] if path.is_file() else sorted(path.rglob("*")):
        language = by_suffix.get(file.suffix.lower())
        inside = file.relative_to(path if path.is_dir() else path.parent)
        hidden = any(part.startswith(".") for part in inside.parts)
        if language and not hidden and file.is_file() and (text := _read_written_text(file)) is not None:
            yield SourceFile(repository, inside.as_posix(), language, text)


def _read_written_text(file: Path) -> str | None:
    """Return the file's text; None if it is not source text."""
    try:
        data = file.read_bytes()
        text = data.decode("utf-8") if len(data) <= MAX_FILE_BYTES else ""
    except (OSError, UnicodeDecodeError):
        return None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    written = text.strip() and "\0" not in text and max(map(len, text.split("\n"))) <= MAX_LINE_CHARS
    return text if written else None


def draw_in_turns(
    sources: Sequence[SourceFile],
    count: int,
    seed: str,
    draw: Callable[[SourceFile, random.Random], Callable[[], T | None]],
) -> list[T]:
    """Draw samples in turns from all repositories; the samples of a repository depend only on its files.

    Args:
        sources: the files.
        count: number of samples.
        seed: seed of the order and the draws.
        draw: takes a file and returns a function that draws one sample of it, or None if there is none.

    Raises:
        EvaluationError: no file gave any sample.
    """
    repositories: dict[str, list[SourceFile]] = defaultdict(list)
    for source in sources:
        repositories[source.repository].append(source)
    streams = [_draw_endlessly(files, f"{seed} {name}", draw) for name, files in repositories.items()]
    found: list[T] = []
    while streams and len(found) < count:
        for stream in list(streams):
            sample = next(stream, None)
            if sample is None:
                streams.remove(stream)
            elif len(found) < count:
                found.append(sample)
    if not found:
        raise EvaluationError("No file has a line to complete; name files with code.")
    return found


def _draw_endlessly(
    files: Sequence[SourceFile],
    seed: str,
    draw: Callable[[SourceFile, random.Random], Callable[[], T | None]],
) -> Iterator[T]:
    """Yield one repository's samples while its files give any."""
    random_source = random.Random(seed)
    order = list(files)
    found_any = True
    while found_any:
        random_source.shuffle(order)
        found_any = False
        for source in order:
            once = draw(source, random_source)
            found = next((sample for _ in range(DRAWS_PER_FILE) if (sample := once()) is not None), None)
            if found is not None:
                found_any = True
                yield found
