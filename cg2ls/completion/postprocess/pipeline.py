"""The rules in the order in which they are applied, and how an answer passes through them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.block_end import (
    balance_strings,
    drop_unfinished_line,
    limit_lines,
    stop_after_jump,
    stop_at_blank_line,
    stop_at_dedent,
)
from cg2ls.completion.postprocess.formatting import (
    match_indentation,
    normalize_line_ends,
    strip_special_tokens,
)
from cg2ls.completion.postprocess.repetition import (
    cut_repetition,
    drop_repeated_above,
    drop_repeated_below,
    stop_at_repeated_key,
    stop_counting,
)
from cg2ls.completion.postprocess.rest_of_line import (
    drop_repeated_rest,
    drop_unmatched_closers,
    reconcile_closers,
    skip_rest_of_word,
)
from cg2ls.completion.postprocess.rule import Candidate, Rule
from cg2ls.completion.postprocess.valid_code import check_python, keep_parsable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cg2ls.completion.postprocess.rule import RuleContext

ALWAYS: tuple[Rule, ...] = (Rule(normalize_line_ends, "converts carriage returns to line feeds"),)
"""Applied first, also during generation; these cannot be disabled."""

BOUNDS: tuple[Rule, ...] = (
    Rule(strip_special_tokens, "ends at a special token and at bytes that are not text"),
    Rule(cut_repetition, "ends after the first of several repetitions"),
    Rule(stop_counting, "ends after the first of several pieces that differ only by counting"),
    Rule(stop_at_repeated_key, "ends before an entry of a dictionary whose key already exists"),
    Rule(limit_lines, "ends at the end of the line, or a block after `max_lines`"),
    Rule(stop_at_dedent, "ends a block before the first line that is indented less"),
    Rule(stop_at_blank_line, "ends a block at a blank line, or at two if the user asked for it"),
    Rule(stop_after_jump, "ends before code that never runs because of a `return` or another jump above"),
    Rule(drop_repeated_above, "drops an answer that begins with the lines directly above"),
    Rule(drop_repeated_below, "ends before a line that already follows the cursor"),
    Rule(drop_repeated_rest, "ends where it begins to repeat the code after the cursor"),
)
"""Find the end of an answer. Text that follows cannot change it, so generation ends as soon as one of these cuts."""

FINISH: tuple[Rule, ...] = (
    Rule(drop_unfinished_line, "drops the last line of a block that ran out of tokens"),
    Rule(
        match_indentation,
        "indents lines with tabs or blanks like the lines around them, and never indents twice",
    ),
    Rule(balance_strings, "closes a docstring or other string of several lines that the answer opens"),
    Rule(
        skip_rest_of_word,
        "inside a word, replaces the rest of the word that follows the cursor instead of repeating it",
    ),
    Rule(reconcile_closers, "leaves out closing brackets that already follow the cursor"),
    Rule(drop_unmatched_closers, "drops closers at the end that close nothing"),
    Rule(keep_parsable, "shortens or drops what breaks the parse, if the code parsed before"),
    Rule(check_python, "shortens or drops what Python does not accept, if it accepted the code before"),
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
        """Return whether further text would no longer change what is shown, so that generation can end.

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
