"""Typing while an index is built repeatedly."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from cg2ls.engine import Engine
from cg2ls.evaluation.latency.memory_costs import _BackgroundBuild, time_keys_while_building
from cg2ls.evaluation.simulation.sources import SourceFile
from cg2ls.retrieval.memory import Memory
from cg2ls.workspace import Workspace


def test_keys_are_timed_alone_and_during_a_build(
    tiny_engine: Engine, shop: SourceFile, tmp_path: Path
) -> None:
    (tmp_path / "shop.py").write_text(shop.text)
    memory = Memory(Workspace(tmp_path), "python", tiny_engine.tokenizer)
    found = time_keys_while_building(tiny_engine, memory, keys=12)
    assert found.keys() == {"alone", "while_building", "builds", "build_cpu_s"}
    assert 0 <= found["alone"]["p50"] <= found["alone"]["p95"]
    assert 0 <= found["while_building"]["p50"] <= found["while_building"]["p95"]


def test_nothing_is_built_after_the_block(tiny_engine: Engine, shop: SourceFile, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code/shop.py").write_text(shop.text)
    memory = Memory(Workspace(tmp_path / "code"), "python", tiny_engine.tokenizer)
    building = _BackgroundBuild(memory, tiny_engine, tmp_path / "indexes")
    for _ in range(2):
        with building.run():
            before = building.builds
            deadline = time.monotonic() + 300
            while building.builds == before and time.monotonic() < deadline:
                time.sleep(0.02)
            assert building.builds > before
        assert "memory-child" not in [thread.name for thread in threading.enumerate()]
