"""Which language a document is written in: by what the dump says, by its name, by its first line, by its content."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

from cg2_training.corpus.draft import Content, Dropped, SourceDocument
from cg2ls.workspace.languages import LANGUAGES, language_of_name

TEXTS = {".md": "markdown", ".markdown": "markdown", ".rst": "restructuredtext", ".txt": "plaintext"}
"""LSP ids of natural-language documents, by file name suffix."""

SPELLINGS = {
    "c#": "csharp",
    "c++": "cpp",
    "bash": "shellscript",
    "shell": "shellscript",
    "jsx": "javascriptreact",
    "tsx": "typescriptreact",
    "text": "plaintext",
    "txt": "plaintext",
    "cs": "csharp",
    "rest": "restructuredtext",
    "rst": "restructuredtext",
}
"""LSP ids of what dumps and detectors call otherwise; their names are compared in lower case."""

_INTERPRETER = re.compile(r"#!.*?\b(python|node|ruby|php|lua|bash|zsh|sh)[\d.]*\b")
_BY_INTERPRETER = {"node": "javascript", "bash": "shellscript", "zsh": "shellscript", "sh": "shellscript"}

CERTAIN = 0.8
"""Least certainty, 0 to 1, at which a detector's word is taken."""


@dataclass(frozen=True)
class LanguageRule:
    """Names the language of each document, and leaves out those of languages that are not wanted.

    Attributes:
        wanted: LSP ids; none wants every known language.
    """

    wanted: Collection[str] = ()

    def __call__(self, draft: SourceDocument) -> SourceDocument | Dropped:
        """The draft with its language."""
        language = spelled(draft.language) or named(draft.path) or by_first_line(draft.text)
        if not language:
            language = by_content(draft.text, draft.content)
        if not language:
            return Dropped("unknown language")
        if self.wanted and language not in self.wanted:
            return Dropped("other language")
        return replace(draft, language=language)


def spelled(name: str) -> str:
    """LSP id of a language's name as dumps have it; "" for an empty one."""
    lower = name.strip().lower()
    return SPELLINGS.get(lower, lower.replace(" ", ""))


def named(path: str) -> str:
    """LSP id by a file's name; "" if it does not tell."""
    return language_of_name(path) or TEXTS.get(PurePosixPath(path).suffix.lower(), "")


def by_first_line(text: str) -> str:
    """LSP id by the interpreter that the first line asks for; "" if it asks for none."""
    found = _INTERPRETER.match(text[:200])
    return _BY_INTERPRETER.get(found[1], found[1]) if found else ""


def by_content(text: str, content: Content) -> str:
    """LSP id that Magika is certain of; "" if it is not, is not installed, or names another kind of content."""
    detector = _detector()
    if detector is None:
        return ""
    found = detector.identify_bytes(text[:20_000].encode())
    language = spelled(str(found.output.label))
    known = language in (LANGUAGES if content == "code" else TEXTS).values()
    return language if known and found.score >= CERTAIN else ""


@lru_cache(maxsize=1)
def _detector() -> Any:
    try:
        from magika import Magika
    except ModuleNotFoundError:
        return None
    return Magika()
