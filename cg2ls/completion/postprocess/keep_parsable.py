"""Shorten or drop what breaks the parse of the code around the cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.shortening import find_sound_region, shorten
from cg2ls.completion.syntax.trees import ParserSteps

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext

MAX_ANSWER_STEPS = 1200
"""Progress reports of tree-sitter that judging one answer may take (`cg2ls.completion.syntax.trees`)."""


def keep_parsable(candidate: Candidate, context: RuleContext) -> Candidate:
    """Shorten what breaks the parse to its longest beginning that does not.

    Nothing is changed in code that does not parse without the cursor's line. Nothing is shown if judging the answer
    would take too many steps.
    """
    if context.grammar is None or not candidate.text.strip():
        return candidate
    grammar, steps = context.grammar, ParserSteps(MAX_ANSWER_STEPS)
    region = find_sound_region(context, grammar.wheel.fillers, grammar.parses_again)
    if region is None:
        return candidate
    return shorten(
        candidate, context, region, lambda code: not steps.are_used_up and grammar.parses(code, steps)
    )
