"""What may be shown: pure rules, one a file, in the order in which they are applied.

`BOUNDS` find an answer's end from its beginning, so that generating can end as soon as one of them cuts.
`FINISH` are applied once, to what they let pass.
"""

from cg2ls.completion.rules import (
    balance_strings,
    blank_lines,
    check_python,
    closers,
    dedent,
    drop_repeat_above,
    extent,
    indentation,
    line_ends,
    loops,
    marks,
    parses,
    repeated_below,
    rest_of_line,
    skip_rest_of_word,
    stop_after_jump,
    stop_at_repeated_key,
    stop_counting,
    unfinished_line,
    unopened,
)
from cg2ls.completion.rules.rule import Draft, Rule, Situation

BOUNDS: tuple[Rule, ...] = (
    marks.RULE,
    loops.RULE,
    stop_counting.RULE,
    stop_at_repeated_key.RULE,
    extent.RULE,
    dedent.RULE,
    blank_lines.RULE,
    stop_after_jump.RULE,
    drop_repeat_above.RULE,
    repeated_below.RULE,
    rest_of_line.RULE,
)

FINISH: tuple[Rule, ...] = (
    unfinished_line.RULE,
    indentation.RULE,
    balance_strings.RULE,
    skip_rest_of_word.RULE,
    closers.RULE,
    unopened.RULE,
    parses.RULE,
    check_python.RULE,
)

ALWAYS: tuple[Rule, ...] = (line_ends.RULE,)
"""Applied first to every text, also while it is being generated; it cannot be switched off."""

RULES = ALWAYS + BOUNDS + FINISH

__all__ = ["ALWAYS", "BOUNDS", "FINISH", "RULES", "Draft", "Rule", "Situation"]
