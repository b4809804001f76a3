"""Fit the mixture to a repository, and measure the gain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cg2ls.errors import Cg2Error
from cg2ls.retrieval.memory.fit_mixture import bits_per_token, fit
from cg2ls.retrieval.memory.mixture import shipped

if TYPE_CHECKING:
    from cg2ls.retrieval.memory.fit_mixture import Examples
    from cg2ls.retrieval.memory.mixture import Mixture

FOLDS = 4
"""Parts the files are put into; each is held out once."""

ENOUGH = 500
"""Tokens below which a fit would be a guess."""


class TuneError(Cg2Error):
    """There is too little text to fit the mixture to."""


@dataclass(frozen=True)
class Tuned:
    """Result of a fit.

    Attributes:
        mixture: fitted to everything, from the package's weights on.
        tokens: tokens it was fitted to.
        alone: bits per held-out token of the model alone.
        shipped: with the package's weights.
        fitted: with weights fitted to the other files.
    """

    mixture: Mixture
    tokens: int
    alone: float
    shipped: float
    fitted: float

    @property
    def helps(self) -> bool:
        """Whether files that were held out gain by fitting, and by memory at all."""
        return self.fitted < min(self.shipped, self.alone)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON."""
        return {
            "tokens": self.tokens,
            "bits_per_token": {
                "model alone": round(self.alone, 3),
                "with the package's weights": round(self.shipped, 3),
                "with fitted weights, files held out": round(self.fitted, 3),
            },
            "helps": self.helps,
        }


def tuned(examples: Examples) -> Tuned:
    """Fit with files held out in turn, and once to everything.

    Raises:
        TuneError: there are too few tokens, or all of one file.
    """
    files = np.unique(examples.file)
    if len(examples) < ENOUGH or len(files) < FOLDS:
        raise TuneError(
            f"There are {len(examples)} tokens of {len(files)} files to learn from, but at least {ENOUGH} of"
            f" {FOLDS} files are needed; name more text, or ask at more places."
        )
    fold = np.searchsorted(files, examples.file) % FOLDS
    held_out = np.empty(len(examples))
    for number in range(FOLDS):
        out = fold == number
        held_out[out] = bits_per_token(fit(examples.take(~out), shipped()), examples.take(out))
    return Tuned(
        mixture=fit(examples, shipped()),
        tokens=len(examples),
        alone=float(bits_per_token(None, examples).mean()),
        shipped=float(bits_per_token(shipped(), examples).mean()),
        fitted=float(held_out.mean()),
    )
