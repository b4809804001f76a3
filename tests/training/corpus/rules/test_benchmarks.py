"""A document with a benchmark's problem or solution is dropped; one with a shared phrase is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cg2_training.corpus.document import Dropped, SourceDocument
from cg2_training.corpus.rules.benchmarks import BenchmarkIndex, read_benchmark
from cg2_training.errors import CorpusError
from tests.training.corpus.corpus_samples import module

PROMPT = "from typing import List\n\n\ndef closest(numbers: List[float]) -> float:\n" + "".join(
    f"    # step {n}: compare the {n}th number with its neighbour on the left\n" for n in range(5)
)
SOLUTION = "    best = None\n    for one in sorted(numbers):\n        best = one if best is None else min(best, one)\n"
ROWS = {
    "HumanEval": {"task_id": "HumanEval/0", "prompt": PROMPT, "canonical_solution": SOLUTION, "test": "t"},
    "MBPP": {"task_id": 2, "text": PROMPT, "code": SOLUTION, "test_list": ["t"]},
    "SAFIM": {"task_id": "a", "eval_prompt": PROMPT, "ground_truth": SOLUTION, "lang": "python"},
    "own": {"text": PROMPT + SOLUTION, "path": "a.py"},
}


def index(tmp_path: Path, row: object) -> BenchmarkIndex:
    path = tmp_path / "benchmark.jsonl"
    path.write_text(json.dumps(row) + "\n")
    return BenchmarkIndex.from_texts(read_benchmark(path))


@pytest.mark.parametrize("layout", ROWS)
def test_a_document_with_an_item_in_it_is_left_out(tmp_path: Path, layout: str) -> None:
    rule = index(tmp_path, ROWS[layout])
    text = module("before") + PROMPT.upper() + SOLUTION + module("after")
    assert rule(SourceDocument(text, "a.py")) == Dropped("benchmark")


def test_white_space_and_marks_make_no_difference(tmp_path: Path) -> None:
    rule = index(tmp_path, ROWS["HumanEval"])
    changed = (PROMPT + SOLUTION).replace("    ", "\t").replace("(", " ( ").replace("# ", "// ")
    assert rule(SourceDocument(changed, "a.py")) == Dropped("benchmark")


def test_a_phrase_in_common_is_no_copy(tmp_path: Path) -> None:
    rule = index(tmp_path, ROWS["HumanEval"])
    document = SourceDocument(module("own") + PROMPT[:90], "a.py")
    assert rule(document) is document


def test_without_benchmarks_everything_stays() -> None:
    document = SourceDocument(PROMPT, "a.py")
    assert BenchmarkIndex()(document) is document


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "line 1: not JSON"),
        ('{"question": "x"}', "line 1: not an item of a benchmark; an item has the keys"),
    ],
)
def test_a_file_of_another_layout_is_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "b.jsonl").write_text(text)
    with pytest.raises(CorpusError, match=says):
        list(read_benchmark(tmp_path / "b.jsonl"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"none\.jsonl does not exist"):
        list(read_benchmark(tmp_path / "none.jsonl"))
