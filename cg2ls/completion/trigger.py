"""Decide when, whether and how far to complete: debouncing, suppressions, and the extent."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal

from cg2ls.completion.syntax.region import measure_indentation
from cg2ls.workspace.languages import same_language

if TYPE_CHECKING:
    from cg2ls.completion.options import CompletionOptions
    from cg2ls.completion.prompt.cursor import Cursor
    from cg2ls.completion.syntax.region import Kind
    from cg2ls.completion.types import Trigger


MAX_GAPS = 20
MAX_ANSWERS = 10
"""Numbers of the latest keys and answers that count."""

INITIAL_GAP_S = 0.16
MIN_GAP_S, MAX_GAP_S = 0.05, 0.5
"""Gaps between keys: the assumption before the first one, and the range that counts as typing."""

WAIT_PER_GAP = 1.25
"""Length of the wait, as a multiple of the gap between keys."""

MAX_ANSWER_PER_GAP = 0.5
"""An answer that takes at most this share of a gap needs no wait."""

MAX_WAIT_S = 0.4


class Debounce:
    """Choose how long to wait after a key before the model runs, so that it runs when the user pauses.

    It measures the gaps between one user's keys and the times of one model's answers, in seconds. If answers arrive
    faster than keys, waiting is useless. If they do not, the next key would make each answer obsolete; then the wait
    is a little longer than the gaps between keys. Tabby's agent also scales such gaps, but it does not wait before its
    first measured answer: its mean of no values is not a number. Here every value is defined from the start.
    """

    def __init__(self) -> None:
        self._last: float | None = None
        self._gaps: deque[float] = deque([INITIAL_GAP_S], maxlen=MAX_GAPS)
        self._answers: deque[float] = deque(maxlen=MAX_ANSWERS)

    def record_key(self, now: float) -> None:
        """Record a key at a time of any clock; pauses do not count."""
        if self._last is not None and MIN_GAP_S <= now - self._last <= MAX_GAP_S:
            self._gaps.append(now - self._last)
        self._last = now

    def record_answer(self, seconds: float) -> None:
        """Record how long the model took to answer, without reading: the prompt is read during the wait."""
        if 0 <= seconds < float("inf"):
            self._answers.append(seconds)

    def compute_wait(self) -> float:
        """Return the seconds to wait after a key."""
        gap = median(self._gaps)
        if not self._answers or median(self._answers) <= MAX_ANSWER_PER_GAP * gap:
            return 0.0
        return min(MAX_WAIT_S, WAIT_PER_GAP * gap)


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


Extent = Literal["line", "block"]
"""How far a completion may reach: to the end of the cursor's line, or over several lines."""

BRACKETS = ("(", "[", "{")
COLON_LANGUAGES = frozenset({"", "cython", "gdscript", "nim", "python", "starlark", "yaml"})
"""LSP ids of the languages in which a colon at the end of a line opens a block; "" is an unknown language."""


def choose_extent(cursor: Cursor, language: str, kind_of: Callable[[], Kind] = lambda: "code") -> Extent:
    """Choose a block if the line is blank or opens one and nothing follows the cursor; otherwise a line.

    A block that already has lines is not written again, and prose is completed line by line.

    Args:
        cursor: place to complete at.
        language: LSP id of the document's language, "" if unknown.
        kind_of: returns the kind of text at the cursor; called only if it matters.
    """
    if cursor.line_after.strip():
        return "line"
    before = cursor.line_before.rstrip()
    if before and (not opens_block(before, language) or _has_body(cursor)):
        return "line"
    return "block" if kind_of() == "code" else "line"


def opens_block(line: str, language: str) -> bool:
    """Return whether a line without trailing blanks ends with something that opens a block."""
    return line.endswith(BRACKETS) or (line.endswith(":") and language in COLON_LANGUAGES)


def _has_body(cursor: Cursor) -> bool:
    """Return whether the next line is indented deeper than the cursor's."""
    below = cursor.following_line
    return bool(below) and measure_indentation(below) > measure_indentation(cursor.line_before)
