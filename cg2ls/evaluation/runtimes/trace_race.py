"""One typing trace for cg2ls and for other runtimes, in turns.

cg2ls runs twice: with the model at every key, and also answering from the last suggestion while that is typed. The
other runtimes get the prompts of the first and generate as many tokens. They spend no time on prompts and rules.
llama.cpp's server keeps prompts in its cache; the others cache nothing from one key to the next.
"""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import compress, islice
from typing import TYPE_CHECKING, Any

from cg2ls.completion import CompletionOptions
from cg2ls.completion.confidence_gate import CONFIDENCE
from cg2ls.completion.reuse import TYPED_THROUGH
from cg2ls.engine import Engine
from cg2ls.evaluation.runtimes.other_runtimes import RuntimeOptions, prepare_runtimes
from cg2ls.evaluation.runtimes.scripted_engine import ScriptedEngine
from cg2ls.evaluation.simulation.headless_editor import HeadlessEditor
from cg2ls.evaluation.simulation.typist import Typist
from cg2ls.evaluation.statistics import percentiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from cg2ls.evaluation.runtimes.other_runtimes import WorkerClient
    from cg2ls.evaluation.simulation.headless_editor import TimedAnswer
    from cg2ls.evaluation.simulation.typist import KeyPress

KEYS_PER_TURN = 20

REST_S = 0.3
"""Pause before every turn, so that no thread of the previous turn still spins."""

LINE_TOKENS = 24
PROMPT_TOKENS = 1024
REFERENCE_CONTEXT = PROMPT_TOKENS + LINE_TOKENS + 13
"""Leaves 1024 tokens to the prompt, 256 of them to the suffix: 8 may repeat a typed half of a word, 4 are
special, and one position stays free (`cg2ls.completion.prompt.cursor`)."""

WHOLE_LINES = frozenset({CONFIDENCE})
"""Rules that are off for every engine: with them most answers would end after a token or two."""

ALONE = WHOLE_LINES | {TYPED_THROUGH}
REFERENCE_OPTIONS = CompletionOptions(
    max_lines=1, line_tokens=LINE_TOKENS, block_tokens=LINE_TOKENS, disabled_rules=WHOLE_LINES
)

Json = dict[str, Any]


@dataclass
class ScriptSource:
    """Answers of a trained model, which engines with random weights repeat.

    Attributes:
        editor: an editor with the trained model.
        engines: the engines that repeat its answers.
    """

    editor: HeadlessEditor
    engines: Sequence[ScriptedEngine]

    def get_script(self, key: KeyPress) -> str:
        """Return the text that the trained model shows at this key."""
        return self.editor.ask(key.source, key.text, key.offset).text

    def set_script(self, text: str) -> None:
        """Make the engines' next answers this text."""
        for engine in self.engines:
            engine.script = text


@dataclass
class RaceResult:
    """Times of every key, in milliseconds from the request to the answer.

    Attributes:
        alone: times of cg2ls with the model run at every key.
        typed_through: times of cg2ls as the server uses it.
        others: times of the other runtimes, by name.
        ran: whether the model ran for `typed_through`.
        prompt_tokens: prompt length of every request.
        answer_tokens: answer length of every request.
    """

    alone: list[float] = field(default_factory=list)
    typed_through: list[float] = field(default_factory=list)
    others: dict[str, list[float]] = field(default_factory=dict)
    ran: list[bool] = field(default_factory=list)
    prompt_tokens: list[int] = field(default_factory=list)
    answer_tokens: list[int] = field(default_factory=list)

    @property
    def times(self) -> dict[str, list[float]]:
        """All times, by engine."""
        return {"alone": self.alone, "typed_through": self.typed_through, **self.others}

    def to_json(self) -> Json:
        """Return percentiles, sums, and ratios of sums and of medians: above 1 cg2ls is faster."""
        times = self.times
        return {
            "race": {
                "keys": len(self.alone),
                "prompt_tokens": percentiles(self.prompt_tokens, (50, 95)),
                "answer_tokens": percentiles(self.answer_tokens, (50, 95)),
                "line_ms": {name: percentiles(found, (50, 95, 99)) for name, found in times.items()},
                "total_ms": {name: round(sum(found), 1) for name, found in times.items()},
                "ratios": {
                    f"{mode}_vs_{other}": round(sum(found) / sum(times[mode]), 3)
                    for other, found in self.others.items()
                    for mode in ("alone", "typed_through")
                },
                "median_ratios": {
                    f"{keys}_vs_{other}": round(_divide_medians(found, self.typed_through, counted), 3)
                    for other, found in self.others.items()
                    for keys, counted in (
                        ("all_keys", [True] * len(self.ran)),
                        ("where_the_model_ran", self.ran),
                    )
                    if any(counted)
                },
            }
        }


def _divide_medians(others: Sequence[float], own: Sequence[float], counted: Sequence[bool]) -> float:
    """Return the median of other times divided by that of cg2ls, over the keys that count."""
    return statistics.median(compress(others, counted)) / statistics.median(compress(own, counted))


@dataclass(frozen=True)
class Racers:
    """Engines of one race.

    Attributes:
        alone: editor that runs the model at every key.
        typed_through: editor that may answer from the last suggestion; its engine is another one.
        workers: the other runtimes' workers.
        scripts: answers for engines with random weights; None to keep their own answers.
    """

    alone: HeadlessEditor
    typed_through: HeadlessEditor
    workers: Sequence[WorkerClient] = ()
    scripts: ScriptSource | None = None


def race_runtimes(
    engine: Engine,
    folder: Path,
    runtimes: RuntimeOptions,
    trace: Typist,
    keys: int,
    on_step: Callable[[str], None],
) -> tuple[Json, RaceResult]:
    """Prepare all engines and run the trace.

    Args:
        engine: the open model; with the reference shape the reference model repeats its answers.
        folder: the model's folder.
        runtimes: the other runtimes.
        trace: the typing trace.
        keys: number of keys that count.
        on_step: receives a description of each step.

    Returns:
        The report for `--json`, and the result.

    Raises:
        Cg2Error: a runtime or its packages are missing, or an engine fails.
    """
    with prepare_runtimes(runtimes, lambda: folder, on_step) as prepared, ExitStack() as stack:
        workers = prepared.start_workers(stack, engine.threads)
        own = [
            stack.enter_context(
                Engine.open(prepared.folder, provider=engine.provider, threads=engine.threads, verify=False)
            )
            for _ in range(2)
        ]
        on_step(
            f"typing {keys} keys for {', '.join(['ours', *(worker.name for worker in workers)])} in turns"
        )
        make_racers = _make_reference_racers if runtimes.reference_shape else _make_racers
        result = run_race(trace, keys, make_racers(own, engine, workers))
        report = result.to_json()
        report["race"]["model"] = own[0].model.name
        report["race"]["versions"] = {worker.name: worker.version for worker in workers}
        return report, result


def _make_racers(own: Sequence[Engine], _: Engine, workers: Sequence[WorkerClient]) -> Racers:
    """Race the model in use, with its own budgets."""
    alone, typed_through = (
        HeadlessEditor(engine, CompletionOptions(disabled_rules=disabled, choose="greedy"))
        for engine, disabled in zip(own, (ALONE, WHOLE_LINES), strict=True)
    )
    return Racers(alone, typed_through, workers)


def _make_reference_racers(own: Sequence[Engine], trained: Engine, workers: Sequence[WorkerClient]) -> Racers:
    """Race random weights of the reference shape, which repeat the answers of the model in use."""
    scripted = [ScriptedEngine(engine) for engine in own]
    infill = replace(own[0].model.infill, objectives=("causal", "span_corruption"))
    alone_options = replace(REFERENCE_OPTIONS, disabled_rules=ALONE, choose="greedy")
    alone, typed_through = (
        HeadlessEditor(engine, options, context_length=REFERENCE_CONTEXT, infill=infill)
        for engine, options in zip(scripted, (alone_options, REFERENCE_OPTIONS), strict=True)
    )
    scripts = ScriptSource(HeadlessEditor(trained, alone_options), scripted)
    return Racers(alone, typed_through, workers, scripts)


def run_race(
    keys: Iterable[KeyPress], count: int, racers: Racers, *, rest: Callable[[float], None] = time.sleep
) -> RaceResult:
    """Run turns of the trace; the first turn does not count.

    Args:
        keys: the trace.
        count: number of keys that count, rounded up to whole turns.
        racers: the engines.
        rest: waits a number of seconds.
    """
    names = [worker.name for worker in racers.workers]
    warm_up, found = (RaceResult(others={name: [] for name in names}) for _ in range(2))
    trace = iter(keys)
    _take_turn(list(islice(trace, KEYS_PER_TURN)), racers, warm_up, rest)
    while len(found.alone) < count and (turn := list(islice(trace, KEYS_PER_TURN))):
        _take_turn(turn, racers, found, rest)
    return found


def _take_turn(
    turn: Sequence[KeyPress], racers: Racers, into: RaceResult, rest: Callable[[float], None]
) -> None:
    scripts = [racers.scripts.get_script(key) if racers.scripts else "" for key in turn]
    alone, through = (
        _answer_turn(turn, scripts, editor, racers.scripts, rest)
        for editor in (racers.alone, racers.typed_through)
    )
    asked = [(one, other) for one, other in zip(alone, through, strict=True) if one.cost]
    into.alone += [one.line_ms for one, _ in asked]
    into.typed_through += [other.line_ms for _, other in asked]
    into.ran += [other.cost is not None for _, other in asked]
    costs = [one.cost for one, _ in asked if one.cost]
    into.prompt_tokens += [len(cost.prompt) for cost in costs]
    into.answer_tokens += [cost.generated for cost in costs]
    for worker in racers.workers:
        rest(REST_S)
        replies = [worker.complete(cost.prompt, max(1, cost.generated)) for cost in costs]
        into.others[worker.name] += [reply["ms"][-1] for reply in replies]
        reported = [reply["reported_ms"][-1] for reply in replies if reply.get("reported_ms")]
        if reported:
            into.others.setdefault(f"{worker.name}, without HTTP", []).extend(reported)


def _answer_turn(
    turn: Sequence[KeyPress],
    scripts: Sequence[str],
    editor: HeadlessEditor,
    source: ScriptSource | None,
    rest: Callable[[float], None],
) -> list[TimedAnswer]:
    """Run cg2ls at every key of a turn."""
    rest(REST_S)
    found = []
    for key, script in zip(turn, scripts, strict=True):
        if source:
            source.set_script(script)
        found.append(editor.ask(key.source, key.text, key.offset))
    return found
