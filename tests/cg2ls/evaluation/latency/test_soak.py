"""Memory and latency over many keys."""

from __future__ import annotations

import numpy as np
import pytest

from cg2ls.completion import CompletionOptions
from cg2ls.evaluation.latency.observed_engine import Cost
from cg2ls.evaluation.latency.soak import Soak, soak
from cg2ls.evaluation.quality.errors import ReplayError
from cg2ls.evaluation.quality.headless_editor import Answer, Editor


def seen(memory=(100.0, 100.0, 100.0, 100.0), times=(9.0, 9.0, 9.0, 9.0)):
    return Soak(400, 3, memory, times)


def test_what_grows_in_the_beginning_only_is_no_problem():
    assert seen(memory=(50, 100, 101, 102.9), times=(30, 10, 11, 12)).problem() == ""


def test_what_goes_on_growing_is_one():
    assert "Memory grew: 104.0 MB" in seen(memory=(90, 100, 102, 104)).problem()
    assert "Answers got slower: 13.0 ms" in seen(times=(9, 10, 12, 13)).problem()


class ModelManager:
    """Keeps some memory from every key."""

    def __init__(self, kilobytes: int, *, asks: bool = True) -> None:
        self.kilobytes = kilobytes
        self.asks = asks
        self.kept: list[object] = []

    def ask(self, source: object, text: str, offset: int) -> Answer:
        if self.kilobytes:
            self.kept.append(np.ones(self.kilobytes * 128))
        return Answer("", 0, 0.0, 1.0, Cost() if self.asks else None)


def test_a_leak_is_found(shop):
    """200 KB a key are 60 MB in 300 keys; the process has a few hundred."""
    assert "Memory grew" in soak(ModelManager(200), [shop], 600).problem()
    assert soak(ModelManager(0), [shop], 600).problem() == ""


@pytest.mark.slow
def test_an_editor_does_not_leak(tiny_engine, shop):
    editor = Editor(tiny_engine, CompletionOptions(line_tokens=4, block_tokens=4))
    found = soak(editor, [shop], 4000)
    assert found.memory_ratio < 1.03
    assert found.to_json()["soak"]["keys"] == 4000


def test_quarters_need_keys(shop):
    with pytest.raises(ReplayError, match="too short"):
        soak(ModelManager(0), [shop], 100)


def test_silence_cannot_soak(shop):
    with pytest.raises(ReplayError, match="ran at no key"):
        soak(ModelManager(0, asks=False), [shop], 400)
