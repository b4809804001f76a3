"""This project writes no JSON with NaN or infinity, and reads none."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.jsontext import NotFiniteError, json_text, json_value

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
VALUES = st.recursive(LEAVES, lambda v: st.lists(v) | st.dictionaries(st.text(), v), max_leaves=8)


@given(VALUES)
def test_written_file_is_read_back(value: Any) -> None:
    assert json_value(json_text(value)) == value


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"quality": {"kl_mean": math.nan}}, "report: quality.kl_mean is nan"),
        ({"a": [1.0, -math.inf]}, r"report: a\[1\] is -inf"),
        (math.inf, "the number is inf"),
    ],
)
def test_a_number_that_is_not_finite_is_named(value: Any, says: str) -> None:
    with pytest.raises(NotFiniteError, match=says):
        json_text(value, origin="report")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e400"])
def test_invalid_json_number_is_not_read(number: str) -> None:
    assert json.loads(number) is not None, "Python itself reads it"
    with pytest.raises(ValueError, match=number):
        json_value(f'{{"a": {number}}}')
