"""What may be shown: pure rules, one a file, in the order in which they are applied.

`BOUNDS` find an answer's end from its beginning, so that generating can end as soon as one of them cuts.
`FINISH` are applied once, to what they let pass.
"""

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
from cg2ls.completion.postprocess.rule import Candidate, Rule, RuleContext

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

ALWAYS: tuple[Rule, ...] = (normalize_line_ends.RULE,)
"""Applied first to every text, also while it is being generated; it cannot be switched off."""

RULES = ALWAYS + BOUNDS + FINISH

__all__ = ["ALWAYS", "BOUNDS", "FINISH", "RULES", "Candidate", "Rule", "RuleContext"]
