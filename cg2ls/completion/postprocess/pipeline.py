"""From the model's answer to the text to show: the rules in their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.completion.postprocess import ALWAYS, BOUNDS, FINISH, Draft, Situation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cg2ls.completion.postprocess import Rule


@dataclass(frozen=True)
class Shaped:
    """What is left to show.

    Attributes:
        text: to insert at the cursor; empty for nothing.
        covers: characters right of the cursor that it takes the place of.
        rules: names of the rules that changed the answer, in their order.
    """

    text: str
    covers: int = 0
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Shaper:
    """Cuts answers for one place.

    Attributes:
        situation: the place.
        disabled: names of the rules not to apply.
    """

    situation: Situation
    disabled: frozenset[str] = frozenset()

    def is_complete(self, text: str) -> bool:
        """Whether more text could not change what is shown, so that generating can end.

        Args:
            text: the answer so far.
        """
        draft, _ = self._apply(ALWAYS, Draft(text, ended=False))
        bounded, _ = self._apply(BOUNDS, draft)
        return bounded.text != draft.text

    def shape(self, text: str, *, ended: bool, by_model: bool = False) -> Shaped:
        """What to show of an answer.

        Args:
            text: the answer.
            ended: whether the model ended it, or `is_complete` did; False where it ran out of tokens.
            by_model: whether the model did.
        """
        draft, _ = self._apply(ALWAYS, Draft(text, ended, by_model=by_model))
        draft, used = self._apply(BOUNDS + FINISH, draft)
        shown = draft.text if self.situation.cursor.mid_line else draft.text.rstrip()
        return Shaped(shown, draft.covers, used) if shown.strip() else Shaped("", 0, used)

    def _apply(self, rules: Iterable[Rule], draft: Draft) -> tuple[Draft, tuple[str, ...]]:
        used: list[str] = []
        for rule in rules:
            if rule.name in self.disabled:
                continue
            passed = rule.apply(draft, self.situation)
            if passed != draft:
                used.append(rule.name)
            draft = passed
        return draft, tuple(used)
