"""What may be shown: pure rules, one a file, in the order in which they are applied.

`BOUNDS` find an answer's end from its beginning, so that generating can end as soon as one of them cuts.
`FINISH` are applied once, to what they let pass.
"""

from cg2ls.completion.rules import (
    blank_lines,
    closers,
    dedent,
    extent,
    indentation,
    line_ends,
    loops,
    marks,
    parses,
    repeated_below,
    rest_of_line,
    unfinished_line,
    unopened,
)
from cg2ls.completion.rules.rule import Draft, Rule, Situation

BOUNDS: tuple[Rule, ...] = (
    marks.RULE,
    loops.RULE,
    extent.RULE,
    dedent.RULE,
    blank_lines.RULE,
    repeated_below.RULE,
    rest_of_line.RULE,
)

FINISH: tuple[Rule, ...] = (
    unfinished_line.RULE,
    indentation.RULE,
    closers.RULE,
    unopened.RULE,
    parses.RULE,
)

ALWAYS: tuple[Rule, ...] = (line_ends.RULE,)
"""Applied first to every text, also while it is being generated; it cannot be switched off."""

RULES = ALWAYS + BOUNDS + FINISH

__all__ = ["ALWAYS", "BOUNDS", "FINISH", "RULES", "Draft", "Rule", "Situation"]
