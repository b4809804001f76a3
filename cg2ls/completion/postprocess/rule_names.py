"""Former names of rules, which options, commands and stored reports may still use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cg2ls.completion.options import OptionsError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

CURRENT_NAMES = {
    "blank_lines": "stop_at_blank_line",
    "closers": "reconcile_closers",
    "dedent": "stop_at_dedent",
    "drop_repeat_above": "drop_repeated_above",
    "extent": "limit_lines",
    "indentation": "match_indentation",
    "line_ends": "normalize_line_ends",
    "loops": "cut_repetition",
    "marks": "strip_special_tokens",
    "parses": "keep_parsable",
    "repeated_below": "drop_repeated_below",
    "rest_of_line": "drop_repeated_rest",
    "unfinished_line": "drop_unfinished_line",
    "unopened": "drop_unmatched_closers",
}
"""Maps each former name to the current one."""

FORMER_NAMES = {current: former for former, current in CURRENT_NAMES.items()}
"""Maps current names to former ones; reports keep these as their keys."""


def resolve_rule_names(names: Iterable[str], known: Collection[str]) -> frozenset[str]:
    """Return the current names of rules that are given by their current or former names.

    Args:
        names: current or former names; a rule may be given by both.
        known: all current names that are allowed.

    Raises:
        OptionsError: a name is unknown.
    """
    current = {name: CURRENT_NAMES.get(name, name) for name in names}
    if unknown := sorted(name for name in current if current[name] not in known):
        raise OptionsError(
            f"disabled_rules contains {unknown[0]!r}, but no rule has this name; the rules are"
            f" {', '.join(sorted(known))}."
        )
    return frozenset(current.values())
