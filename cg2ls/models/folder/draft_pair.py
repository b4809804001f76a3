"""draft.json: a smaller model that drafts for the model of this folder, and what it gained on one machine.

The file names a folder of this machine, so it is neither listed in model.json nor uploaded.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from cg2ls.files import sha256_of, write_atomically
from cg2ls.jsontext import json_text
from cg2ls.machine import read_cpu
from cg2ls.models.folder.description import DESCRIPTION
from cg2ls.models.folder.fields import FieldError, Fields

PAIR = "draft.json"

MIN_PAIR_SPEEDUP = 1.15
"""Minimum gain of a pair, in tokens per second against the same model with its other drafts."""


@dataclass(frozen=True, kw_only=True)
class DraftPair:
    """Content of one draft.json.

    Attributes:
        folder: the drafting model's folder.
        sha256: hash of that folder's model.json when the pair was measured.
        acceptance: share of the larger model's tokens that the smaller one would have proposed.
        speedup: tokens per second with the smaller model over those without it, at equal output.
        processor: name of the processor that measured them.
    """

    folder: str
    sha256: str
    acceptance: float
    speedup: float
    processor: str

    @classmethod
    def of(cls, draft: Path, *, acceptance: float, speedup: float) -> DraftPair:
        """Describe a pair that was measured on this machine."""
        return cls(
            folder=str(draft.absolute()),
            sha256=sha256_of(draft / DESCRIPTION),
            acceptance=acceptance,
            speedup=speedup,
            processor=read_cpu()[0],
        )

    @property
    def pays(self) -> bool:
        """Whether the pair gained enough, on a processor like this one, and the smaller model is still the same."""
        if self.speedup < MIN_PAIR_SPEEDUP or self.processor != read_cpu()[0]:
            return False
        try:
            return sha256_of(Path(self.folder) / DESCRIPTION) == self.sha256
        except (OSError, ValueError):
            return False

    def write(self, folder: Path) -> None:
        """Write `folder`/draft.json atomically."""
        write_atomically(folder / PAIR, json_text(asdict(self), indent=2, origin=PAIR) + "\n")


def find_draft(folder: Path) -> Path | None:
    """Return the folder of the model that drafts for a model folder; None without a pair that pays here.

    A file that cannot be read counts as none, since drafts never change an answer.
    """
    try:
        raw = Fields(json.loads((folder / PAIR).read_text(encoding="utf-8")))
        pair = DraftPair(
            folder=raw.text("folder", empty=False),
            sha256=raw.text("sha256", empty=False),
            acceptance=raw.optional_number("acceptance") or 0.0,
            speedup=raw.optional_number("speedup") or 0.0,
            processor=raw.text("processor"),
        )
    except (OSError, ValueError, RecursionError, FieldError):
        return None
    return Path(pair.folder) if pair.pays else None
