"""The rules in the order in which they are applied, and how an answer passes through them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.completion.postprocess import (
    balance_strings,
    check_python,
    cut_repetition,
    drop_repeated_above,
    drop_repeated_below,
    drop_repeated_rest,
    drop_unfinished_line,
    drop_unmatched_closers,
    keep_parsable,
    limit_lines,
    match_indentation,
    normalize_line_ends,
    reconcile_closers,
    skip_rest_of_word,
    stop_after_jump,
    stop_at_blank_line,
    stop_at_dedent,
    stop_at_repeated_key,
    stop_counting,
    strip_special_tokens,
)
from cg2ls.completion.postprocess.rule import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cg2ls.completion.postprocess.rule import Rule, RuleContext

ALWAYS: tuple[Rule, ...] = (normalize_line_ends.RULE,)
"""Applied first, also during generation; these cannot be disabled."""

BOUNDS: tuple[Rule, ...] = (
    strip_special_tokens.RULE,
    cut_repetition.RULE,
    stop_counting.RULE,
    stop_at_repeated_key.RULE,
    limit_lines.RULE,
    stop_at_dedent.RULE,
    stop_at_blank_line.RULE,
    stop_after_jump.RULE,
    drop_repeated_above.RULE,
    drop_repeated_below.RULE,
    drop_repeated_rest.RULE,
)
"""Find the end of an answer. Text that follows cannot change it, so generation ends as soon as one of these cuts."""

FINISH: tuple[Rule, ...] = (
    drop_unfinished_line.RULE,
    match_indentation.RULE,
    balance_strings.RULE,
    skip_rest_of_word.RULE,
    reconcile_closers.RULE,
    drop_unmatched_closers.RULE,
    keep_parsable.RULE,
    check_python.RULE,
)
"""Applied once, to the answer that the bounds left."""

RULES = ALWAYS + BOUNDS + FINISH


@dataclass(frozen=True)
class Processed:
    """Text to show after postprocessing.

    Attributes:
        text: text to insert at the cursor; empty for nothing.
        replace_length: number of characters after the cursor that it replaces.
        rules: names of the rules that changed the answer, in order.
    """

    text: str
    replace_length: int = 0
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Postprocessor:
    """The rules for answers at one cursor.

    Attributes:
        context: what the rules know about the cursor.
        disabled: current names of the rules to leave out.
    """

    context: RuleContext
    disabled: frozenset[str] = frozenset()

    def is_complete(self, text: str) -> bool:
        """Return whether more text could not change what is shown, so that generation can end.

        Args:
            text: the answer so far.
        """
        candidate, _ = self._apply(ALWAYS, Candidate(text, ended=False))
        bounded, _ = self._apply(BOUNDS, candidate)
        return bounded.text != candidate.text

    def find_end(self, text: str) -> str:
        """Return the part of a whole answer that is left by the rules that find its end."""
        return self._apply(ALWAYS + BOUNDS, Candidate(text))[0].text

    def process(self, text: str, *, ended: bool, ended_by_model: bool = False) -> Processed:
        """Return the text to show of an answer.

        Args:
            text: the answer.
            ended: whether the model ended it or `is_complete` held; False if it ran out of tokens.
            ended_by_model: whether the model ended it.
        """
        candidate, _ = self._apply(ALWAYS, Candidate(text, ended, ended_by_model=ended_by_model))
        candidate, used = self._apply(BOUNDS + FINISH, candidate)
        shown = candidate.text if self.context.cursor.is_mid_line else candidate.text.rstrip()
        return Processed(shown, candidate.replace_length, used) if shown.strip() else Processed("", 0, used)

    def _apply(self, rules: Iterable[Rule], candidate: Candidate) -> tuple[Candidate, tuple[str, ...]]:
        used: list[str] = []
        for rule in rules:
            if rule.name in self.disabled:
                continue
            passed = rule.apply(candidate, self.context)
            if passed != candidate:
                used.append(rule.name)
            candidate = passed
        return candidate, tuple(used)
