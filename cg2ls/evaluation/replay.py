"""Replay of people who write real files: latency, quality, rules, tokens and soak of one model."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cg2ls.completion import CompletionOptions
from cg2ls.evaluation.chaos.run import run_chaos
from cg2ls.evaluation.chaos.sandbox import Sandbox
from cg2ls.evaluation.latency.typing import WARM_UP_KEYS, measure_typing, run_soak
from cg2ls.evaluation.latency.visits import measure_visits, plan_visits
from cg2ls.evaluation.progress import untracked
from cg2ls.evaluation.quality.positions import sample_positions
from cg2ls.evaluation.quality.rule_effects import measure_rule_effects
from cg2ls.evaluation.quality.scores import QualityScores, judge_all, write_all
from cg2ls.evaluation.quality.teacher_forcing import observe_tokens, summarize
from cg2ls.evaluation.runtimes.other_runtimes import prepare_runtimes
from cg2ls.evaluation.runtimes.visits_race import compare_visits, list_work, visit_other_server
from cg2ls.evaluation.simulation.headless_editor import HeadlessEditor
from cg2ls.evaluation.simulation.replay_retrieval import ReplayContexts
from cg2ls.evaluation.simulation.simulated_user import sample_passages
from cg2ls.evaluation.simulation.sources import collect_sources
from cg2ls.evaluation.simulation.typist import Typist
from cg2ls.models.folder.description import ModelDescription
from cg2ls.workspace.languages import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cg2ls.engine import Engine
    from cg2ls.evaluation.chaos.result import ChaosResult
    from cg2ls.evaluation.latency.typing import SoakResult, TypingLatency
    from cg2ls.evaluation.progress import Track
    from cg2ls.evaluation.runtimes.other_runtimes import RuntimeOptions
    from cg2ls.evaluation.simulation.replay_retrieval import ReplayMemory
    from cg2ls.evaluation.simulation.sources import SourceFile
    from cg2ls.models.folder.description import Infill

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    """Settings of a replay, and of the prompts.

    Attributes:
        keys: keys of the typing trace.
        positions: positions to judge.
        token_positions: positions to judge token by token.
        passages: passages that a simulated user writes.
        seed: seed of keys and positions.
        with_verdicts: whether the report lists every position.
        with_rules: whether to judge the positions without each rule, too.
        context_length: tokens of prompt and answer; None for all of the model's.
        context_tokens: tokens of other files' text before the prompt.
        anchor_tokens: limit of tokens from the anchor to the cursor; None for the model's own.
        prefix_only: whether to leave the text after the cursor out of the prompt.
        by_hand: whether requests are those of the user (`invoked`) instead of the editor's.
        disabled_rules: names of rules that do not run.
        limits: other completion options by name.
    """

    keys: int = 1000
    positions: int = 400
    token_positions: int = 0
    passages: int = 40
    seed: int = 0
    with_verdicts: bool = False
    with_rules: bool = False
    context_length: int | None = None
    context_tokens: int = 0
    anchor_tokens: int | None = None
    prefix_only: bool = False
    by_hand: bool = False
    disabled_rules: frozenset[str] = frozenset()
    limits: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Replay:
    """One model, the files it completes, and the measurements that can be made of it.

    Attributes:
        engine: the open model.
        options: settings of the replay.
        sources: the files.
        memories: repository memory of the files.
        on_step: receives a description of each step.
        track: shows the progress of a step.
    """

    engine: Engine
    options: ReplayOptions
    sources: Sequence[SourceFile]
    memories: ReplayMemory
    on_step: Callable[[str], None]
    track: Track = untracked

    def measure_latency(self) -> TypingLatency:
        """Type the trace and time every key."""
        self.memories.open_all()
        self.on_step(f"typing {self.options.keys} keys")
        count = self.options.keys
        keys = self.track(self.make_typist(), "keys", count + WARM_UP_KEYS)
        return measure_typing(self.make_editor(), keys, count)

    def measure_soak(self, keys: int) -> SoakResult:
        """Type many keys and watch memory and latency."""
        self.memories.open_all()
        self.on_step(f"typing {keys} keys")
        return run_soak(self.make_editor(), self.sources, keys, self.options.seed, track=self.track)

    def measure_quality(self) -> Json:
        """Score answers at positions, let the simulated user write, and measure each rule if requested."""
        options, found = self.options, QualityScores()
        if options.positions:
            self.on_step(f"completing at {options.positions} places")
            positions = sample_positions(self.sources, options.positions, options.seed)
            found.judged = judge_all(self.make_editor(), self.track(positions, "places", options.positions))
        if options.passages:
            self.on_step(f"writing {options.passages} passages")
            passages = sample_passages(self.sources, options.passages, options.seed)
            found.written = write_all(self.make_editor(), self.track(passages, "passages", options.passages))
        report = found.to_json() if found.judged or found.written else {}
        if options.with_verdicts:
            report["verdicts"] = found.list_verdicts()
        return report | ({"rules": self.measure_rules()} if options.with_rules else {})

    def measure_tokens(self) -> Json:
        """Measure the bits of the true tokens, with memory and without."""
        count = self.options.token_positions
        self.on_step(f"reading at {count} places")
        positions = sample_positions(self.sources, count, self.options.seed)
        return summarize(observe_tokens(self.engine, self.memories, positions))

    def measure_rules(self) -> Json:
        """Measure the effect of each rule."""
        self.on_step(f"completing at {self.options.positions} places without each rule")
        positions = sample_positions(self.sources, self.options.positions, self.options.seed)
        return measure_rule_effects(positions, self.make_completion_options(), self.make_editor).to_json()

    def make_typist(self) -> Typist:
        """Make the typist of the trace."""
        return Typist(self.sources, self.options.seed)

    def make_editor(self, options: CompletionOptions | None = None) -> HeadlessEditor:
        """Make an editor that requests as the options specify."""
        has_context = self.options.context_tokens > 0
        return HeadlessEditor(
            self.engine,
            options or self.make_completion_options(),
            context_length=self.options.context_length,
            infill=self._make_infill(),
            memories=self.memories,
            contexts=ReplayContexts(self.sources, self.engine.tokenizer) if has_context else None,
            trigger="invoked" if self.options.by_hand else "automatic",
        )

    def make_completion_options(self) -> CompletionOptions:
        """Return the default completion options, changed as the replay's options specify."""
        return CompletionOptions(
            disabled_rules=self.options.disabled_rules,
            context_tokens=self.options.context_tokens,
            **self.options.limits,
        )

    def _make_infill(self) -> Infill:
        infill = self.engine.model.infill
        if self.options.anchor_tokens is not None:
            infill = replace(infill, anchor_max_tokens=self.options.anchor_tokens)
        return replace(infill, objectives=("causal",)) if self.options.prefix_only else infill


def replay_chaos(
    model: Path, paths: Sequence[Path], keys: int, seed: int, on_step: Callable[[str], None]
) -> ChaosResult:
    """Type at a real server whose environment and client misbehave; it gets copies of files and model only.

    Args:
        model: the model's folder.
        paths: repositories or files to write.
        keys: number of keys to press.
        seed: seed of everything random.
        on_step: receives a description of each step.

    Raises:
        Cg2Error: there is nothing to replay, or the model folder cannot be read.
    """
    sources = collect_sources(paths, LANGUAGES, set(ModelDescription.read(model).languages))
    on_step(f"typing {keys} keys at a server while things go wrong")

    def report_tenths(number: int) -> None:
        if number * 10 // keys != (number - 1) * 10 // keys:
            on_step(f"{number} keys")

    with tempfile.TemporaryDirectory(prefix="cg2ls-chaos-") as folder:
        sandbox = Sandbox(Path(folder).resolve(), model, sources)
        return run_chaos(sandbox, sources, keys, seed=seed, on_progress=report_tenths)


def replay_visits(
    model: Path,
    paths: Sequence[Path],
    visits: int,
    seed: int,
    on_step: Callable[[str], None],
    runtimes: RuntimeOptions,
) -> Json:
    """Visit places in files at a real server, with and without reading ahead; return the report.

    Args:
        model: the model's folder.
        paths: repositories or files to write.
        visits: number of visits.
        seed: seed of places and gaps.
        on_step: receives a description of each step.
        runtimes: other runtimes, whose servers are visited too.

    Raises:
        Cg2Error: there is nothing to replay, a runtime or its packages are missing, or a server fails.
    """
    with prepare_runtimes(runtimes, lambda: model, on_step) as prepared:
        sources = collect_sources(paths, LANGUAGES, set(ModelDescription.read(prepared.folder).languages))
        plan = plan_visits(sources, visits, seed)
        works = list_work(prepared.folder, plan) if prepared.runtimes else []
        plan = [work.visit for work in works] or plan
        found: Json = {}
        for name, read_ahead, tells_focus in (
            ("off", False, True),
            ("plain client", True, False),
            ("on", True, True),
        ):
            on_step(f"visiting {len(plan)} places with reading ahead {name}")
            found[name] = measure_visits(
                prepared.folder, plan, read_ahead=read_ahead, tells_focus=tells_focus, seed=seed
            ).to_json()
        own = list(found)
        for runtime in prepared.runtimes:
            found |= visit_other_server(runtime, works, seed, on_step)
        return {"visits": found, "ratios": compare_visits(found, own)}
