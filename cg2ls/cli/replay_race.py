"""`cg2ls replay --against`: the trace for our engine and for rivals."""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cg2ls.completion import CompletionOptions
from cg2ls.completion.switches import CONFIDENCE, TYPED_THROUGH
from cg2ls.engine import Engine
from cg2ls.evaluation.runtimes.scripted_engine import DictatedEngine
from cg2ls.evaluation.runtimes.trace_race import Race, Speaker, race
from cg2ls.evaluation.simulation.headless_editor import Editor
from cg2ls.evaluation.simulation.typist import Typist

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from cg2ls.evaluation.runtimes.other_runtimes import Remote
    from cg2ls.evaluation.simulation.sources import Source

LINE_TOKENS = 24
PROMPT_TOKENS = 1024
REFERENCE_CONTEXT = PROMPT_TOKENS + LINE_TOKENS + 13
"""Leaves 1024 tokens to the prompt, 256 of them to the suffix: 8 may repeat a typed half of a word, 4 are
special, and one position stays free (`cg2ls.completion.prompt.budget`)."""

WHOLE_LINES = frozenset({CONFIDENCE})
"""Left out, or most answers would end after a token or two, for every engine: a race is about lines."""

ALONE = WHOLE_LINES | {TYPED_THROUGH}
REFERENCE_OPTIONS = CompletionOptions(
    max_lines=1, line_tokens=LINE_TOKENS, block_tokens=LINE_TOKENS, disabled_rules=WHOLE_LINES
)


def run_race(
    engine: Engine, folder: Path, arguments: argparse.Namespace, sources: Sequence[Source]
) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Prepares the engines and runs the trace.

    Args:
        engine: the open model. With the reference shape it is what the reference model says.
        folder: of the model.
        arguments: of the command.
        sources: to write in.

    Returns:
        What `--json` prints, and the times of every key by engine.

    Raises:
        Cg2Error: a rival or its packages are missing, or one of them fails.
    """
    from cg2ls.evaluation.runtimes import other_runtimes

    names = other_runtimes.checked_names(arguments.against)
    python = other_runtimes.reference_python(names, arguments.reference_python) if names else None
    with ExitStack() as stack:
        room = arguments.work or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="cg2ls-replay-"))
        )
        if arguments.reference_shape:
            _tell("making the reference model")
            folder = room / "reference"
            other_runtimes.make_reference_model(folder)
        remotes = []
        for name in names:
            assert python is not None
            _tell(f"converting for {name}")
            made = other_runtimes.prepare(name, python, folder, room)
            remotes.append(stack.enter_context(other_runtimes.start(name, python, made, engine.threads)))
        ours = [stack.enter_context(_open(folder, engine)) for _ in range(2)]
        _tell(f"typing {arguments.keys} keys for {', '.join(['ours', *names])} in turns")
        run = _reference if arguments.reference_shape else _model
        raced = run(ours, engine, remotes, arguments, sources)
        found = raced.to_json()
        found["race"]["model"] = ours[0].model.name
        found["race"]["versions"] = {remote.name: remote.version for remote in remotes}
        return found, raced.times


def _open(folder: Path, like: Engine) -> Engine:
    return Engine.open(folder, provider=like.provider, threads=like.threads, verify=False)


def _model(
    ours: Sequence[Engine],
    _: Engine,
    remotes: Sequence[Remote],
    arguments: argparse.Namespace,
    sources: Sequence[Source],
) -> Race:
    """The model in use, with its own budgets."""
    alone, typed_through = (
        Editor(engine, CompletionOptions(disabled_rules=without))
        for engine, without in zip(ours, (ALONE, WHOLE_LINES), strict=True)
    )
    return race(Typist(sources, arguments.seed), arguments.keys, alone, typed_through, remotes)


def _reference(
    ours: Sequence[Engine],
    speaker: Engine,
    remotes: Sequence[Remote],
    arguments: argparse.Namespace,
    sources: Sequence[Source],
) -> Race:
    """The reference shape: random weights that say what the model in use does."""
    dictated = [DictatedEngine(engine) for engine in ours]
    infill = replace(ours[0].model.infill, objectives=("causal", "span_corruption"))
    without = replace(REFERENCE_OPTIONS, disabled_rules=ALONE)
    alone, typed_through = (
        Editor(engine, options, context_length=REFERENCE_CONTEXT, infill=infill)
        for engine, options in zip(dictated, (without, REFERENCE_OPTIONS), strict=True)
    )
    return race(
        Typist(sources, arguments.seed),
        arguments.keys,
        alone,
        typed_through,
        remotes,
        speaker=Speaker(Editor(speaker, without), dictated),
    )


def _tell(what: str) -> None:
    print(f"cg2ls: {what} ...", file=sys.stderr, flush=True)
