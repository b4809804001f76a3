"""`cg2ls replay --chaos`: keys typed at a real server while its surroundings go wrong."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cg2ls.evaluation.chaos.run import chaos
from cg2ls.evaluation.chaos.sandbox import Surroundings
from cg2ls.evaluation.simulation.sources import collect
from cg2ls.models.folder.description import ModelDescription
from cg2ls.table import aligned
from cg2ls.workspace.languages import LANGUAGES

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from cg2ls.evaluation.chaos.result import Chaos

Json = dict[str, Any]


def run_chaos(model: Path, arguments: argparse.Namespace, tell: Callable[[str], None]) -> Chaos:
    """Copies files and model, and types at a server that has only these copies.

    Raises:
        Cg2Error: there is nothing to replay, or the model folder cannot be read.
    """
    sources = collect(arguments.paths, LANGUAGES, set(ModelDescription.read(model).languages))
    most = arguments.chaos
    tell(f"typing {most} keys at a server while things go wrong")

    def told(number: int) -> None:
        if number * 10 // most != (number - 1) * 10 // most:
            tell(f"{number} keys")

    with tempfile.TemporaryDirectory(prefix="cg2ls-chaos-") as folder:
        place = Surroundings(Path(folder).resolve(), model, sources)
        return chaos(place, sources, most, seed=arguments.seed, tell=told)


def chaos_table(found: Json) -> str:
    """The counts of `Chaos.to_json` as tables."""
    rows = [
        [f"{found['keys']} keys, {found['documents']} documents, seed {found['seed']}", ""],
        ["requests", str(found["requests"])],
        ["answered", str(found["answered"])],
        *([f"  with error {code}", str(times)] for code, times in found["errors"].items()),
        ["answers that fit the text", str(found["fitted"] - len(found["refused"]))],
        [
            "texts compared",
            str(found["compared"]) if found["compared"] else "none: the server does not tell them",
        ],
        ["texts diverged", str(len(found["diverged"]))],
        *([f"silent: {reason}", str(times)] for reason, times in found["silenced"].items()),
        *([name, str(times)] for name, times in found["events"].items()),
    ]
    parts = [aligned(rows, right=(1,))]
    if found["resident_mb"]:
        head = [
            "most resident memory, MB",
            *("1st quarter", "2nd", "3rd", "4th")[: len(found["resident_mb"])],
        ]
        parts.append(
            aligned([head, ["", *(f"{each:.1f}" for each in found["resident_mb"])]], right=range(1, 5))
        )
    return "\n\n".join(parts)
