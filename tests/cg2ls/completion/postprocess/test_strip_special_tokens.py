import pytest

from cg2ls.completion.postprocess.strip_special_tokens import strip_special_tokens


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("a = 1\nb", "a = 1\nb"),
        ("a<|endoftext|>b", "a"),
        ("a\n<|python|>\nb", "a\n"),
        ("a<mask_1>", "a"),
        ("a<sep>b", "a"),
        ("a <eom> b", "a "),
        ("a<dummy_3>", "a"),
        ("a\ufffd", "a"),
        ("a\x00b", "a"),
        ("a < b | c > d", "a < b | c > d"),
        ("x <sep", "x <sep"),
    ],
)
def test_special_tokens_end_the_text(passes, answer, shown):
    draft = passes(strip_special_tokens, "‸", answer)
    assert draft.text == shown
