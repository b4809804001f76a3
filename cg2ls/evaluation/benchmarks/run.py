"""Run of a suite: every task is completed and scored, resumable, with progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from cg2ls.completion.options import CompletionOptions
from cg2ls.errors import EvaluationError
from cg2ls.evaluation.benchmarks.ask import Asker, MemoryScope, Sampling
from cg2ls.evaluation.benchmarks.journal import Journal, JournalRow
from cg2ls.evaluation.quality.scores import compute_edit_similarity

if TYPE_CHECKING:
    from cg2ls.completion.options import Choose
    from cg2ls.completion.types import Trigger
    from cg2ls.engine import Engine
    from cg2ls.evaluation.benchmarks.ask import BenchmarkAnswer
    from cg2ls.evaluation.benchmarks.task import BenchmarkTask
    from cg2ls.evaluation.sandbox import ProgramSandbox

Json = dict[str, Any]

SECONDS_BETWEEN_REPORTS = 10.0


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Settings of a run of a suite.

    Attributes:
        triggers: who requests.
        samples: answers for each task and trigger.
        sampling: settings of sampling.
        memory: whether repository memory takes part.
        choose: value of `CompletionOptions.choose`: when several lines are compared.
        sandbox: sandbox for completed programs; None to compare only.
        seed: seed of the samples.
    """

    triggers: tuple[Trigger, ...] = ("invoked", "automatic")
    samples: int = 1
    sampling: Sampling = field(default_factory=Sampling)
    memory: MemoryScope = "on"
    choose: Choose = CompletionOptions.choose
    sandbox: ProgramSandbox | None = None
    seed: int = 0

    def to_json(self) -> Json:
        """Return the settings that determine the rows."""
        return {
            "triggers": list(self.triggers),
            "samples": self.samples,
            "temperature": self.sampling.temperature,
            "top_p": self.sampling.top_p,
            "memory": self.memory,
            "choose": self.choose,
            "executed": self.sandbox is not None,
            "seed": self.seed,
        }


def run_tasks(
    engine: Engine,
    tasks: Sequence[BenchmarkTask],
    options: RunOptions,
    journal: Journal,
    on_step: Callable[[str], None] = lambda _: None,
) -> list[JournalRow]:
    """Complete and score every task that the journal does not have, and return all rows in order.

    The tasks of one problem follow one another, so the engine's cache keeps the common part of their prompts.

    Raises:
        EvaluationError: samples are requested at temperature 0, or execution of tasks without a test.
        Cg2Error: the model or the sandbox failed.
    """
    if options.samples > 1 and not options.sampling.temperature:
        raise EvaluationError("All samples are equal at temperature 0; give --temperature, such as 0.8.")
    if options.sandbox and not any(task.check for task in tasks):
        raise EvaluationError("This suite has no tests that can be executed here; leave out --execute.")
    questions = list(_questions(tasks, options))
    progress = RunProgress(sum((t.name, g, n) not in journal.known for t, g, n in questions), on_step)
    rows: list[JournalRow] = []
    completion = CompletionOptions(choose=options.choose)
    with Asker(engine, completion, memory=options.memory) as asker:
        for task, trigger, sample in questions:
            row = journal.known.get((task.name, trigger, sample))
            if row is None:
                answer = asker.ask(task, trigger, options.sampling, options.seed + sample)
                row = judge_answer(task, trigger, sample, answer, options.sandbox)
                journal.add(row)
                progress.advance()
            rows.append(row)
    return rows


def judge_answer(
    task: BenchmarkTask, trigger: str, sample: int, answer: BenchmarkAnswer, sandbox: ProgramSandbox | None
) -> JournalRow:
    """Compare an answer with the removed text, and execute it if there is a sandbox; an empty one never passes."""
    passed: bool | None = None
    if sandbox is not None and task.check is not None:
        document = task.insert(answer.text, answer.replace_length)
        passed = bool(answer.text) and sandbox.passes(task.check.program(document))
    shown = bool(answer.text)
    return JournalRow(
        task=task.name,
        group=task.group,
        trigger=trigger,
        sample=sample,
        text=answer.text,
        shown=shown,
        exact=task.is_exact(answer.text, answer.replace_length),
        similarity=compute_edit_similarity(task.cut(answer.text).rstrip(), task.reference.rstrip())
        if shown
        else 0.0,
        confidence=answer.confidence,
        ms=answer.ms,
        passed=passed,
    )


def journal_of(output: Path | None) -> Path | None:
    """Return the journal's path next to a report; None without a report."""
    return output.with_name(output.name + ".partial") if output else None


def _questions(
    tasks: Sequence[BenchmarkTask], options: RunOptions
) -> Iterator[tuple[BenchmarkTask, Trigger, int]]:
    for task in tasks:
        for trigger in options.triggers:
            for sample in range(options.samples):
                yield task, trigger, sample


class RunProgress:
    """Progress with the remaining time, reported every few seconds.

    Args:
        total: answers to make.
        on_step: receives sentences.
        clock: clock in seconds.
    """

    def __init__(
        self, total: int, on_step: Callable[[str], None], clock: Callable[[], float] = monotonic
    ) -> None:
        self._total = total
        self._done = 0
        self._on_step = on_step
        self._clock = clock
        self._began = self._said = clock()

    def advance(self) -> None:
        """Count one more answer."""
        self._done += 1
        now = self._clock()
        if now - self._said >= SECONDS_BETWEEN_REPORTS or self._done == self._total:
            self._said = now
            left = (now - self._began) / self._done * (self._total - self._done)
            self._on_step(f"{self._done} of {self._total} answers, {format_duration(left)} left")


def format_duration(seconds: float) -> str:
    """Format a duration as minutes and seconds, or hours and minutes."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"
