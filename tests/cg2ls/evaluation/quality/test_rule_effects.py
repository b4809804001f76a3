"""Each rule's effect."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cg2ls.completion import CompletionOptions
from cg2ls.completion.postprocess.rule import CURRENT_NAMES
from cg2ls.completion.session import DISABLEABLE_RULES
from cg2ls.evaluation.quality.positions import sample_positions
from cg2ls.evaluation.quality.rule_effects import ask_first, measure_rule_effects
from cg2ls.evaluation.quality.scores import judge
from cg2ls.evaluation.simulation.headless_editor import HeadlessEditor

OPTIONS = CompletionOptions(line_tokens=12, block_tokens=24, disabled_rules=frozenset({"parses"}))
"""The rule `parses` has a time limit, so its results may differ on a busy machine."""


@pytest.fixture(scope="module")
def found(tiny_engine, shop):
    return measure_rule_effects(
        sample_positions([shop], 40), OPTIONS, lambda options: HeadlessEditor(tiny_engine, options)
    )


def test_the_numbers_are_those_of_two_settings(found, tiny_engine, shop):
    """Completing everywhere without a rule gives the numbers of `effects`, which completes fewer places."""
    assert found.without
    for name in DISABLEABLE_RULES - {"typed_through", "keep_parsable"}:
        editor = HeadlessEditor(tiny_engine, replace(OPTIONS, disabled_rules=OPTIONS.disabled_rules | {name}))
        for number, position in enumerate(sample_positions([shop], 40)):
            answer = ask_first(editor, position)
            expected = found.without.get(name, {}).get(number, found.judged[number])[1]
            assert judge(position.passage, answer.text, answer.replace_length) == expected, (name, number)


def test_shares_with_and_without(found):
    report = found.to_json()
    assert found.without.keys() <= DISABLEABLE_RULES
    assert {CURRENT_NAMES.get(key, key) for key in report} == found.without.keys()
    for key, rule in report.items():
        name = CURRENT_NAMES.get(key, key)
        assert rule["rule"] == name
        assert rule["changed"] == pytest.approx(len(found.without[name]) / 40, abs=1e-4)
        wrong = rule["shown_wrong"]
        low, high = wrong["difference"]
        assert low - 1e-4 <= wrong["on"] - wrong["off"] <= high + 1e-4
        assert len(found.without[name]) > 0
