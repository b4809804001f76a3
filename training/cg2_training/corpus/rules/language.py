"""The language of a document, by the dump, the file's name, the first line or the content."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

from cg2_training.corpus.document import Content, Dropped, SourceDocument
from cg2ls.workspace.languages import LANGUAGES, language_of_name

TEXT_LANGUAGES = {".md": "markdown", ".markdown": "markdown", ".rst": "restructuredtext", ".txt": "plaintext"}
"""LSP ids of natural-language documents, by file name suffix."""

LANGUAGE_ALIASES = {
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
"""LSP ids of other names in dumps and detectors, in lower case."""

_INTERPRETER = re.compile(r"#!.*?\b(python|node|ruby|php|lua|bash|zsh|sh)[\d.]*\b")
_BY_INTERPRETER = {"node": "javascript", "bash": "shellscript", "zsh": "shellscript", "sh": "shellscript"}

MIN_DETECTOR_SCORE = 0.8
"""Minimum score of a detected language, 0 to 1."""


@dataclass(frozen=True)
class LanguageRule:
    """Rule that determines the language of each document and drops other languages.

    Attributes:
        wanted: LSP ids to keep; empty keeps all known languages.
    """

    wanted: Collection[str] = ()

    def __call__(self, document: SourceDocument) -> SourceDocument | Dropped:
        """Return the document with its language."""
        language = (
            lsp_id(document.language)
            or language_of_path(document.path)
            or language_of_first_line(document.text)
        )
        if not language:
            language = detect_language(document.text, document.content)
        if not language:
            return Dropped("unknown language")
        if self.wanted and language not in self.wanted:
            return Dropped("other language")
        return replace(document, language=language)


def lsp_id(name: str) -> str:
    """Return the LSP id of a language's name in a dump; "" for an empty name."""
    lowered = name.strip().lower()
    return LANGUAGE_ALIASES.get(lowered, lowered.replace(" ", ""))


def language_of_path(path: str) -> str:
    """Return the LSP id of a file by its name; "" if unknown."""
    return language_of_name(path) or TEXT_LANGUAGES.get(PurePosixPath(path).suffix.lower(), "")


def language_of_first_line(text: str) -> str:
    """Return the LSP id of the interpreter in the first line; "" if there is none."""
    found = _INTERPRETER.match(text[:200])
    return _BY_INTERPRETER.get(found[1], found[1]) if found else ""


def detect_language(text: str, content: Content) -> str:
    """Return the LSP id that Magika detects; "" if it is uncertain, not installed, or finds other content."""
    detector = _detector()
    if detector is None:
        return ""
    found = detector.identify_bytes(text[:20_000].encode())
    language = lsp_id(str(found.output.label))
    known = language in (LANGUAGES if content == "code" else TEXT_LANGUAGES).values()
    return language if known and found.score >= MIN_DETECTOR_SCORE else ""


@lru_cache(maxsize=1)
def _detector() -> Any:
    try:
        from magika import Magika
    except ModuleNotFoundError:
        return None
    return Magika()
