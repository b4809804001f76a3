"""What memory costs: building, an edit in a large file, a token."""

from __future__ import annotations

import os
import tempfile
import threading
from contextlib import contextmanager, nullcontext
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.engine.sampling import LogSoftmax
from cg2ls.evaluation.latency.typing import percentiles, play
from cg2ls.evaluation.simulation.headless_editor import Editor
from cg2ls.evaluation.simulation.replay_retrieval import ReplayMemory
from cg2ls.evaluation.simulation.sources import collect
from cg2ls.evaluation.simulation.typist import Typist
from cg2ls.retrieval.memory import Memory
from cg2ls.retrieval.memory.background import Background
from cg2ls.retrieval.memory.evidence import DocumentPart, IndexPart, Part
from cg2ls.retrieval.memory.index import Index, IndexedFile
from cg2ls.retrieval.memory.index_process import in_child
from cg2ls.retrieval.memory.live_document import LiveDocument
from cg2ls.retrieval.memory.prior import MemoryPrior
from cg2ls.retrieval.memory.read_workspace import StoppedError, encoded
from cg2ls.retrieval.memory.store import Store
from cg2ls.workspace import RefusedError
from cg2ls.workspace.languages import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from cg2ls.engine import Engine
    from cg2ls.retrieval.memory import Memory

LINES = 20_000
"""Lines of the file that is edited."""

EDITS = 300
TOKENS = 2000


def measured(memory: Memory, tokens: int) -> dict[str, Any]:
    """Medians and 95th percentiles over a workspace's own text.

    `token_ms` is what memory adds to a token: the plain log-softmax that the engine computes without it is taken off.
    `view_ms` is what a request pays once for a document that may be edited meanwhile.

    Args:
        memory: of the workspace.
        tokens: tokens to index; the workspace's files are taken again, shuffled line by line, until there are
            so many.
    """
    began = perf_counter()
    texts = _texts(memory)
    reading = perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        began = perf_counter()
        tokens_of = [encoded(memory.encode, text) for text in texts]
        reading_and_encoding = (reading + perf_counter() - began) / sum(map(len, tokens_of))
        files = _enough(tokens_of, tokens)
        store = Store(
            memory.workspace.root, memory.language, "bench", memory.separator, Path(folder) / "index"
        )
        noted = [IndexedFile(f"{number}.py", 0, 0, len(each)) for number, each in enumerate(files)]
        began = perf_counter()
        index = store.write(noted, files)
        sorting = (perf_counter() - began) / index.tokens
        size = sum(file.stat().st_size for file in store.folder.iterdir())
        document, edits = _edits(memory, texts)
        views = [_ms(lambda: document.view(range(20))) for _ in range(EDITS)]
        costs, plain = _costs(memory, index, document, tokens_of)
    without = float(np.median(plain))
    return {
        "tokens": index.tokens,
        "build_s_per_million": round(1e6 * (reading_and_encoding + sorting), 2),
        "bytes_per_token": round(size / index.tokens, 2),
        "edit_ms": _percentiles(edits),
        "view_ms": _percentiles(views),
        "token_ms": _percentiles([cost - without for cost in costs]),
        "log_softmax_ms": _percentiles(plain),
    }


def _texts(memory: Memory) -> list[str]:
    texts = []
    for path in memory.workspace.walk(memory.wants):
        try:
            texts.append(memory.workspace.read(path))
        except RefusedError:
            continue
    return texts


def _enough(files_of: list[NDArray[np.uint16]], tokens: int) -> list[NDArray[np.uint16]]:
    """The files, and pieces of them in another order each time, so that sorting is not a matter of copies."""
    random = np.random.default_rng(0)
    pieces = [part for each in files_of for part in np.array_split(each, max(1, len(each) // 24))]
    files, count = list(files_of), sum(map(len, files_of))
    while count < tokens:
        drawn = random.integers(len(pieces), size=200)
        files.append(np.concatenate([pieces[number] for number in drawn]))
        count += len(files[-1])
    return files


def _edits(memory: Memory, texts: list[str]) -> tuple[LiveDocument, list[float]]:
    """A long document after someone typed at a few places of it, and what each key cost, in ms."""
    lines = "\n".join(texts).split("\n")
    text = "\n".join((lines * (LINES // len(lines) + 1))[:LINES])
    document = LiveDocument(memory.encode, memory.separator)
    document.update(text)
    random = np.random.default_rng(0)
    costs = []
    for number in range(EDITS):
        if number % 30 == 0:
            at = int(random.integers(len(text)))
        text = text[:at] + "print(x)\n"[number % 9] + text[at:]
        at += 1
        costs.append(_ms(lambda text=text: document.update(text)))  # type: ignore[misc]
    return document, costs


def _costs(
    memory: Memory, index: Index, document: LiveDocument, files: list[NDArray[np.uint16]]
) -> tuple[list[float], list[float]]:
    """What mixing costs at each token of real text, and what the engine does without memory, in ms."""
    parts: list[Part] = [
        DocumentPart(document.view(range(20))),
        IndexPart(index, index.alive([index.files[0].path]), index.sources("")),
    ]
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, memory.vocabulary).astype(np.float32)
    log_softmax = LogSoftmax(memory.vocabulary)
    costs: list[float] = []
    plain: list[float] = []
    while len(costs) < TOKENS:
        tokens = files[int(random.integers(len(files)))]
        if len(tokens) < 100:
            continue
        start = int(random.integers(40, len(tokens) - 50))
        prior = MemoryPrior(parts, tokens[:start], memory.mixture)
        written = [int(token) for token in tokens[start : start + 50]]
        for length in range(len(written)):
            costs.append(_ms(lambda length=length: prior.mix(written[:length], logits)))  # type: ignore[misc]  # noqa: B023
            plain.append(_ms(lambda: log_softmax.at(logits, 0)))
    return costs, plain


def _ms(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return 1e3 * (perf_counter() - began)


def _percentiles(values: list[float]) -> dict[str, float]:
    return {f"p{at}": round(float(np.percentile(values, at)), 3) for at in (50, 95, 99)}


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
