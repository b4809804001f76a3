"""What a rule is: it takes an answer and the place it is for, and lets a part of it pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from cg2ls.completion.syntax.region import region_of

if TYPE_CHECKING:
    from cg2ls.completion.prompt.cursor import Cursor
    from cg2ls.completion.syntax.grammar import Grammar
    from cg2ls.completion.syntax.region import Region
    from cg2ls.completion.trigger.extent import Extent
    from cg2ls.completion.types import Trigger


@dataclass(frozen=True, kw_only=True)
class RuleContext:
    """What rules may know of the place an answer is for.

    Attributes:
        cursor: where the text is to be inserted.
        extent: whether it may have several lines.
        trigger: who asked.
        language: LSP id of the document's language, "" if unknown.
        max_lines: most lines to show; None for no bound.
        grammar: a parser for the language; None if there is none.
    """

    cursor: Cursor
    extent: Extent
    trigger: Trigger = "automatic"
    language: str = ""
    max_lines: int | None = None
    grammar: Grammar | None = None

    @cached_property
    def region(self) -> Region | None:
        """The code around the cursor; None in a line that is too long to parse."""
        return region_of(self.cursor)


@dataclass(frozen=True)
class Candidate:
    r"""An answer on its way to the screen. Line ends are `\n`.

    Attributes:
        text: to insert at the cursor.
        ended: whether the text is whole; False while the model is writing, or where it ran out of tokens.
        replace_length: characters right of the cursor that the text takes the place of.
        by_model: whether the model ended it where it ends now.
    """

    text: str
    ended: bool = True
    replace_length: int = 0
    by_model: bool = False

    def until(self, text: str) -> Candidate:
        """The draft, ended by a rule that lets only its beginning `text` pass."""
        return self if text == self.text else Candidate(text, True, self.replace_length)

    def with_text(self, text: str) -> Candidate:
        """The same draft with another text."""
        return replace(self, text=text)


Apply = Callable[[Candidate, RuleContext], Candidate]


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        name: what options and measurements call it.
        says: what it does, in half a sentence.
        apply: the rule itself, a pure function.
    """

    name: str
    says: str
    apply: Apply
