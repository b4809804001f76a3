"""Reasons to show nothing, each with a sentence for the user."""

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

MAX_LINE_BEFORE_CHARS = 2000
"""Characters of the line before the cursor; longer lines are data or minified code."""

STATEMENT_ENDS = (";", "});", "};")


@dataclass(frozen=True, kw_only=True)
class TriggerContext:
    """What suppressions know about a request.

    Attributes:
        cursor: place to complete at.
        language: LSP id of the document's language, "" if unknown.
        known_languages: languages that the model was trained on; empty if the model does not list them.
        trigger: who asked.
        options: what the user set.
        kind_of: returns the kind of text at the cursor; called only if it matters.
    """

    cursor: Cursor
    language: str
    known_languages: Collection[str]
    trigger: Trigger
    options: CompletionOptions
    kind_of: Callable[[], Kind] = lambda: "code"


@dataclass(frozen=True)
class Suppression:
    """A reason not to answer.

    Attributes:
        name: name in options, logs and measurements.
        message: the reason as a sentence for users.
        holds: returns whether the reason applies to a request.
        invoked_too: whether it also applies if the user asked.
    """

    name: str
    message: str
    holds: Callable[[TriggerContext], bool]
    invoked_too: bool = False


def _is_unknown_language(context: TriggerContext) -> bool:
    if context.options.unknown_languages or not context.known_languages or not context.language:
        return False
    return not any(same_language(context.language, language) for language in context.known_languages)


def _is_empty_document(context: TriggerContext) -> bool:
    return not context.cursor.text.strip(" \t\n\r\f\v\ufeff")


def _is_before_word(context: TriggerContext) -> bool:
    after = context.cursor.line_after[:1]
    return after.isalnum() or after == "_"


def _is_after_statement(context: TriggerContext) -> bool:
    cursor = context.cursor
    return not cursor.line_after.strip() and cursor.line_before.rstrip().endswith(STATEMENT_ENDS)


def _is_long_line(context: TriggerContext) -> bool:
    return context.cursor.offset - context.cursor.line_start > MAX_LINE_BEFORE_CHARS


SUPPRESSIONS: tuple[Suppression, ...] = (
    Suppression("off", "Completion is switched off here.", lambda context: not context.options.enable, True),
    Suppression(
        "only_on_request",
        "The option `automatic` is false, so only requests of the user are answered.",
        lambda context: not context.options.automatic,
    ),
    Suppression(
        "unknown_language",
        "The model was not trained on this language; the option `unknownLanguages` overrides this.",
        _is_unknown_language,
        invoked_too=True,
    ),
    Suppression("empty_document", "The document is empty.", _is_empty_document, invoked_too=True),
    Suppression("before_word", "A word follows the cursor.", _is_before_word),
    Suppression("after_statement", "The statement is ended by a semicolon.", _is_after_statement),
    Suppression(
        "in_comment",
        "The cursor is in a comment or in documentation, and the option `comments` is false.",
        lambda context: not context.options.comments and context.kind_of() in ("comment", "documentation"),
    ),
    Suppression("long_line", f"The line is longer than {MAX_LINE_BEFORE_CHARS} characters.", _is_long_line),
)
"""The reasons in the order in which they are checked."""


def find_suppression(context: TriggerContext) -> Suppression | None:
    """Return the first reason not to answer; None if there is none."""
    for suppression in SUPPRESSIONS:
        if context.trigger == "invoked" and not suppression.invoked_too:
            continue
        if suppression.name not in context.options.disabled_rules and suppression.holds(context):
            return suppression
    return None
