"""Costs of repository memory: building, an edit in a large file, a token, and keys during a build."""

from __future__ import annotations

import os
import tempfile
import threading
from contextlib import contextmanager, nullcontext
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.engine.sampler import LogSoftmax
from cg2ls.evaluation.latency.typing import measure_typing
from cg2ls.evaluation.simulation.headless_editor import HeadlessEditor
from cg2ls.evaluation.simulation.replay_retrieval import ReplayMemory
from cg2ls.evaluation.simulation.sources import collect_sources
from cg2ls.evaluation.simulation.typist import Typist
from cg2ls.evaluation.statistics import percentiles
from cg2ls.retrieval.memory import Memory
from cg2ls.retrieval.memory.index import Index, IndexedFile
from cg2ls.retrieval.memory.index_process import in_child
from cg2ls.retrieval.memory.open_documents import LiveDocument
from cg2ls.retrieval.memory.prior import DocumentPart, IndexPart, MemoryPrior, Part
from cg2ls.retrieval.memory.read_workspace import StoppedError, encoded
from cg2ls.retrieval.memory.store import Store
from cg2ls.retrieval.memory.suffix_segment import find_numbers, stored_type
from cg2ls.server.background import LowPriorityThread
from cg2ls.workspace import RefusedError
from cg2ls.workspace.languages import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from cg2ls.engine import Engine
    from cg2ls.retrieval.memory import Memory

EDITED_LINES = 20_000
"""Lines of the file that is edited."""

EDITS = 300
TIMED_TOKENS = 2000


TURNS = 4
"""Turns of typing, without a build and with one."""


def measure_memory_costs(memory: Memory, tokens: int) -> dict[str, Any]:
    """Measure medians and 95th percentiles over a workspace's own text.

    `token_ms` is the time that memory adds to a token: without the plain log-softmax that the engine computes anyway.
    `view_ms` is the cost of one snapshot per request of a document that may be edited meanwhile.

    Args:
        memory: memory of the workspace.
        tokens: tokens to index. The workspace's files are repeated, shuffled line by line, until there are this many.
    """
    began = perf_counter()
    texts = _read_texts(memory)
    reading = perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        began = perf_counter()
        numbers = find_numbers(memory.vocabulary)
        tokens_of = [encoded(memory.encode, text, numbers) for text in texts]
        reading_and_encoding = (reading + perf_counter() - began) / sum(map(len, tokens_of))
        files = _repeat_to(tokens_of, tokens)
        store = Store(
            memory.workspace.root,
            memory.language,
            "bench",
            memory.separator,
            Path(folder) / "index",
            stored_type(numbers),
        )
        noted = [IndexedFile(f"{number}.py", 0, 0, len(each)) for number, each in enumerate(files)]
        began = perf_counter()
        index = store.write(noted, files)
        sorting = (perf_counter() - began) / index.tokens
        size = sum(file.stat().st_size for file in store.folder.iterdir())
        document, edits = _time_edits(memory, texts)
        views = [_time_ms(lambda: document.view(range(20))) for _ in range(EDITS)]
        costs, plain = _time_tokens(memory, index, document, tokens_of)
    without = float(np.median(plain))
    return {
        "tokens": index.tokens,
        "build_s_per_million": round(1e6 * (reading_and_encoding + sorting), 2),
        "bytes_per_token": round(size / index.tokens, 2),
        "edit_ms": percentiles(edits, (50, 95, 99)),
        "view_ms": percentiles(views, (50, 95, 99)),
        "token_ms": percentiles([cost - without for cost in costs], (50, 95, 99)),
        "log_softmax_ms": percentiles(plain, (50, 95, 99)),
    }


def _read_texts(memory: Memory) -> list[str]:
    texts = []
    for path in memory.workspace.walk(memory.wants):
        try:
            texts.append(memory.workspace.read(path))
        except RefusedError:
            continue
    return texts


def _repeat_to(
    files_of: list[NDArray[np.unsignedinteger[Any]]], tokens: int
) -> list[NDArray[np.unsignedinteger[Any]]]:
    """Return the files, and pieces of them in another order each time, so that sorting does not work on copies only."""
    random = np.random.default_rng(0)
    pieces = [part for each in files_of for part in np.array_split(each, max(1, len(each) // 24))]
    files, count = list(files_of), sum(map(len, files_of))
    while count < tokens:
        drawn = random.integers(len(pieces), size=200)
        files.append(np.concatenate([pieces[number] for number in drawn]))
        count += len(files[-1])
    return files


def _time_edits(memory: Memory, texts: list[str]) -> tuple[LiveDocument, list[float]]:
    """Edit a long document at a few places; return it and the time of each key, in ms."""
    lines = "\n".join(texts).split("\n")
    text = "\n".join((lines * (EDITED_LINES // len(lines) + 1))[:EDITED_LINES])
    document = LiveDocument(memory.encode, memory.separator, find_numbers(memory.vocabulary))
    document.update(text)
    random = np.random.default_rng(0)
    costs = []
    for number in range(EDITS):
        if number % 30 == 0:
            at = int(random.integers(len(text)))
        text = text[:at] + "print(x)\n"[number % 9] + text[at:]
        at += 1
        costs.append(_time_ms(lambda text=text: document.update(text)))  # type: ignore[misc]
    return document, costs


def _time_tokens(
    memory: Memory, index: Index, document: LiveDocument, files: list[NDArray[np.unsignedinteger[Any]]]
) -> tuple[list[float], list[float]]:
    """Return the time of mixing at each token of real text, and of the log-softmax without memory, in ms."""
    parts: list[Part] = [
        DocumentPart(document.view(range(20))),
        IndexPart(index, index.alive([index.files[0].path]), index.sources("")),
    ]
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, memory.vocabulary).astype(np.float32)
    log_softmax = LogSoftmax(memory.vocabulary)
    costs: list[float] = []
    plain: list[float] = []
    while len(costs) < TIMED_TOKENS:
        tokens = files[int(random.integers(len(files)))]
        if len(tokens) < 100:
            continue
        start = int(random.integers(40, len(tokens) - 50))
        prior = MemoryPrior(parts, tokens[:start], memory.mixture)
        written = [int(token) for token in tokens[start : start + 50]]
        for length in range(len(written)):
            costs.append(_time_ms(lambda length=length: prior.mix(written[:length], logits)))  # type: ignore[misc]  # noqa: B023
            plain.append(_time_ms(lambda: log_softmax.at(logits, 0)))
    return costs, plain


def _time_ms(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return 1e3 * (perf_counter() - began)


def time_keys_while_building(engine: Engine, memory: Memory, keys: int) -> dict[str, Any]:
    """Type the same keys in turns, alone and while the workspace is read repeatedly.

    Args:
        engine: the open model.
        memory: memory of the workspace, read already.
        keys: keys typed in each turn.

    Returns:
        Percentiles of the time from a request to its answer in ms, and the number of finished builds. Also the
        processor seconds of the builds while a user types without a pause (0 on Windows, which does not
        report it).
    """
    root = memory.workspace.root
    sources = collect_sources([root], LANGUAGES, {memory.language})
    memories = ReplayMemory([root], sources, engine.tokenizer, "on")
    memories.open_all()
    alone: list[float] = []
    while_building: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        building, before = _BackgroundBuild(memory, engine, Path(folder)), os.times()
        for number in range(TURNS):
            for found, around in ((alone, nullcontext()), (while_building, building.run())):
                with around:
                    trace = Typist(sources, number)
                    found += measure_typing(HeadlessEditor(engine, memories=memories), trace, keys).line_ms
    memories.close()
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return {
        "alone": percentiles(alone, (50, 95, 99)),
        "while_building": percentiles(while_building, (50, 95, 99)),
        "builds": building.builds,
        "build_cpu_s": round(used, 1),
    }


class _BackgroundBuild:
    """Build a complete index repeatedly, as the server does, while a user types."""

    def __init__(self, memory: Memory, engine: Engine, folder: Path) -> None:
        self._memory = memory
        self._engine = engine
        self._folder = folder
        self._background = LowPriorityThread()
        self._is_wanted = threading.Event()
        self.builds = 0

    @contextmanager
    def run(self) -> Iterator[None]:
        """Build during the block; abandon an unfinished build at its end."""
        ended = threading.Event()
        self._is_wanted.set()
        self._background.do(lambda: self._build_repeatedly(ended))
        try:
            yield
        finally:
            self._is_wanted.clear()
            ended.wait()

    def _build_repeatedly(self, ended: threading.Event) -> None:
        try:
            while self._is_wanted.is_set():
                self._build()
                self.builds += 1
        except StoppedError:
            pass
        finally:
            ended.set()

    def _build(self) -> None:
        workspace, language, tokenizer = self._memory.workspace, self._memory.language, self._engine.tokenizer
        store = Store.of(workspace.root, language, tokenizer, self._folder)
        store.clear()
        Memory(workspace, language, tokenizer, store=store, update=in_child).refresh(
            stop=lambda: not self._is_wanted.is_set()
        )
