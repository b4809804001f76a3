import pytest

from cg2ls.completion.postprocess.stop_at_repeated_key import stop_at_repeated_key


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
