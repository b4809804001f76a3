"""Choosing the Python that has the exporters."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cg2ls.errors import EvaluationError
from cg2ls.evaluation.runtimes import other_runtimes
from cg2ls.evaluation.runtimes.other_runtimes import WorkerClient


def test_names_come_from_a_list_with_commas():
    assert other_runtimes.parse_runtime_names("") == []
    assert other_runtimes.parse_runtime_names("ctranslate2, optimum,ctranslate2") == [
        "ctranslate2",
        "optimum",
    ]


def test_an_unknown_name_is_an_error():
    with pytest.raises(EvaluationError, match="no engine 'llama'"):
        other_runtimes.parse_runtime_names("optimum,llama")


def test_modules_and_distributions_are_looked_up():
    assert other_runtimes.find_missing_packages(
        Path(sys.executable), ("json", "pytest-timeout", "no-such-thing")
    ) == ["no-such-thing"]


def test_one_of_several_alternatives_is_enough():
    python = Path(sys.executable)
    assert other_runtimes.find_missing_packages(python, ("no-such-thing|json", "json|no-such-thing")) == []
    assert other_runtimes.find_missing_packages(python, ("nothing|no-such-thing",)) == [
        "nothing|no-such-thing"
    ]


def test_missing_alternatives_are_named_with_their_extra(monkeypatch):
    monkeypatch.setitem(other_runtimes.NEEDS, "llamacpp", ("nothing|no_such_thing",))
    with pytest.raises(EvaluationError, match=r"has no nothing or no_such_thing; install cg2ls\[llamacpp\]"):
        other_runtimes.find_reference_python(["llamacpp"], Path(sys.executable))


def test_a_file_that_is_no_python_is_an_error(tmp_path):
    with pytest.raises(EvaluationError, match="is not a Python that runs"):
        other_runtimes.find_missing_packages(tmp_path / "python", ("json",))


def test_the_given_python_must_have_the_packages(monkeypatch):
    monkeypatch.setitem(other_runtimes.NEEDS, "optimum", ("json", "no_such_thing"))
    with pytest.raises(EvaluationError, match="has no no_such_thing; install cg2ls\\[reference\\]"):
        other_runtimes.find_reference_python(["optimum"], Path(sys.executable))


def test_this_python_is_used_if_it_has_the_packages(monkeypatch):
    monkeypatch.setitem(other_runtimes.NEEDS, "optimum", ("json",))
    assert other_runtimes.find_reference_python(["optimum"], None) == Path(sys.executable)


def test_missing_packages_are_reported_with_the_command(monkeypatch, tmp_path):
    monkeypatch.setitem(other_runtimes.NEEDS, "optimum", ("no_such_thing",))
    with pytest.raises(EvaluationError, match=r"cg2ls\[reference\].*make reference.*--reference-python"):
        other_runtimes.find_reference_python(["optimum"], None, environment=tmp_path / "python")


def test_a_failed_conversion_is_reported_in_one_sentence(tmp_path):
    with pytest.raises(EvaluationError, match=r"^ctranslate2's model could not be made \(.*\)\.$"):
        other_runtimes.prepare_model(
            "ctranslate2", Path(sys.executable), tmp_path / "nothing", tmp_path / "room"
        )


ECHO = """
import json, sys
print(json.dumps({"ready": "1.2"}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    if request["tokens"] == 13:
        sys.exit("ValueError: 13 is too many.")
    print(json.dumps({"ms": [1.0], "tokens": request["prompt"] + [request.get("key", 0)]}), flush=True)
"""


def worker(code: str) -> WorkerClient:
    return WorkerClient("echo", [sys.executable, "-c", code])


def test_it_talks_to_the_worker():
    with worker(ECHO) as remote:
        assert remote.version == "1.2"
        assert remote.generate([3, 4], 1)["tokens"] == [3, 4, 0]
        assert remote.answer_key([3], 8, 1)["tokens"] == [3, 8]


def test_closing_ends_the_process():
    with worker(ECHO) as remote:
        process = remote._process
    assert process.poll() == 0


def test_a_worker_that_never_gets_ready_is_an_error_with_its_last_words():
    with pytest.raises(EvaluationError, match=r"echo ended early \(no such model\)\."):
        worker("import sys; sys.exit('Traceback\\n  no such model.')")


def test_a_worker_that_dies_is_an_error_with_its_last_words():
    with (
        worker(ECHO) as remote,
        pytest.raises(EvaluationError, match=r"echo ended early \(ValueError: 13 is too many\)\."),
    ):
        remote.generate([1], 13)


def test_a_missing_program_is_an_error():
    with pytest.raises(EvaluationError, match="could not be started"):
        WorkerClient("echo", ["/nowhere/python"])


def test_the_last_line_with_text_is_found():
    assert other_runtimes._last_line("a\nb.\n\n") == "b"
    assert other_runtimes._last_line("") == "it printed nothing"
