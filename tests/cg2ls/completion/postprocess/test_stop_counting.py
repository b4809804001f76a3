import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.completion.postprocess.stop_counting import MAX_COUNTED, stop_counting

RUNAWAY = ", ".join(["'b': 2", *(f"'c': {number}" for number in range(3, 20))])


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (RUNAWAY, "'b': 2, 'c': 3,"),
        ("".join(f"elif x == {n}:\n    return {2 * n}\n" for n in range(4)), "elif x == 0:\n    return 0"),
        ("a()\n" + "".join(f"x = {n}\n\ny()\nz\n" for n in range(4)), "a()\nx = 0\n\ny()\nz"),
        (RUNAWAY.replace(", ", ",\n    "), "'b': 2,\n    'c': 3,"),
        ("".join(f"x{number} = {number}\n" for number in range(9)), "x0 = 0"),
        ("".join(f"{number}, " for number in range(20)), "0,"),
        ("".join(f"{-number}, " for number in range(20)), "0, -1,"),
        ("".join(f"f({number}, 1), " for number in range(20)), "f(0, 1),"),
        ("a = [" + "".join(f"({number}, {number + 1}), " for number in range(20)), "a = [(0, 1), (1, 2),"),
        ("".join(f"'{letter}', " for letter in "abcdefghij"), "'a',"),
        ("".join(f"assert f({number}) == {number * 3}\n" for number in range(10)), "assert f(0) == 0"),
        ("".join(f"{100 - 10 * number}, " for number in range(10)), "100,"),
    ],
)
def test_an_answer_that_only_counts_ends(passes, answer, shown):
    assert passes(stop_counting, "x = {‸\n", answer).text == shown


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "[1, 2, 3, 4, 5]",
        "1, 2, 4, 8, 16, 32, 64, 128, 256, 512, ",
        "0, 0, 0, 0, 0, 0, 0, 0, 0, ",
        "a1, b2, c3, d4, e5, f6, g7, h8, i9, ",
        "RED = 1\nGREEN = 2\nBLUE = 3\nBLACK = 4\nWHITE = 5\nGREY = 6\nPINK = 7\nCYAN = 8\n",
        "'a': 1, 'b': 2, 'c': 3, 'd': 4, ",
        "{'a': 1}, {'a': 2}, {'a': 3}, ",
        "'a': 1, 'a': x, ",
    ],
)
def test_short_counts_stay(passes, answer):
    assert passes(stop_counting, "x = {‸\n", answer).text == answer


@given(
    st.text(st.sampled_from(list("0123,'a:\n [)")), max_size=80),
    st.text(st.sampled_from("01,\n"), max_size=9),
)
def test_the_result_is_a_prefix_and_more_text_does_not_change_it(passes, answer, more):
    shown = passes(stop_counting, "‸", answer, ended=False).text
    assert answer.startswith(shown)
    assert passes(stop_counting, "‸", shown).text == shown
    if shown != answer:
        assert passes(stop_counting, "‸", answer + more, ended=False).text == shown


def test_a_row_of_the_maximum_length_stays(passes):
    row = "".join(f"{number}, " for number in range(MAX_COUNTED))
    assert passes(stop_counting, "x = [‸", row).text == row
    assert passes(stop_counting, "x = [‸", f"{row}{MAX_COUNTED}, ").text == "0,"
