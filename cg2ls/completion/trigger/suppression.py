"""When to be silent, each time for a reason that can be shown."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.completion.syntax.languages import same_language

if TYPE_CHECKING:
    from cg2ls.completion.options import CompletionOptions
    from cg2ls.completion.prompt.cursor import Cursor
    from cg2ls.completion.syntax.kind import Kind
    from cg2ls.completion.types import Trigger

LONGEST_LINE = 2000
"""Characters of a line in front of the cursor; longer ones are data or minified code."""

STATEMENT_ENDS = (";", "});", "};")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request, as far as silence depends on it.

    Attributes:
        cursor: where it asks for a completion.
        language: LSP id of the document's language, "" if unknown.
        known: the languages the model was trained on, empty where nobody wrote them down.
        trigger: who asked.
        options: what the user set.
        kind: tells what the cursor stands in; asked only where that matters.
    """

    cursor: Cursor
    language: str
    known: Collection[str]
    trigger: Trigger
    options: CompletionOptions
    kind: Callable[[], Kind] = lambda: "code"


@dataclass(frozen=True)
class Suppression:
    """One reason for not answering.

    Attributes:
        name: what options, logs and measurements call it.
        says: the reason, a sentence for users.
        holds: whether it is one for a request.
        invoked_too: whether it holds even if the user asked.
    """

    name: str
    says: str
    holds: Callable[[Asked], bool]
    invoked_too: bool = False


def _unknown_language(asked: Asked) -> bool:
    if asked.options.unknown_languages or not asked.known or not asked.language:
        return False
    return not any(same_language(asked.language, language) for language in asked.known)


def _empty_document(asked: Asked) -> bool:
    return not asked.cursor.text.strip(" \t\n\r\f\v\ufeff")


def _before_word(asked: Asked) -> bool:
    after = asked.cursor.line_after[:1]
    return after.isalnum() or after == "_"


def _after_statement(asked: Asked) -> bool:
    cursor = asked.cursor
    return not cursor.line_after.strip() and cursor.line_before.rstrip().endswith(STATEMENT_ENDS)


def _long_line(asked: Asked) -> bool:
    return asked.cursor.offset - asked.cursor.line_start > LONGEST_LINE


SUPPRESSIONS: tuple[Suppression, ...] = (
    Suppression("off", "Completion is switched off here.", lambda asked: not asked.options.enable, True),
    Suppression(
        "only_on_request",
        "The option `automatic` is false, so only requests of the user are answered.",
        lambda asked: not asked.options.automatic,
    ),
    Suppression(
        "unknown_language",
        "The model was not trained on this language; the option `unknownLanguages` overrides this.",
        _unknown_language,
        invoked_too=True,
    ),
    Suppression(
        "empty_document", "There is nothing in the document to go on from.", _empty_document, invoked_too=True
    ),
    Suppression("before_word", "A word stands right of the cursor.", _before_word),
    Suppression("after_statement", "The statement is ended by a semicolon.", _after_statement),
    Suppression(
        "in_comment",
        "The cursor stands in a comment or in documentation, and the option `comments` is false.",
        lambda asked: not asked.options.comments and asked.kind() in ("comment", "documentation"),
    ),
    Suppression("long_line", f"The line is longer than {LONGEST_LINE} characters.", _long_line),
)
"""The reasons in the order in which they are looked for."""


def suppression(asked: Asked) -> Suppression | None:
    """The first reason for not answering that holds; None if there is none."""
    for reason in SUPPRESSIONS:
        if asked.trigger == "invoked" and not reason.invoked_too:
            continue
        if reason.name not in asked.options.disabled_rules and reason.holds(asked):
            return reason
    return None
