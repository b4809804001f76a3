"""One task of a benchmark: a document with a hole, its reference, and the document made from an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Wanted = Literal["line", "span", "body"]
"""Kinds of missing text: the rest of a line, a span of any length, or a function's body at the end of the document."""


@dataclass(frozen=True)
class Check:
    """Code that tests whether a completed document works.

    Attributes:
        test: source that defines `check`.
        entry_point: name of the function that `check` receives.
    """

    test: str
    entry_point: str

    def program(self, document: str) -> str:
        """Return the program that fails unless the document works."""
        return f"{document}\n\n{self.test}\n\ncheck({self.entry_point})\n"


@dataclass(frozen=True, kw_only=True)
class BenchmarkTask:
    r"""A document with a hole. Line ends are `\n`.

    Attributes:
        name: identifies the task in its suite.
        group: origin of the task, such as a problem. Intervals draw groups, since tasks of one group resemble
            each other.
        prefix: text before the cursor.
        suffix: text after the cursor.
        reference: text that was removed.
        wanted: kind of the missing text.
        language: LSP language id.
        check: test of an executed answer; None if answers can only be compared.
        files: texts of other files by path, which repository memory may use.
    """

    name: str
    group: str
    prefix: str
    suffix: str
    reference: str
    wanted: Wanted = "line"
    language: str = "python"
    check: Check | None = None
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def document(self) -> str:
        """The document that an editor would have: without the reference."""
        return self.prefix + self.suffix

    def cut(self, text: str) -> str:
        """Return the part of an answer that the task requests: up to its first written line, or all of it."""
        if self.wanted != "line":
            return text
        start = len(text) - len(text.lstrip())
        end = text.find("\n", start)
        return text if end < 0 else text[:end]

    def insert(self, text: str, replace_length: int) -> str:
        """Return the document with an answer in it.

        Args:
            text: the answer as shown.
            replace_length: characters after the cursor that the whole answer replaces.
        """
        taken = self.cut(text)
        return self.prefix + taken + self.suffix[replace_length if taken == text else 0 :]

    def is_exact(self, text: str, replace_length: int) -> bool:
        """Return whether an answer restores the document, apart from blanks at the ends of lines."""
        if not text:
            return False
        return _without_trailing_blanks(self.insert(text, replace_length)) == _without_trailing_blanks(
            self.prefix + self.reference + self.suffix
        )


def _without_trailing_blanks(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]
