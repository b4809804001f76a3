"""Choosing the Python that has the exporters."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cg2ls.evaluation.errors import BenchError
from cg2ls.evaluation.runtimes import other_runtimes


def test_names_come_from_a_list_with_commas():
    assert other_runtimes.checked_names("") == []
    assert other_runtimes.checked_names("ctranslate2, optimum,ctranslate2") == ["ctranslate2", "optimum"]


def test_an_unknown_name_is_an_error():
    with pytest.raises(BenchError, match="no engine 'llama'"):
        other_runtimes.checked_names("optimum,llama")


def test_modules_and_distributions_are_looked_up():
    assert other_runtimes.missing(Path(sys.executable), ("json", "pytest-timeout", "no-such-thing")) == [
        "no-such-thing"
    ]


def test_a_python_that_is_none_is_an_error(tmp_path):
    with pytest.raises(BenchError, match="is not a Python that runs"):
        other_runtimes.missing(tmp_path / "python", ("json",))


def test_the_python_asked_for_must_have_the_packages(monkeypatch):
    monkeypatch.setitem(other_runtimes.NEEDS, "optimum", ("json", "no_such_thing"))
    with pytest.raises(BenchError, match="has no no_such_thing; install cg2ls\\[reference\\]"):
        other_runtimes.reference_python(["optimum"], Path(sys.executable))


def test_this_python_is_taken_if_it_has_the_packages(monkeypatch):
    monkeypatch.setitem(other_runtimes.NEEDS, "optimum", ("json",))
    assert other_runtimes.reference_python(["optimum"], None) == Path(sys.executable)


def test_without_the_packages_anywhere_the_error_says_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setitem(other_runtimes.NEEDS, "optimum", ("no_such_thing",))
    with pytest.raises(BenchError, match=r"cg2ls\[reference\].*make reference.*--reference-python"):
        other_runtimes.reference_python(["optimum"], None, environment=tmp_path / "python")


def test_a_failed_conversion_is_one_sentence(tmp_path):
    with pytest.raises(BenchError, match=r"^ctranslate2's model could not be made \(.*\)\.$"):
        other_runtimes.prepare("ctranslate2", Path(sys.executable), tmp_path / "nothing", tmp_path / "room")
