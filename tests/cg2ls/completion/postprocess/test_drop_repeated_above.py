import pytest

from cg2ls.completion.postprocess.drop_repeated_above import drop_repeated_above


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
