"""What a key costs while an index is built in the background, as the server builds it."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cg2ls.memory import Memory
from cg2ls.memory.background import Background
from cg2ls.memory.build import StoppedError
from cg2ls.memory.store import Store
from cg2ls.replay.editor import Editor
from cg2ls.replay.latency import percentiles, play
from cg2ls.replay.remember import Memories
from cg2ls.replay.sources import collect
from cg2ls.replay.trace import Typist
from cg2ls.workspace.languages import LANGUAGES

if TYPE_CHECKING:
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
        Percentiles of the time from a request to its answer in ms, and how many builds were finished meanwhile.
    """
    root = memory.workspace.root
    sources = collect([root], LANGUAGES, {memory.language})
    memories = Memories([root], sources, engine.tokenizer, "on")
    memories.open_all()
    alone: list[float] = []
    beside: list[float] = []
    with tempfile.TemporaryDirectory() as folder, _Building(memory, engine, Path(folder)) as building:
        for number in range(ROUNDS):
            for found, wanted in ((alone, False), (beside, True)):
                building.go_on(wanted)
                trace = Typist(sources, number)
                found += play(Editor(engine, memories=memories), trace, keys).line_ms
    memories.close()
    return {
        "alone": percentiles(alone, (50, 95, 99)),
        "while_building": percentiles(beside, (50, 95, 99)),
        "builds": building.done,
    }


class _Building:
    """Builds an index from nothing over and over while it is wanted."""

    def __init__(self, memory: Memory, engine: Engine, folder: Path) -> None:
        self._memory = memory
        self._engine = engine
        self._folder = folder
        self._wanted = threading.Event()
        self._left = threading.Event()
        self._ended = threading.Event()
        self.done = 0

    def __enter__(self) -> _Building:
        Background().do(self._build)
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._wanted.set()
        self._ended.wait()

    def go_on(self, wanted: bool) -> None:
        """Builds from now on, or pauses between two files."""
        (self._wanted.set if wanted else self._wanted.clear)()

    def _build(self) -> None:
        try:
            while not self._left.is_set():
                store = Store.of(
                    self._memory.workspace.root, self._memory.language, self._engine.tokenizer, self._folder
                )
                store.clear()
                fresh = Memory(
                    self._memory.workspace, self._memory.language, self._engine.tokenizer, store=store
                )
                fresh.refresh(stop=self._stop)
                self.done += 1
        except StoppedError:
            pass
        finally:
            self._ended.set()

    def _stop(self) -> bool:
        self._wanted.wait()
        return self._left.is_set()
