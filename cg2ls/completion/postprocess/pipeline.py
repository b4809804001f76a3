"""From the model's answer to the text to show: the rules in their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.completion.postprocess import ALWAYS, BOUNDS, FINISH, Candidate, RuleContext

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cg2ls.completion.postprocess import Rule


@dataclass(frozen=True)
class Processed:
    """What is left to show.

    Attributes:
        text: to insert at the cursor; empty for nothing.
        replace_length: characters right of the cursor that it takes the place of.
        rules: names of the rules that changed the answer, in their order.
    """

    text: str
    replace_length: int = 0
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Postprocessor:
    """Cuts answers for one place.

    Attributes:
        context: the place.
        disabled: names of the rules not to apply.
    """

    context: RuleContext
    disabled: frozenset[str] = frozenset()

    def is_complete(self, text: str) -> bool:
        """Whether more text could not change what is shown, so that generating can end.

        Args:
            text: the answer so far.
        """
        draft, _ = self._apply(ALWAYS, Candidate(text, ended=False))
        bounded, _ = self._apply(BOUNDS, draft)
        return bounded.text != draft.text

    def shape(self, text: str, *, ended: bool, by_model: bool = False) -> Processed:
        """What to show of an answer.

        Args:
            text: the answer.
            ended: whether the model ended it, or `is_complete` did; False where it ran out of tokens.
            by_model: whether the model did.
        """
        draft, _ = self._apply(ALWAYS, Candidate(text, ended, by_model=by_model))
        draft, used = self._apply(BOUNDS + FINISH, draft)
        shown = draft.text if self.context.cursor.mid_line else draft.text.rstrip()
        return Processed(shown, draft.replace_length, used) if shown.strip() else Processed("", 0, used)

    def _apply(self, rules: Iterable[Rule], draft: Candidate) -> tuple[Candidate, tuple[str, ...]]:
        used: list[str] = []
        for rule in rules:
            if rule.name in self.disabled:
                continue
            passed = rule.apply(draft, self.context)
            if passed != draft:
                used.append(rule.name)
            draft = passed
        return draft, tuple(used)
