import pytest

from cg2ls.completion import CompletionOptions
from cg2ls.completion.options import OptionsError


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"line_tokens": 0}, "line_tokens is 0, but must be at least 1"),
        ({"min_confidence": 1.5}, "min_confidence is 1.5, but must be from 0 to 1"),
        ({"max_lines": -1}, "max_lines is -1"),
    ],
)
def test_an_invalid_value_raises_one_sentence(values, says):
    with pytest.raises(OptionsError, match=says):
        CompletionOptions(**values)
