"""The infill prompt is the model card's, and an anchor only moves known text into the answer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cg2ls.models.codegen2 import CodeTokenizer
from cg2ls.models.codegen2.special_tokens import CODEGEN2

tokens = st.lists(st.integers(0, 50255), max_size=20)


def test_the_model_cards_example(published: CodeTokenizer) -> None:
    prefix = published.encode("def hello_world():\n    ")
    suffix = published.encode("    return name")
    assert CODEGEN2.lay_out(prefix, suffix, [], fills_in=True) == [
        *(4299, 23748, 62, 6894, 33529, 198, 50284),
        *(51199, 50284, 7783, 1438, 50256, 50299, 51199),
    ]


@given(tokens, tokens, tokens, tokens)
def test_typing_after_an_anchor_only_appends(
    prefix: list[int], suffix: list[int], a: list[int], b: list[int]
) -> None:
    before = CODEGEN2.lay_out(prefix, suffix, a, fills_in=True)
    after = CODEGEN2.lay_out(prefix, suffix, a + b, fills_in=True)
    assert after == before + b


@given(tokens, tokens)
def test_an_anchor_at_the_window_start_is_suffix_first(suffix: list[int], known: list[int]) -> None:
    prompt = CODEGEN2.lay_out([], suffix, known, fills_in=True)
    assert prompt == [51199, *suffix, 50256, 50299, 51199, *known]
