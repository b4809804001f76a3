"""Code that parsed still parses with what is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.postprocess.rule import Rule
from cg2ls.completion.postprocess.shortening import shorten, sound_region
from cg2ls.completion.syntax.trees import ParserSteps

if TYPE_CHECKING:
    from cg2ls.completion.postprocess.rule import Candidate, RuleContext

MAX_STEPS = 1200
"""Reports of tree-sitter that judging one answer may take (`cg2ls.completion.syntax.trees`)."""


def apply(draft: Candidate, at: RuleContext) -> Candidate:
    """Shortens what breaks the parse to its longest beginning that does not.

    Nothing is changed in code that does not parse without the cursor's line. Nothing is shown where judging the
    answer would take too many steps.
    """
    if at.grammar is None or not draft.text.strip():
        return draft
    grammar, steps = at.grammar, ParserSteps(MAX_STEPS)
    region = sound_region(at, grammar.wheel.fillers, grammar.parses_again)
    if region is None:
        return draft
    return shorten(draft, at, region, lambda code: not steps.are_used_up and grammar.parses(code, steps))


RULE = Rule("parses", "what breaks the parse is shortened or dropped, if the code parsed before", apply)
