"""`cg2ls replay`: people who write real files, played against completion."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cg2ls.cli import replay_arguments

if TYPE_CHECKING:
    from pathlib import Path

    from cg2ls.completion import CompletionOptions
    from cg2ls.engine import Engine
    from cg2ls.evaluation.latency.typing import Latencies, Soak
    from cg2ls.evaluation.simulation.headless_editor import Editor
    from cg2ls.evaluation.simulation.replay_retrieval import ReplayMemory
    from cg2ls.evaluation.simulation.sources import Source
    from cg2ls.models.folder.description import Infill, ModelDescription

Json = dict[str, Any]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    replay_arguments.add_parser(commands).set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Replays and prints.

    Raises:
        Cg2Error: there is nothing to replay, the model cannot be opened or run, or a soak found what must
            not be.
    """
    from cg2ls.cli.replay_race import run_race
    from cg2ls.engine import Engine
    from cg2ls.evaluation.errors import ReplayError
    from cg2ls.evaluation.report.picture import picture
    from cg2ls.evaluation.report.replay_table import table
    from cg2ls.evaluation.simulation.replay_retrieval import ReplayMemory
    from cg2ls.evaluation.simulation.sources import collect
    from cg2ls.files import write_atomically
    from cg2ls.models.folder.locate import locate_model
    from cg2ls.workspace.languages import LANGUAGES

    load = round(os.getloadavg()[0], 2)
    located = locate_model(flag=arguments.model)
    if arguments.chaos:
        return _chaos(located.folder, arguments)
    curves: dict[str, list[float]] = {}
    problem = ""
    with Engine.open(located.folder, provider=arguments.provider, threads=arguments.threads) as engine:
        sources = collect(arguments.paths, LANGUAGES, set(engine.model.languages))
        memories = ReplayMemory(arguments.paths, sources, engine.tokenizer, arguments.memory)
        replay = _Replay(engine, arguments, sources, memories)
        report = _about(engine, load, arguments, sources)
        if arguments.against or arguments.reference_shape:
            raced, curves = run_race(engine, located.folder, arguments, sources)
            report |= raced
        elif arguments.soak:
            soaked = replay.soak()
            problem = soaked.problem()
            report |= soaked.to_json()
        else:
            if arguments.keys:
                latencies = replay.latency()
                curves = latencies.times
                report |= latencies.to_json()
            report |= replay.quality()
            if arguments.token_places:
                report["token_by_token"] = replay.tokens()
        memories.close()
    if arguments.picture:
        write_atomically(arguments.picture, picture(report, curves))
    print(json.dumps(report, indent=2) if arguments.json else table(report))
    if problem:
        raise ReplayError(problem)
    return 0


def _chaos(model: Path, arguments: argparse.Namespace) -> int:
    from cg2ls.cli.replay_chaos import chaos_table, run_chaos
    from cg2ls.evaluation.errors import ReplayError

    found = run_chaos(model, arguments, _tell)
    report = found.to_json()
    print(json.dumps(report, indent=2) if arguments.json else chaos_table(report["chaos"]))
    if problem := found.problem():
        raise ReplayError(problem)
    return 0


@dataclass(frozen=True)
class _Replay:
    """What all measurements need, and those of one model alone."""

    engine: Engine
    arguments: argparse.Namespace
    sources: list[Source]
    memories: ReplayMemory

    def latency(self) -> Latencies:
        from cg2ls.evaluation.latency.typing import play
        from cg2ls.evaluation.simulation.typist import Typist

        self.memories.open_all()
        _tell(f"typing {self.arguments.keys} keys")
        return play(self.editor(), Typist(self.sources, self.arguments.seed), self.arguments.keys)

    def soak(self) -> Soak:
        from cg2ls.evaluation.latency.typing import soak

        self.memories.open_all()
        _tell(f"typing {self.arguments.soak} keys")
        return soak(self.editor(), self.sources, self.arguments.soak, self.arguments.seed)

    def quality(self) -> Json:
        from cg2ls.evaluation.quality.positions import sample
        from cg2ls.evaluation.quality.scores import Quality, judge_all, write_all
        from cg2ls.evaluation.simulation.simulated_user import sample_passages

        positions, passages, seed = self.arguments.positions, self.arguments.passages, self.arguments.seed
        found = Quality()
        if positions:
            _tell(f"asking at {positions} places")
            found.judged = judge_all(self.editor(), sample(self.sources, positions, seed))
        if passages:
            _tell(f"writing {passages} passages")
            found.wrote = write_all(self.editor(), sample_passages(self.sources, passages, seed))
        report = found.to_json() if found.judged or found.wrote else {}
        if self.arguments.verdicts:
            report["verdicts"] = found.verdicts()
        return report | ({"rules": self.rules()} if self.arguments.rules else {})

    def tokens(self) -> Json:
        """What true tokens cost, with memory and without."""
        from cg2ls.evaluation.quality.positions import sample
        from cg2ls.evaluation.quality.teacher_forcing import learn, summary

        _tell(f"reading at {self.arguments.token_places} places")
        places = sample(self.sources, self.arguments.token_places, self.arguments.seed)
        return summary(learn(self.engine, self.memories, places))

    def rules(self) -> Json:
        from cg2ls.evaluation.quality.positions import sample
        from cg2ls.evaluation.quality.rule_effects import effects

        _tell(f"asking at {self.arguments.positions} places without each rule")
        positions = sample(self.sources, self.arguments.positions, self.arguments.seed)
        return effects(positions, self.options(), self.editor).to_json()

    def editor(self, options: CompletionOptions | None = None) -> Editor:
        """An editor that asks as the arguments say."""
        from cg2ls.evaluation.simulation.headless_editor import Editor
        from cg2ls.evaluation.simulation.replay_retrieval import ReplayContexts

        return Editor(
            self.engine,
            options or self.options(),
            context_length=self.arguments.context,
            infill=_infill(self.engine.model, self.arguments),
            memories=self.memories,
            contexts=ReplayContexts(self.sources, self.engine.tokenizer)
            if self.arguments.context_tokens
            else None,
        )

    def options(self) -> CompletionOptions:
        """The defaults, but for what the arguments say."""
        from cg2ls.completion import CompletionOptions

        given = {
            name: value
            for name in ("line_tokens", "block_tokens", "max_lines", "min_confidence")
            if (value := getattr(self.arguments, name)) is not None
        }
        return CompletionOptions(
            disabled_rules=self.arguments.without, context_tokens=self.arguments.context_tokens, **given
        )


def _infill(model: ModelDescription, arguments: argparse.Namespace) -> Infill:
    infill = model.infill
    if arguments.anchor is not None:
        infill = replace(infill, anchor_max_tokens=arguments.anchor)
    return replace(infill, objectives=("causal",)) if arguments.prefix_only else infill


def _about(engine: Engine, load: float, arguments: argparse.Namespace, sources: list[Source]) -> Json:
    from cg2ls.machine import cpu

    processor, features = cpu()
    return {
        "model": {
            "name": engine.model.name,
            "precision": engine.model.precision,
            "context_length": arguments.context or engine.context_length,
        },
        "machine": {
            "cpu": processor,
            "features": features,
            "cpus": os.cpu_count(),
            "load_before": load,
            "threads": engine.threads,
            "provider": engine.provider,
        },
        "memory": arguments.memory,
        "context_tokens": arguments.context_tokens,
        "seed": arguments.seed,
        "files": len(sources),
    }


def _tell(what: str) -> None:
    print(f"cg2ls: {what} ...", file=sys.stderr, flush=True)
