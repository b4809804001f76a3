"""`cg2ls replay`: people who write real files, played against completion."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cg2ls.completion import CompletionOptions
    from cg2ls.engine import Engine
    from cg2ls.modelfolder.description import Infill, ModelDescription
    from cg2ls.replay.editor import Editor
    from cg2ls.replay.latency import Latencies
    from cg2ls.replay.remember import Memories
    from cg2ls.replay.soak import Soak
    from cg2ls.replay.sources import Source

EPILOG = """\
examples:
  cg2ls replay src                          the model in use: its speed and its quality on these files
  cg2ls replay repos/* --json --picture replay.svg
  cg2ls replay repos/* --keys 0 --anchor 0  quality alone, with everything read anew at the cursor
  cg2ls replay repos/* --keys 0 --rules     what each rule does
  cg2ls replay repos/* --soak 20000         memory and latency over many keys
  cg2ls replay repos/* --against ctranslate2 --keys 200 [--reference-shape]

Each PATH is a repository. Choose code that the model was not trained on.
"""

Json = dict[str, Any]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    made = commands.add_parser(
        "replay",
        help="measure latency and quality by replaying people who write files",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("paths", type=Path, nargs="+", metavar="PATH", help="a repository, or a file")
    made.add_argument("--model", metavar="NAME_OR_FOLDER", help="model to measure (default: the one in use)")
    made.add_argument("--json", action="store_true", help="print JSON")
    made.add_argument("--verdicts", action="store_true", help="list every place in the JSON")
    made.add_argument("--picture", type=Path, metavar="FILE", help="write an SVG picture")
    made.add_argument(
        "--keys", type=_count, default=1000, metavar="N", help="keys of the typing trace (default: 1000)"
    )
    made.add_argument(
        "--positions", type=_count, default=400, metavar="N", help="places to judge (default: 400)"
    )
    made.add_argument(
        "--token-places",
        type=_count,
        default=0,
        metavar="N",
        help="places to judge token by token, in front of the true text (default: none; needs --json)",
    )
    made.add_argument(
        "--passages",
        type=_count,
        default=40,
        metavar="N",
        help="passages a simulated user writes (default: 40)",
    )
    made.add_argument("--seed", type=int, default=0, metavar="N", help="of keys and places (default: 0)")
    made.add_argument("--threads", type=int, metavar="N", help="of the engine (default: as the server)")
    made.add_argument("--provider", choices=("auto", "cpu", "cuda"), default="cpu", help="default: cpu")
    made.add_argument("--rules", action="store_true", help="judge the places without each rule too")
    made.add_argument(
        "--soak",
        type=_count,
        default=0,
        metavar="KEYS",
        help="type so many keys and watch memory and latency",
    )
    made.add_argument(
        "--against",
        default="",
        metavar="ENGINES",
        help="race ctranslate2 or optimum over the trace, nothing else",
    )
    made.add_argument(
        "--reference-shape",
        action="store_true",
        help="with --against: 8 layers x 512, vocabulary 51200, prompts of 1024 tokens; --model says what it says",
    )
    made.add_argument("--reference-python", type=Path, metavar="PATH", help="Python with cg2ls[reference]")
    made.add_argument("--work", type=Path, metavar="DIR", help="keep models converted for --against here")
    asked = made.add_argument_group("how the model is asked, instead of by its description and the defaults")
    asked.add_argument("--anchor", type=_count, metavar="N", help="most tokens from the anchor to the cursor")
    asked.add_argument(
        "--prefix-only", action="store_true", help="continue the text, without what stands below"
    )
    asked.add_argument("--context", type=int, metavar="N", help="tokens of prompt and answer")
    asked.add_argument("--line-tokens", type=int, metavar="N", help="most tokens of a line")
    asked.add_argument("--block-tokens", type=int, metavar="N", help="most tokens of a block")
    asked.add_argument("--max-lines", type=int, metavar="N", help="most lines shown")
    asked.add_argument("--min-confidence", type=float, metavar="P", help="least probability of what is shown")
    asked.add_argument(
        "--without",
        type=_names,
        default=frozenset(),
        metavar="NAMES",
        help="rules that are left out, with commas",
    )
    asked.add_argument(
        "--memory",
        choices=("on", "off", "file"),
        default="on",
        help="repository memory: all files, none, or the document alone (default: on)",
    )
    made.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Replays and prints.

    Raises:
        Cg2Error: there is nothing to replay, the model cannot be opened or run, or a soak found what must
            not be.
    """
    from cg2ls.cli.replay_race import run_race
    from cg2ls.cli.replay_table import table
    from cg2ls.engine import Engine
    from cg2ls.files import write_atomically
    from cg2ls.modelfolder.locate import locate_model
    from cg2ls.replay.errors import ReplayError
    from cg2ls.replay.picture import picture
    from cg2ls.replay.remember import Memories
    from cg2ls.replay.sources import collect
    from cg2ls.workspace.languages import LANGUAGES

    load = round(os.getloadavg()[0], 2)
    located = locate_model(flag=arguments.model)
    curves: dict[str, list[float]] = {}
    problem = ""
    with Engine.open(located.folder, provider=arguments.provider, threads=arguments.threads) as engine:
        sources = collect(arguments.paths, LANGUAGES, set(engine.model.languages))
        memories = Memories(arguments.paths, sources, engine.tokenizer, arguments.memory)
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


@dataclass(frozen=True)
class _Replay:
    """What all measurements need, and those of one model alone."""

    engine: Engine
    arguments: argparse.Namespace
    sources: list[Source]
    memories: Memories

    def latency(self) -> Latencies:
        from cg2ls.replay.latency import play
        from cg2ls.replay.trace import Typist

        self.memories.open_all()
        _tell(f"typing {self.arguments.keys} keys")
        return play(self.editor(), Typist(self.sources, self.arguments.seed), self.arguments.keys)

    def soak(self) -> Soak:
        from cg2ls.replay.soak import soak

        self.memories.open_all()
        _tell(f"typing {self.arguments.soak} keys")
        return soak(self.editor(), self.sources, self.arguments.soak, self.arguments.seed)

    def quality(self) -> Json:
        from cg2ls.replay.positions import sample
        from cg2ls.replay.quality import Quality, judge_all, write_all
        from cg2ls.replay.writer import sample_passages

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
        from cg2ls.replay.lessons import learn, summary
        from cg2ls.replay.positions import sample

        _tell(f"reading at {self.arguments.token_places} places")
        places = sample(self.sources, self.arguments.token_places, self.arguments.seed)
        return summary(learn(self.engine, self.memories, places))

    def rules(self) -> Json:
        from cg2ls.replay.positions import sample
        from cg2ls.replay.rules import effects

        _tell(f"asking at {self.arguments.positions} places without each rule")
        positions = sample(self.sources, self.arguments.positions, self.arguments.seed)
        return effects(positions, self.options(), self.editor).to_json()

    def editor(self, options: CompletionOptions | None = None) -> Editor:
        """An editor that asks as the arguments say."""
        from cg2ls.replay.editor import Editor

        return Editor(
            self.engine,
            options or self.options(),
            context_length=self.arguments.context,
            infill=_infill(self.engine.model, self.arguments),
            memories=self.memories,
        )

    def options(self) -> CompletionOptions:
        """The defaults, but for what the arguments say."""
        from cg2ls.completion import CompletionOptions

        given = {
            name: value
            for name in ("line_tokens", "block_tokens", "max_lines", "min_confidence")
            if (value := getattr(self.arguments, name)) is not None
        }
        return CompletionOptions(disabled_rules=self.arguments.without, **given)


def _infill(model: ModelDescription, arguments: argparse.Namespace) -> Infill:
    infill = model.infill
    if arguments.anchor is not None:
        infill = replace(infill, anchor_max_tokens=arguments.anchor)
    return replace(infill, objectives=("causal",)) if arguments.prefix_only else infill


def _about(engine: Engine, load: float, arguments: argparse.Namespace, sources: list[Source]) -> Json:
    from cg2ls.cli.machine import cpu

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
        "seed": arguments.seed,
        "files": len(sources),
    }


def _count(raw: str) -> int:
    if not raw.isdecimal():
        raise argparse.ArgumentTypeError(f"{raw!r} is not a number of 0 or more")
    return int(raw)


def _names(raw: str) -> frozenset[str]:
    return frozenset(name.strip() for name in raw.split(",") if name.strip())


def _tell(what: str) -> None:
    print(f"cg2ls: {what} ...", file=sys.stderr, flush=True)
