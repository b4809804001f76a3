"""The infill prompt is the model card's, and an anchor only moves known text into the answer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cg2ls.models.codegen2 import CodeTokenizer, anchored_prompt
from cg2ls.models.codegen2.special_tokens import CODEGEN2

tokens = st.lists(st.integers(0, 50255), max_size=20)


def test_the_model_cards_example(published: CodeTokenizer) -> None:
    prefix = published.encode("def hello_world():\n    ")
    suffix = published.encode("    return name")
    assert anchored_prompt(prefix, suffix, [], CODEGEN2) == [
        *(4299, 23748, 62, 6894, 33529, 198, 50284),
        *(51199, 50284, 7783, 1438, 50256, 50299, 51199),
    ]


@given(tokens, tokens, tokens, tokens)
def test_typing_behind_an_anchor_only_appends(
    prefix: list[int], suffix: list[int], a: list[int], b: list[int]
) -> None:
    before = anchored_prompt(prefix, suffix, a, CODEGEN2)
    after = anchored_prompt(prefix, suffix, a + b, CODEGEN2)
    assert after == before + b


@given(tokens, tokens)
def test_an_anchor_at_the_window_start_is_suffix_first(suffix: list[int], known: list[int]) -> None:
    prompt = anchored_prompt([], suffix, known, CODEGEN2)
    assert prompt == [51199, *suffix, 50256, 50299, 51199, *known]
