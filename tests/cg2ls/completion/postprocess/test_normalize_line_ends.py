import pytest

from cg2ls.completion.postprocess.normalize_line_ends import normalize_line_ends


@pytest.mark.parametrize(
    ("answer", "shown"), [("a\r\nb\r\n", "a\nb\n"), ("a\rb", "a\nb"), ("a\nb", "a\nb"), ("a\r", "a\n")]
)
def test_carriage_returns_become_line_feeds(passes, answer, shown):
    assert passes(normalize_line_ends, "‸", answer).text == shown
