"""Which columns of a dump hold what: The Stack's, StarCoderData's and the usual names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from cg2_training.corpus.draft import Dropped, SourceDocument
from cg2_training.corpus.errors import CorpusError

KNOWN = {
    "text": ("content", "text", "code"),
    "path": ("max_stars_repo_path", "path", "file_path", "filename"),
    "language": ("lang", "language", "programming_language"),
    "extension": ("ext", "extension"),
    "licences": ("max_stars_repo_licenses", "detected_licenses", "licenses", "license", "licence"),
    "repository": ("max_stars_repo_name", "repository_name", "repo_name", "repo"),
}
"""Names of columns by what they hold, the first that is there counts."""

_STAR_MARKS = re.compile(r"\A(?:<(?:reponame|filename|gh_stars)>[^\n<]*)+\n?")
"""StarCoderData puts a file's repository, path and stars before some texts."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Names of columns that are not the usual ones; "" looks for the usual.

    Attributes:
        extension: of the file's name, such as "py", where there is no path.
    """

    text: str = ""
    path: str = ""
    language: str = ""
    extension: str = ""
    licences: str = ""
    repository: str = ""

    def resolved(self, there: Iterable[str], where: Path) -> dict[str, str]:
        """The column of each thing that the dump has.

        Raises:
            CorpusError: no column holds text, or one that was named is missing.
        """
        names = list(there)
        found = {}
        for field in fields(self):
            named = getattr(self, field.name)
            if named and named not in names:
                raise CorpusError(f"{where} has no column {named!r}; there are: {', '.join(names)}.")
            match = named or next((name for name in KNOWN[field.name] if name in names), "")
            if match:
                found[field.name] = match
        if "text" not in found:
            raise CorpusError(
                f"{where} has no column of text among {', '.join(names)}; name it as columns.text in a collection."
            )
        return found


def draft_of(row: Mapping[str, Any], columns: Mapping[str, str], number: int) -> SourceDocument | Dropped:
    """One row as a draft.

    Args:
        row: values by column.
        columns: what `Columns.resolved` gave.
        number: of the row, for a path where there is none.
    """
    text = row.get(columns["text"])
    if not isinstance(text, str) or not text:
        return Dropped("no text")
    path = _word(row.get(columns.get("path", "")))
    extension = _word(row.get(columns.get("extension", ""))).lstrip(".")
    return SourceDocument(
        _STAR_MARKS.sub("", text),
        path or (f"row-{number}.{extension}" if extension else f"row-{number}"),
        language=_word(row.get(columns.get("language", ""))),
        licences=_licences(row.get(columns.get("licences", ""))),
        repository=_word(row.get(columns.get("repository", ""))),
    )


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _licences(value: object) -> tuple[str, ...]:
    """A list, a list written as JSON, or one expression."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            return (str(value),)
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(str(one) for one in value) if isinstance(value, list | tuple) else ()
