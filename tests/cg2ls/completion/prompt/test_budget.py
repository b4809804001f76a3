import pytest

from cg2ls.completion.prompt.budget import STRUCTURE_TOKENS, Budget


@pytest.mark.parametrize("context", [16, 64, 128, 1024, 2048])
def test_the_parts_fit_in_the_context(context):
    budget = Budget.share(context, answer_tokens=128, anchor_max_tokens=64)
    assert budget.answer + budget.text + budget.known + STRUCTURE_TOKENS < context
    assert budget.answer > 0
    assert budget.text > budget.suffix >= budget.known >= 0


def test_the_suffix_takes_at_most_a_quarter():
    budget = Budget.share(1024, answer_tokens=128, anchor_max_tokens=64)
    assert budget.suffix <= 1024 / 4
    assert budget.known == 64
