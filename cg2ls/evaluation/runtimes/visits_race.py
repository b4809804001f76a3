"""Visits at another runtime's server, which keeps prompts in a cache: the requests that cg2ls makes of its model.

The other server gets the prompts that cg2ls makes, and generates as many tokens. It spends no time on prompts or rules.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from time import sleep
from typing import TYPE_CHECKING, Any

from cg2ls.completion import CompletionOptions
from cg2ls.completion.reuse import TYPED_THROUGH
from cg2ls.engine import Engine
from cg2ls.engine.onnx_session import default_threads
from cg2ls.errors import EvaluationError
from cg2ls.evaluation.latency.visits import KEY_GAP_S, KEYS_PER_VISIT, LOOK_S, VisitLatency
from cg2ls.evaluation.runtimes.other_runtimes import start_worker
from cg2ls.evaluation.simulation.headless_editor import HeadlessEditor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cg2ls.evaluation.latency.visits import Visit
    from cg2ls.evaluation.runtimes.other_runtimes import WorkerClient

Json = dict[str, Any]

EVERY_KEY = CompletionOptions(disabled_rules=frozenset({TYPED_THROUGH}), choose="greedy")
"""The server's options, but the model runs at every key."""


@dataclass(frozen=True)
class Work:
    """One request.

    Attributes:
        prompt: token ids.
        tokens: tokens to generate.
    """

    prompt: Sequence[int]
    tokens: int


@dataclass(frozen=True)
class VisitWork:
    """Requests of one visit.

    Attributes:
        visit: the visit.
        arrival: what a client would request before the first key.
        keys: the requests of its keys.
    """

    visit: Visit
    arrival: Work
    keys: Sequence[Work]


def list_work(folder: Path, visits: Sequence[Visit]) -> list[VisitWork]:
    """Return the requests of visits; a visit with a key at which completion is suppressed is left out.

    Args:
        folder: the model's folder.
        visits: visits to make.

    Raises:
        Cg2Error: the model cannot be opened, or it runs at no visit.
    """
    found = []
    with Engine.open(folder, provider="cpu") as engine:
        editor = HeadlessEditor(engine, EVERY_KEY)
        for visit in visits:
            answers = [editor.ask(visit.source, *visit.place(typed)) for typed in range(KEYS_PER_VISIT + 1)]
            works = [Work(each.cost.prompt, max(1, each.cost.generated)) for each in answers if each.cost]
            if len(works) == len(answers):
                found.append(VisitWork(visit, works[0], works[1:]))
    if not found:
        raise EvaluationError("The model runs at no visit; replay files of a language it knows.")
    return found


def visit_other_server(
    runtime: tuple[str, Path, Path], works: Sequence[VisitWork], seed: int, on_step: Callable[[str], None]
) -> Json:
    """Make visits at a runtime's server twice: asked at keys only, and also where the cursor arrives.

    Args:
        runtime: name, Python and converted model.
        works: the requests.
        seed: seed of the gaps.
        on_step: receives a description of each step.

    Returns:
        The report of each run, by its name.

    Raises:
        EvaluationError: the server ends or refuses a request.
    """
    name = runtime[0]
    found = {}
    for label, asks_on_arrival in ((name, False), (f"{name}, on arrival", True)):
        on_step(f"visiting {len(works)} places with {label}")
        with start_worker(*runtime, default_threads()) as worker:
            latency = measure_other_visits(worker, works, asks_on_arrival=asks_on_arrival, seed=seed)
        found[label] = latency.to_json()
    return found


def compare_visits(found: Json, own: Sequence[str]) -> Json:
    """Return ratios of medians, above 1 where cg2ls is faster, of first and of later keys.

    Args:
        found: the report of each run, by its name.
        own: names of the runs of cg2ls.
    """
    return {
        f"{mine} vs {other}": {
            "first": round(theirs["first_ms"]["all"]["p50"] / found[mine]["first_ms"]["all"]["p50"], 3),
            "later": round(theirs["later_ms"]["p50"] / found[mine]["later_ms"]["p50"], 3),
        }
        for other, theirs in found.items()
        if other not in own
        for mine in own
    }


def measure_other_visits(
    worker: WorkerClient,
    works: Sequence[VisitWork],
    *,
    asks_on_arrival: bool,
    seed: int = 0,
    wait: Callable[[float], object] = sleep,
) -> VisitLatency:
    """Make visits at another runtime's server, with the gaps of `measure_visits`.

    Args:
        worker: the runtime's worker.
        works: the requests.
        asks_on_arrival: whether the client also requests a completion where the cursor arrives. A first key that comes
            before that answer waits for it.
        seed: seed of the gaps.
        wait: waits for some seconds.

    Raises:
        EvaluationError: the worker ended.
    """
    found, choose = VisitLatency(), random.Random(f"gaps {seed}")
    for work in works:
        look_ms = 1e3 * choose.uniform(*LOOK_S)
        busy_ms = _answer(worker, work.arrival) if asks_on_arrival else 0.0
        wait(max(0.0, look_ms - busy_ms) / 1e3)
        times = []
        for key in work.keys:
            times.append(_answer(worker, key))
            wait(choose.uniform(*KEY_GAP_S))
        found.first_ms[work.visit.kind].append(times[0] + max(0.0, busy_ms - look_ms))
        found.later_ms += times[1:]
    return found


def _answer(worker: WorkerClient, work: Work) -> float:
    """Return the milliseconds until the client has the answer."""
    return float(worker.complete(work.prompt, work.tokens)["ms"][-1])
