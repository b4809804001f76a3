from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.completion.postprocess.repetition import (
    MAX_COUNTED,
    cut_repetitions,
    drop_repeated_above,
    drop_repeated_below,
    stop_at_repeated_key,
    stop_counting,
)

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
def test_an_answer_that_only_counts_is_cut(passes, answer, shown):
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


@pytest.mark.parametrize(
    ("art", "answer", "shown"),
    [
        ("x = {‸\n", "'b': 2, 'c': 3, 'c': 4, 'c': 5,", "'b': 2, 'c': 3,"),
        ("x = {‸\n", "'c': 4,\n    'h': 5,\n    'c': x,\n", "'c': 4,\n    'h': 5,"),
        ("x = {\n    'a': 1,\n    'b': 2,\n    ‸\n}\n", "'a': 3,", ""),
        ("x = {\n    'a': 1,\n    'a‸\n}\n", "': 3,", ""),
        ('x = {\n    "a": 1,\n    ‸\n}\n', '"b": 3,\n    "b": 4', '"b": 3,'),
    ],
)
def test_an_answer_ends_before_a_repeated_key(passes, art, answer, shown):
    assert passes(stop_at_repeated_key, art, answer).text == shown


@pytest.mark.parametrize(
    ("art", "answer"),
    [
        ("x = [‸\n", "{'a': 1, 'b': 2}, {'a': 1, 'b': 2},"),
        ("x = {‸\n", "'a': {'n': 1}, 'b': {'n': 1},"),
        ("x = {\n    'n': {\n        'n': 1,\n    },\n    ‸\n}\n", "'m': 1"),
        ("x = [{\n    'a': 1,\n}, {\n    ‸\n}]\n", "'a': 1,"),
        ("x = {‸\n", "'a': 1, 'A': 2, \"a\": 3,"),
        ("if x:‸\n", "\n    'a'\n"),
        ("f('a', ‸)\n", "'a', 'a'"),
    ],
)
def test_entries_with_new_keys_stay(passes, art, answer):
    assert passes(stop_at_repeated_key, art, answer).text == answer


@pytest.mark.parametrize(
    ("art", "answer", "ended", "shown"),
    [
        ('    return jsonify({"error": 1}), 404\n    ‸\n', 'return jsonify({"error": 1}), 404', True, ""),
        ("    x.append(1)\n\n    ‸\n", "x.append(1)\n    y = 2", True, ""),
        ("    x.append(1)\n    ‸\n", "x.append(1)", False, "x.append(1)"),
        ("    x.append(1)\n    ‸\n", "x.append(1)\n", False, ""),
        ("    x.append(1)\n    x.ap‸\n", "pend(1)", True, ""),
        ("    a = 1\n    b = 2\n    ‸\n", "a = 1\n    b = 2\n    c = 3", True, ""),
        ("a = 1\nb = 2\nc = 3\n‸\n", "a = 1\nb = 2\nc = 3\n", True, ""),
        ("    a = 1\n    b = 2\n    ‸\n", "a = 1\n    c = 3", True, "a = 1\n    c = 3"),
        ("    x.append(1)\n    ‸\n", "x.append(2)", True, "x.append(2)"),
        ("x.append(1)\n    ‸\n", "x.append(1)", True, "x.append(1)"),
        ("        }\n        ‸\n", "}", True, "}"),
        ("    [0, 0, 0],\n    ‸\n", "[0, 0, 0],", True, "[0, 0, 0],"),
        ("‸\n", "x.append(1)", True, "x.append(1)"),
        ("f(\n    g(a),\n    ‸\n)\n", "g(a),", True, ""),
        ("f(\n    g(a),\n    g(‸)\n)\n", "a),", True, "a),"),
    ],
)
def test_an_answer_that_repeats_the_lines_above_is_dropped(passes, art, answer, ended, shown):
    assert passes(drop_repeated_above, art, answer, ended=ended).text == shown


@pytest.mark.parametrize(
    ("art", "answer", "ended", "shown"),
    [
        ("    ‸\n    return x\n", "a\n    return x", True, "a"),
        ("    ‸\n\n\n    return x\n", "a\n    return x", True, "a"),
        ("    ‸\n    return x\n", "a\n    return x", False, "a\n    return x"),
        ("    ‸\n    return x\n", "a\n    return x\n", False, "a"),
        ("    ret‸\n    return x\n", "urn x", True, ""),
        ("‸\nb\n", "a\n    b", True, "a\n    b"),
        ("‸\n", "a", True, "a"),
    ],
)
def test_lines_below_are_not_repeated(passes, art, answer, ended, shown):
    assert passes(drop_repeated_below, art, answer, ended=ended).text == shown
