"""Rules: pure functions that return the part of an answer that may be shown at a place, and their former names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from cg2ls.completion.options import OptionsError
from cg2ls.completion.syntax.region import find_region

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from cg2ls.completion.prompt.cursor import Cursor
    from cg2ls.completion.syntax.grammar import Grammar
    from cg2ls.completion.syntax.region import Region
    from cg2ls.completion.trigger import Extent
    from cg2ls.completion.types import Trigger


@dataclass(frozen=True, kw_only=True)
class RuleContext:
    """What rules know about the place of an answer.

    Attributes:
        cursor: place at which the text is inserted.
        extent: whether the text may have several lines.
        trigger: who asked for it.
        language: LSP id of the document's language, "" if unknown.
        max_lines: maximum number of lines to show; None for no limit.
        grammar: parser for the language; None if there is none.
    """

    cursor: Cursor
    extent: Extent
    trigger: Trigger = "automatic"
    language: str = ""
    max_lines: int | None = None
    grammar: Grammar | None = None

    @cached_property
    def region(self) -> Region | None:
        """Code around the cursor; None in a line that is too long to parse."""
        return find_region(self.cursor)


@dataclass(frozen=True)
class Candidate:
    r"""An answer on its way through the rules. Line ends are `\n`.

    Attributes:
        text: text to insert at the cursor.
        ended: whether the text is whole; False during generation, or if it ran out of tokens.
        replace_length: number of characters after the cursor that the text replaces.
        ended_by_model: whether the model ended the text at its present end.
    """

    text: str
    ended: bool = True
    replace_length: int = 0
    ended_by_model: bool = False

    def until(self, text: str) -> Candidate:
        """Return the candidate cut to its beginning `text`, as ended by a rule."""
        return self if text == self.text else Candidate(text, True, self.replace_length)

    def with_text(self, text: str) -> Candidate:
        """Return the same candidate with another text."""
        return replace(self, text=text)


Apply = Callable[[Candidate, RuleContext], Candidate]


@dataclass(frozen=True)
class Rule:
    """A rule and what it does.

    Attributes:
        apply: the pure function.
        summary: what the rule does, as a phrase.
    """

    apply: Apply
    summary: str

    @property
    def name(self) -> str:
        """Name of the rule in options and reports: the name of its function."""
        return self.apply.__name__


CURRENT_NAMES = {
    "blank_lines": "stop_at_blank_line",
    "closers": "reconcile_closers",
    "dedent": "stop_at_dedent",
    "drop_repeat_above": "drop_repeated_above",
    "extent": "limit_lines",
    "indentation": "match_indentation",
    "line_ends": "normalize_line_ends",
    "loops": "cut_repetition",
    "marks": "strip_special_tokens",
    "parses": "keep_parsable",
    "repeated_below": "drop_repeated_below",
    "rest_of_line": "drop_repeated_rest",
    "unfinished_line": "drop_unfinished_line",
    "unopened": "drop_unmatched_closers",
}
"""Maps each former name to the current one."""

FORMER_NAMES = {current: former for former, current in CURRENT_NAMES.items()}
"""Maps current names to former ones; reports keep these as their keys."""


def resolve_rule_names(names: Iterable[str], known: Collection[str]) -> frozenset[str]:
    """Return the current names of rules that are given by their current or former names.

    Args:
        names: current or former names; a rule may be given by both.
        known: all current names that are allowed.

    Raises:
        OptionsError: a name is unknown.
    """
    current = {name: CURRENT_NAMES.get(name, name) for name in names}
    if unknown := sorted(name for name in current if current[name] not in known):
        raise OptionsError(
            f"disabled_rules contains {unknown[0]!r}, but no rule has this name; the rules are"
            f" {', '.join(sorted(known))}."
        )
    return frozenset(current.values())
