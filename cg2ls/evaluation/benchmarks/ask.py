"""Answer tasks as the server does: the session's prompt, healing, rules, gate and memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from cg2ls.completion import CompletionOptions, DocumentSession, Retrieval
from cg2ls.evaluation.engine_wrapper import EngineWrapper
from cg2ls.retrieval.memory import Memory
from cg2ls.retrieval.memory.store import Store
from cg2ls.workspace import ReadingRules, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cg2ls.completion import Completion, CompletionEngine
    from cg2ls.completion.types import Trigger
    from cg2ls.engine import Engine, Request, Step
    from cg2ls.evaluation.benchmarks.task import BenchmarkTask

MAX_ROUNDS = 12
"""Requests for one function's body: the user accepts the shown text, presses Enter and requests again."""

MAX_BODY_CHARS = 4_000
"""A longer body is a failed generation."""

DOCUMENT_NAME = "benchmark/document"
"""Path of the document in its workspace."""

NO_LIMIT_MS = 1e9
"""Time for comparing lines."""

MemoryScope = Literal["on", "off"]


@dataclass(frozen=True)
class Sampling:
    """Settings of sampling.

    Attributes:
        temperature: 0 for the likeliest answer.
        top_p: mass of the nucleus.
    """

    temperature: float = 0.0
    top_p: float = 1.0


@dataclass(frozen=True)
class BenchmarkAnswer:
    """The text shown for a task.

    Attributes:
        text: the text; "" if nothing was shown.
        replace_length: characters after the cursor that it replaces.
        confidence: estimated probability that it is right.
        reason: outcome of the request.
        ms: time of the request.
    """

    text: str
    replace_length: int
    confidence: float
    reason: str
    ms: float


class SampledEngine(EngineWrapper):
    """An engine that answers every request with a sample.

    Args:
        engine: the real engine.
        sampling: settings of sampling.
        seed: seed of all samples; each request of one body has its own.
    """

    def __init__(self, engine: Engine, sampling: Sampling, seed: int) -> None:
        super().__init__(engine)
        self._sampling = sampling
        self._seed = seed

    def complete(self, request: Request, stop: Callable[[], bool]) -> Iterator[Step]:
        """Sample an answer, one step at a time."""
        self._seed += 1_000_003
        sampled = replace(
            request,
            temperature=self._sampling.temperature,
            top_p=self._sampling.top_p,
            seed=self._seed,
            draft_hint=(),
        )
        return self._engine.complete(sampled, stop)


class Asker:
    """Answers tasks with one open model.

    Args:
        engine: the open model.
        options: completion options. Unknown languages are always completed, and there is no limit of time, so that
            the answers do not depend on the machine.
        memory: whether repository memory takes part, as it does in the server.
    """

    def __init__(
        self, engine: Engine, options: CompletionOptions | None = None, *, memory: MemoryScope = "on"
    ) -> None:
        self._engine = engine
        self._options = replace(
            options or CompletionOptions(), unknown_languages=True, max_ms=None, choose_ms=NO_LIMIT_MS
        )
        self._memory = memory
        self._empty: dict[str, Memory] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="cg2ls-evaluate-")

    def __enter__(self) -> Asker:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def ask(
        self, task: BenchmarkTask, trigger: Trigger, sampling: Sampling | None = None, seed: int = 0
    ) -> BenchmarkAnswer:
        """Return the text shown in a document that was just opened.

        Args:
            task: task to complete.
            trigger: who requests: the user (`invoked`) or the editor while the user types (`automatic`).
            sampling: settings of sampling; None or temperature 0 for the likeliest answer.
            seed: seed of the sample.

        Raises:
            EngineError: the model could not be run.
        """
        engine: CompletionEngine = self._engine
        if sampling and sampling.temperature:
            engine = SampledEngine(self._engine, sampling, seed)
        with self._retrieval(task) as retrieval:
            if task.wanted == "body":
                return self._write_body(engine, task, trigger, retrieval)
            found = self._complete(engine, task.document, len(task.prefix), task, trigger, retrieval)
        return BenchmarkAnswer(
            found.text,
            found.replace_end_offset - len(task.prefix),
            found.confidence,
            found.reason,
            found.latency_ms,
        )

    def _write_body(
        self, engine: CompletionEngine, task: BenchmarkTask, trigger: Trigger, retrieval: Retrieval
    ) -> BenchmarkAnswer:
        """Write a function's body: accept, press Enter and request again until nothing more belongs to it."""
        body, ms, confidence = "", 0.0, 1.0
        reason = "empty"
        for _ in range(MAX_ROUNDS):
            document = task.prefix + body
            found = self._complete(engine, document, len(document), task, trigger, retrieval)
            ms += found.latency_ms
            reason = found.reason
            lines = keep_body(found.text)
            if not lines.strip():
                break
            confidence = min(confidence, found.confidence)
            body += lines.rstrip() + "\n"
            if lines != found.text or len(body) > MAX_BODY_CHARS:
                break
        return BenchmarkAnswer(body, 0, confidence if body else 0.0, "shown" if body else reason, ms)

    def _complete(
        self,
        engine: CompletionEngine,
        document: str,
        offset: int,
        task: BenchmarkTask,
        trigger: Trigger,
        retrieval: Retrieval,
    ) -> Completion:
        """Complete in a new session, so that no earlier answer is reused; the engine's cache stays."""
        session = DocumentSession(engine, task.language, self._options)
        found = session.complete(document, offset, trigger, retrieval=retrieval)
        if found.faults:  # an incomplete measurement must not count as a complete one
            raise found.faults[0].error
        return found

    @contextmanager
    def _retrieval(self, task: BenchmarkTask) -> Iterator[Retrieval]:
        """Yield the memory of a task: its document, and its other files as the workspace."""
        if self._memory == "off":
            yield Retrieval()
        elif task.files:
            with tempfile.TemporaryDirectory(dir=self._folder.name) as folder:
                write_workspace(Path(folder), task.files)
                memory = self._open_memory(Path(folder), task.language)
                memory.refresh()
                yield self._remember(memory)
        else:
            if task.language not in self._empty:
                folder_of_language = Path(self._folder.name) / f"workspace-{len(self._empty)}"
                folder_of_language.mkdir()
                self._empty[task.language] = self._open_memory(folder_of_language, task.language)
            yield self._remember(self._empty[task.language])

    def _open_memory(self, root: Path, language: str) -> Memory:
        workspace = Workspace(root, ReadingRules())
        tokenizer = self._engine.tokenizer
        store = Store.of(workspace.root, language, tokenizer, Path(self._folder.name) / "indexes")
        return Memory(workspace, language, tokenizer, None, store)

    @staticmethod
    def _remember(memory: Memory) -> Retrieval:
        return Retrieval(lambda text, offset: memory.prior(DOCUMENT_NAME, text, offset))


def keep_body(text: str) -> str:
    """Return the lines of an answer up to the first that is not indented, which begins something else."""
    kept: list[str] = []
    for line in text.split("\n"):
        if line.strip() and not line[0].isspace():
            break
        kept.append(line)
    return "\n".join(kept)


def write_workspace(root: Path, files: Mapping[str, str]) -> list[Path]:
    """Write files below a folder, except those whose path leaves it.

    Args:
        root: an empty folder.
        files: texts by relative path.

    Returns:
        The paths that were written.
    """
    written: list[Path] = []
    for name, text in files.items():
        pure = PurePosixPath(name)
        if pure.is_absolute() or ".." in pure.parts or not pure.name:
            continue
        path = root / pure
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        written.append(path)
    return written
