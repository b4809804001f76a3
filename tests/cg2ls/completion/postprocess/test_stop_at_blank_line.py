import pytest

from cg2ls.completion.postprocess.stop_at_blank_line import stop_at_blank_line


@pytest.mark.parametrize(
    ("trigger", "answer", "shown"),
    [
        ("automatic", "a\nb\n\nc", "a\nb"),
        ("automatic", "\n\na\n", "\n\na\n"),
        ("automatic", "a\n", "a\n"),
        ("automatic", "a\n  ", "a\n  "),
        ("automatic", "a\n  \n", "a"),
        ("invoked", "a\n\nb\n\n\nc", "a\n\nb"),
    ],
)
def test_a_blank_line_ends_a_block_after_its_line_end(passes, trigger, answer, shown):
    assert passes(stop_at_blank_line, "    ‸", answer, trigger=trigger).text == shown
