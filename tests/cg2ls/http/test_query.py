from __future__ import annotations

import pytest

from cg2ls.http.query import read_completion, read_infill, split_markers


def test_the_prompt_of_an_infill_is_before_the_cursor() -> None:
    query = read_infill({"input_prefix": "a\n", "prompt": "b = ", "input_suffix": "\nc"})
    assert (query.before, query.after) == ("a\nb = ", "\nc")


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("<fim_prefix>a<fim_suffix>b<fim_middle>", ("a", "b")),
        ("# x.py\n<fim_prefix>a<fim_suffix>b<fim_middle>", ("# x.py\na", "b")),
        ("<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>", ("a", "b")),
        ("<PRE> a <SUF>b <MID>", ("a", "b")),
        ("<fim_prefix>a<fim_suffix><fim_middle>", ("a", "")),
        ("<fim_middle>a<fim_prefix>", ("<fim_middle>a<fim_prefix>", "")),
        ("a = '<fim_prefix>'", ("a = '<fim_prefix>'", "")),
        ("", ("", "")),
    ],
)
def test_markers_of_other_models_are_read(prompt: str, parts: tuple[str, str]) -> None:
    assert split_markers(prompt) == parts


def test_a_prompt_with_a_separate_suffix_is_not_parsed() -> None:
    prompt = "<fim_prefix>a<fim_suffix>b<fim_middle>"
    assert read_completion({"prompt": prompt, "suffix": ""}).before == prompt


@pytest.mark.parametrize(
    ("body", "language"),
    [
        ({}, ""),
        ({"language": "Rust"}, "rust"),
        ({"filename": "src/main.rs"}, "rust"),
        ({"language": "lua", "filename": "main.rs"}, "lua"),
        ({"prompt": "# language: python\nx = "}, "python"),
        ({"prompt": "-- language: lua\nx = "}, "lua"),
        ({"prompt": "// language: c++\nx = "}, "c++"),
        ({"prompt": "x = 1\n# language: python\n"}, ""),
    ],
)
def test_the_language_of_the_request_is_used(body: dict[str, str], language: str) -> None:
    assert read_completion(body).language == language


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({}, None),
        ({"n_predict": -1}, None),
        ({"n_predict": 0}, 0),
        ({"n_predict": 7}, 7),
        ({"max_tokens": 5}, 5),
    ],
)
def test_no_number_and_minus_one_are_no_limit(body: dict[str, int], tokens: int | None) -> None:
    query = read_infill(body)
    assert query.max_tokens == tokens
    assert query.is_warming == (tokens == 0)


@pytest.mark.parametrize(
    ("body", "max_ms"),
    [
        ({}, None),
        ({"t_max_prompt_ms": 500, "t_max_predict_ms": 1000}, 1500),
        ({"t_max_predict_ms": 250.5}, 250.5),
        ({"t_max_prompt_ms": 0, "t_max_predict_ms": -1}, None),
    ],
)
def test_times_of_prompt_and_prediction_add_up(body: dict[str, float], max_ms: float | None) -> None:
    assert read_infill(body).max_ms == max_ms


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert read_completion({"prompt": "\ud83d\ude00\ud83d"}).before == "\U0001f600\ufffd"
