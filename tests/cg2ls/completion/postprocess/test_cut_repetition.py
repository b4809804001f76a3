"""Repetitions end after their first piece."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.completion.postprocess.cut_repetition import cut_repetitions

LOOPS = {
    '"test_test_test_test_test': '"test_',
    "self.self.self.self.x": "self.",
    "a, b, a, b, a, b, a, b, c)": "a, b, ",
    "        self.x = 1\n        self.x = 1\n        self.y": "        self.x = 1",
    "if a:\n    go(1)\nif b:\nif a:\n    go(1)\nif b:\n": "if a:\n    go(1)\nif b:",
}

NO_LOOPS = [
    "",
    "x = x + x",
    "# ----------------------------------------",
    "        ))))",
    "0000000000000000",
    "a = 1\nb = 1\nc = 1\nd = 1\n",
    "        }\n        }\n",
    "            pass\n        pass\n",
    "if a:\n    go(1)\nif b:\n    go(1)\n",
    "return abab",
]


@pytest.mark.parametrize("text", LOOPS)
def test_a_loop_is_cut(text: str) -> None:
    assert cut_repetitions(text) == LOOPS[text]


@pytest.mark.parametrize("text", NO_LOOPS)
def test_similar_text_stays(text: str) -> None:
    assert cut_repetitions(text) == text


@given(st.text(st.sampled_from(list("ab. \n=(")), max_size=120))
def test_the_result_is_a_prefix_and_does_not_change_again(text: str) -> None:
    cut = cut_repetitions(text)
    assert text.startswith(cut)
    assert cut_repetitions(cut) == cut
