"""Fitted numbers by which completion chooses among several hypotheses for one line.

They belong to the weights, so they are in model.json, under the key "line_choice". `cg2ls models fit-choice` fits them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from cg2ls.models.folder.fields import FieldError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cg2ls.models.folder.fields import Fields

MAX_EVIDENCE_TOKENS = 256
"""Upper bound, so that a damaged file cannot make every answer slow."""


@dataclass(frozen=True, kw_only=True)
class PlaceWeights:
    """Weights at one kind of place. A line's score is its log-probability plus these terms, in nats.

    Attributes:
        evidence: weight of the log-probability of the text below, after the line.
        greedy: bonus of the line that greedy decoding gives; it is replaced only by a line that is better by more.
    """

    evidence: float
    greedy: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ConfidenceWeights:
    """Logistic model of the probability that the chosen line is right.

    Attributes:
        bias: the constant term.
        logprob: weight of the line's log-probability in nats.
        lead: weight of its score's lead before the next line, in nats.
    """

    bias: float
    logprob: float
    lead: float


@dataclass(frozen=True, kw_only=True)
class LineChoice:
    """How completion chooses a line.

    Attributes:
        evidence_tokens: number of tokens of the text below that are read.
        places: weights by kind of place; in other kinds of place greedy decoding decides.
        confidence: probability that the chosen line is right.
    """

    evidence_tokens: int
    places: Mapping[str, PlaceWeights] = field(default_factory=dict)
    confidence: ConfidenceWeights

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of the key "line_choice"."""
        return asdict(self)


_WEIGHTS = PlaceWeights(evidence=0.35, greedy=1.0)

DEFAULT_LINE_CHOICE = LineChoice(
    evidence_tokens=8,
    places={"line_start": _WEIGHTS, "after_open": _WEIGHTS, "in_word": _WEIGHTS},
    confidence=ConfidenceWeights(bias=-0.509, logprob=0.55, lead=0.358),
)
"""Numbers of the shipped model, for folders without any."""


def read_line_choice(raw: Fields) -> LineChoice:
    """Read the object of the key "line_choice".

    Raises:
        FieldError: a number is missing or out of range.
    """
    places = raw.object("places")
    confidence = raw.object("confidence").numbers()
    if missing := {"bias", "logprob", "lead"} - confidence.keys():
        raise FieldError(f"line_choice.confidence.{min(missing)} is missing.")
    return LineChoice(
        evidence_tokens=raw.integer("evidence_tokens", at_least=1, below=MAX_EVIDENCE_TOKENS + 1),
        places={name: _read_weights(name, places.object(name).numbers()) for name in places},
        confidence=ConfidenceWeights(
            bias=confidence["bias"], logprob=confidence["logprob"], lead=confidence["lead"]
        ),
    )


def _read_weights(place: str, numbers: Mapping[str, float]) -> PlaceWeights:
    for name in ("evidence", "greedy"):
        if name not in numbers:
            raise FieldError(f"line_choice.places.{place}.{name} is missing.")
        if numbers[name] < 0:
            raise FieldError(f"line_choice.places.{place}.{name} is {numbers[name]}, but must be at least 0.")
    return PlaceWeights(evidence=numbers["evidence"], greedy=numbers["greedy"])
