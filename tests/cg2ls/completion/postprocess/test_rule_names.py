"""Former names of rules are accepted, and every one means a rule."""

import pytest

from cg2ls.completion.options import OptionsError
from cg2ls.completion.postprocess.pipeline import ALWAYS, RULES
from cg2ls.completion.postprocess.rule import CURRENT_NAMES, FORMER_NAMES, resolve_rule_names

KNOWN = frozenset(rule.name for rule in RULES)


@pytest.mark.parametrize("former", CURRENT_NAMES)
def test_a_former_name_means_the_current_rule(former):
    current = CURRENT_NAMES[former]
    assert current in KNOWN
    assert former not in KNOWN
    assert FORMER_NAMES[current] == former
    assert resolve_rule_names([former], KNOWN) == {current}
    assert resolve_rule_names([former, current], KNOWN) == {current}


def test_an_unknown_name_is_an_error_that_lists_the_rules():
    with pytest.raises(
        OptionsError, match="'no_rule', but no rule has this name; the rules are balance_strings"
    ):
        resolve_rule_names(["loops", "no_rule"], KNOWN)


def test_a_former_name_of_a_rule_that_cannot_be_disabled_is_unknown():
    allowed = KNOWN - {rule.name for rule in ALWAYS}
    with pytest.raises(OptionsError, match="'line_ends'"):
        resolve_rule_names(["line_ends"], allowed)
