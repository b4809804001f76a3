"""The typist reproduces the files, with the documented habits."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

import cg2ls
from cg2ls.errors import EvaluationError
from cg2ls.evaluation.simulation.sources import SourceFile, collect_sources
from cg2ls.evaluation.simulation.typist import (
    BACKSPACE_SHARE,
    GAP_SIGMA,
    KEYS_PER_JUMP,
    MEDIAN_GAP_MS,
    KeyPress,
    PartialFile,
    Typist,
    find_indentation_unit,
)


@pytest.fixture(scope="module")
def ours() -> list[SourceFile]:
    return collect_sources([Path(cg2ls.__file__).parent / "engine"], {".py": "python"})


@pytest.fixture(scope="module")
def keys(ours) -> list[KeyPress]:
    return list(islice(Typist(ours), 20_000))


def test_the_trace_ends_with_the_files_as_they_are(ours):
    typist = Typist(ours)
    last = {key.source.name: key.text for key in typist}
    assert typist.finished
    for file in typist.finished:
        assert last[file.source.name] == file.text == file.source.text


def test_the_same_seed_presses_the_same_keys(ours, keys):
    again = list(islice(Typist(list(ours)), 300))
    assert again == keys[:300]
    assert list(islice(Typist(ours, seed=1), 300)) != again


def test_gaps_are_log_normal(keys):
    logs = [math.log(key.gap_ms) for key in keys]
    assert math.exp(statistics.median(logs)) == pytest.approx(MEDIAN_GAP_MS, rel=0.03)
    assert statistics.stdev(logs) == pytest.approx(GAP_SIGMA, rel=0.03)


def test_backspaces_and_jumps_are_as_frequent_as_documented(keys):
    strokes = Counter(key.stroke for key in keys)
    assert strokes["backspace"] / len(keys) == pytest.approx(BACKSPACE_SHARE, abs=0.005)
    assert len(keys) / sum(key.jumped for key in keys) == pytest.approx(KEYS_PER_JUMP, rel=0.15)


def test_keys_include_typing_over_closers_and_automatic_indentation(keys):
    strokes = Counter(key.stroke for key in keys)
    assert strokes.keys() >= {"type", "over", "enter", "slip", "backspace"}
    entered = next(key for key in keys if key.stroke == "enter" and key.text[: key.offset].endswith("    "))
    assert "\n    " in entered.text[: entered.offset]


def test_every_wrong_key_is_deleted_by_the_next_key_in_its_file(keys):
    waiting = set()
    for key in keys:
        if key.stroke == "slip":
            waiting.add(key.source.name)
        elif key.stroke == "backspace":
            assert key.source.name in waiting


def test_files_too_short_to_type_in_are_an_error():
    with pytest.raises(EvaluationError, match="long enough"):
        Typist([SourceFile("r", "a.py", "python", "x = 1\n")])


def test_it_lacks_the_passages_until_they_are_written(shop):
    lines = shop.text.split("\n")
    file = PartialFile.of(shop, [range(2, 3), range(10, 12)])
    assert file.text == "\n".join(lines[:2] + lines[3:10] + lines[12:])
    for passage in file.passages:
        passage.advance(len(passage.target))
    assert file.text == shop.text


def test_the_cursor_is_counted_from_the_document_s_beginning(shop):
    file = PartialFile.of(shop, [range(2, 3), range(10, 12)])
    first, second = file.passages
    first.advance(4)
    second.advance(8)
    assert file.text[: file.get_cursor(first)].endswith("\nimp")
    assert file.text[: file.get_cursor(second)].endswith(second.left)
    with pytest.raises(ValueError, match="not in this file"):
        PartialFile.of(shop, [range(2, 3)]).get_cursor(first)


def test_no_text_below_is_accepted(shop):
    assert PartialFile.of(shop, [range(10, 12)], ends_with_hole=True).text == "\n".join(
        shop.text.split("\n")[:10]
    )


@pytest.mark.parametrize(
    ("lines", "unit"),
    [
        (["a", "    b", "        c", "  d"], "    "),
        (["a", "\tb"], "\t"),
        (["a", "  b"], "  "),
        (["a"], "    "),
    ],
)
def test_find_indentation_unit(lines, unit):
    assert find_indentation_unit(lines) == unit
