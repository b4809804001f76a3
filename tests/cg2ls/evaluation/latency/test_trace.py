"""The typist: the files come out as they were, and the habits are those that are promised."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

import cg2ls
from cg2ls.evaluation.latency.trace import BACKSPACES, KEYS_PER_JUMP, MEDIAN_GAP_MS, SIGMA, Key, Typist
from cg2ls.evaluation.quality.errors import ReplayError
from cg2ls.evaluation.quality.sources import Source, collect


@pytest.fixture(scope="module")
def ours() -> list[Source]:
    return collect([Path(cg2ls.__file__).parent / "engine"], {".py": "python"})


@pytest.fixture(scope="module")
def keys(ours) -> list[Key]:
    return list(islice(Typist(ours), 20_000))


def test_the_trace_ends_with_the_files_as_they_are(ours):
    typist = Typist(ours)
    last = {key.source.name: key.text for key in typist}
    assert typist.finished
    for draft in typist.finished:
        assert last[draft.source.name] == draft.text == draft.source.text


def test_the_same_seed_presses_the_same_keys(ours, keys):
    again = list(islice(Typist(list(ours)), 300))
    assert again == keys[:300]
    assert list(islice(Typist(ours, seed=1), 300)) != again


def test_gaps_are_log_normal(keys):
    logs = [math.log(key.gap_ms) for key in keys]
    assert math.exp(statistics.median(logs)) == pytest.approx(MEDIAN_GAP_MS, rel=0.03)
    assert statistics.stdev(logs) == pytest.approx(SIGMA, rel=0.03)


def test_backspaces_and_jumps_are_as_many_as_promised(keys):
    strokes = Counter(key.stroke for key in keys)
    assert strokes["backspace"] / len(keys) == pytest.approx(BACKSPACES, abs=0.005)
    assert len(keys) / sum(key.jumped for key in keys) == pytest.approx(KEYS_PER_JUMP, rel=0.15)


def test_the_editor_helps(keys):
    strokes = Counter(key.stroke for key in keys)
    assert strokes.keys() >= {"type", "over", "enter", "slip", "backspace"}
    entered = next(key for key in keys if key.stroke == "enter" and key.text[: key.offset].endswith("    "))
    assert "\n    " in entered.text[: entered.offset]


def test_every_slip_is_taken_back_by_the_next_key_there(keys):
    waiting = set()
    for key in keys:
        if key.stroke == "slip":
            waiting.add(key.source.name)
        elif key.stroke == "backspace":
            assert key.source.name in waiting


def test_files_too_short_to_type_in_are_an_error():
    with pytest.raises(ReplayError, match="long enough"):
        Typist([Source("r", "a.py", "python", "x = 1\n")])
