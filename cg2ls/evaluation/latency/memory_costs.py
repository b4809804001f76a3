"""What memory costs: building, an edit in a large file, a token."""

from __future__ import annotations

import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.engine.sampler import LogSoftmax
from cg2ls.retrieval.memory.evidence import DocumentPart, IndexPart, Part
from cg2ls.retrieval.memory.index import Index, IndexedFile
from cg2ls.retrieval.memory.live_document import LiveDocument
from cg2ls.retrieval.memory.prior import MemoryPrior
from cg2ls.retrieval.memory.read_workspace import encoded
from cg2ls.retrieval.memory.store import Store
from cg2ls.workspace import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

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
