"""What a key costs while an index is built in the background, as the server builds it."""

from __future__ import annotations

import os
import tempfile
import threading
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cg2ls.evaluation.latency.trace import Typist
from cg2ls.evaluation.latency.typing import percentiles, play
from cg2ls.evaluation.quality.headless_editor import Editor
from cg2ls.evaluation.quality.replay_memory import ReplayMemory
from cg2ls.evaluation.quality.sources import collect
from cg2ls.retrieval.memory import Memory
from cg2ls.retrieval.memory.background import Background
from cg2ls.retrieval.memory.index_process import in_child
from cg2ls.retrieval.memory.read_workspace import StoppedError
from cg2ls.retrieval.memory.store import Store
from cg2ls.workspace.languages import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cg2ls.engine import Engine

ROUNDS = 4
"""Turns of typing, without a build and with one."""


def typed_beside_a_build(engine: Engine, memory: Memory, keys: int) -> dict[str, Any]:
    """Types the same keys in turns, alone and while the workspace is read again and again.

    Args:
        engine: the open model.
        memory: of the workspace, read already.
        keys: typed in each turn.

    Returns:
        Percentiles of the time from a request to its answer in ms, how many builds were finished meanwhile, and the
        seconds of a processor that they got beside somebody who types without a pause (0 on Windows, which does not
        tell).
    """
    root = memory.workspace.root
    sources = collect([root], LANGUAGES, {memory.language})
    memories = ReplayMemory([root], sources, engine.tokenizer, "on")
    memories.open_all()
    alone: list[float] = []
    beside: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        building, before = _Building(memory, engine, Path(folder)), os.times()
        for number in range(ROUNDS):
            for found, around in ((alone, nullcontext()), (beside, building.under_way())):
                with around:
                    trace = Typist(sources, number)
                    found += play(Editor(engine, memories=memories), trace, keys).line_ms
    memories.close()
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return {
        "alone": percentiles(alone, (50, 95, 99)),
        "while_building": percentiles(beside, (50, 95, 99)),
        "builds": building.done,
        "build_cpu_s": round(used, 1),
    }


class _Building:
    """Builds an index from nothing over and over, as the server does, while somebody types."""

    def __init__(self, memory: Memory, engine: Engine, folder: Path) -> None:
        self._memory = memory
        self._engine = engine
        self._folder = folder
        self._background = Background()
        self._wanted = threading.Event()
        self.done = 0

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Builds during the block; what is not finished at its end is given up."""
        ended = threading.Event()
        self._wanted.set()
        self._background.do(lambda: self._build_until_unwanted(ended))
        try:
            yield
        finally:
            self._wanted.clear()
            ended.wait()

    def _build_until_unwanted(self, ended: threading.Event) -> None:
        try:
            while self._wanted.is_set():
                self._build()
                self.done += 1
        except StoppedError:
            pass
        finally:
            ended.set()

    def _build(self) -> None:
        workspace, language, tokenizer = self._memory.workspace, self._memory.language, self._engine.tokenizer
        store = Store.of(workspace.root, language, tokenizer, self._folder)
        store.clear()
        Memory(workspace, language, tokenizer, store=store, update=in_child).refresh(
            stop=lambda: not self._wanted.is_set()
        )
