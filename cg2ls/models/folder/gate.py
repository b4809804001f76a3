"""Fitted gate of a model: it estimates whether an answer is right, and has the least probability at which it is shown.

The numbers belong to the weights, so they are in model.json, under the key "gate", with the hash of the weights that
they were fitted for. `cg2ls gate fit` fits them.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from cg2ls.models.folder.fields import FieldError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cg2ls.models.folder.fields import Fields

Eagerness = Literal["quiet", "balanced", "eager"]
"""How much is shown while the user types."""

EAGERNESS: tuple[Eagerness, ...] = get_args(Eagerness)

MAX_EXPONENT = 700.0


@dataclass(frozen=True, kw_only=True)
class GateWeights:
    """A logistic model of the probability that an answer is right.

    Attributes:
        weights_sha256: hash of the weights that it was fitted for.
        bias: the constant term.
        weights: weight of each input, by name.
        thresholds: minimum probability of what is shown, by eagerness.
    """

    weights_sha256: str
    bias: float
    weights: Mapping[str, float] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def estimate(self, inputs: Mapping[str, float]) -> float:
        """Estimate the probability that an answer is right, 0 to 1.

        Args:
            inputs: the answer's inputs by name; one that is missing counts as 0.
        """
        exponent = self.bias + sum(weight * inputs.get(name, 0.0) for name, weight in self.weights.items())
        if math.isnan(exponent):
            return 0.0
        return 1 / (1 + math.exp(-max(-MAX_EXPONENT, min(MAX_EXPONENT, exponent))))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of the key "gate"."""
        return asdict(self)


def read_gate(raw: Fields, model: str, weights_sha256: str) -> GateWeights:
    """Read the object of the key "gate".

    Args:
        raw: the object.
        model: name of the model, for the error.
        weights_sha256: hash of the model's weights.

    Raises:
        FieldError: a number is missing or out of range, or the gate was fitted for other weights.
    """
    fitted_for = raw.text("weights_sha256")
    if fitted_for != weights_sha256:
        raise FieldError(
            f"its gate was fitted for weights {fitted_for[:12]}, but {model} has {weights_sha256[:12]};"
            " fit it again with `cg2ls gate fit`."
        )
    thresholds = raw.object("thresholds").numbers()
    for name in EAGERNESS:
        if not 0 <= thresholds.get(name, -1) <= 1:
            raise FieldError(f"gate.thresholds.{name} must be from 0 to 1.")
    return GateWeights(
        weights_sha256=fitted_for,
        bias=raw.number("bias"),
        weights=raw.object("weights").numbers(),
        thresholds=thresholds,
    )
