"""Counts of a chaos run, and the losses among them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

MAX_QUOTED = 3
"""Losses of one kind that a sentence quotes; the others are counted."""


@dataclass
class ChaosResult:
    """The counts of one run.

    Attributes:
        seed: the seed of everything random.
        keys: keys pressed.
        documents: documents that were edited.
        requests: requests sent, including unusual ones.
        answered: requests that have an answer.
        unanswered: methods of the other requests.
        errors: answers that are errors, by code.
        compared: comparisons of a text of the server with the editor's; 0 if the server has no such request.
        fitted: answers whose ranges were checked against the text of their request.
        diverged: texts that the server declared known and that differed from the editor's.
        silenced: how often a document's text became unknown, by reason.
        refused: ordinary requests that were answered with an error, and answers that do not fit.
        events: number of disturbances of the server, by kind.
        resident_mb: highest resident memory of the server in each quarter, in 10^6 bytes; empty where the system
            does not report it.
        died: description of the server's loss; "" if it was not lost.
    """

    seed: int
    keys: int = 0
    documents: int = 0
    requests: int = 0
    answered: int = 0
    unanswered: list[str] = field(default_factory=list)
    errors: dict[int, int] = field(default_factory=dict)
    compared: int = 0
    fitted: int = 0
    diverged: list[str] = field(default_factory=list)
    silenced: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    events: Counter[str] = field(default_factory=Counter)
    resident_mb: list[float] = field(default_factory=list)
    died: str = ""

    def describe_problems(self) -> str:
        """Return a sentence for each kind of loss; "" if nothing was lost."""
        found = [self.died] if self.died else []
        for what, lost in (
            ("requests have no answer", self.unanswered),
            ("texts diverged", self.diverged),
            ("answers are wrong", self.refused),
        ):
            if lost:
                more = ", ..." if len(lost) > MAX_QUOTED else ""
                found.append(f"{len(lost)} {what}: {'; '.join(lost[:MAX_QUOTED])}{more}.")
        return " ".join(found)

    def to_json(self) -> Json:
        """Return everything under the key `chaos`."""
        return {
            "chaos": {
                "seed": self.seed,
                "keys": self.keys,
                "documents": self.documents,
                "requests": self.requests,
                "answered": self.answered,
                "unanswered": self.unanswered,
                "errors": {str(code): count for code, count in sorted(self.errors.items())},
                "compared": self.compared,
                "fitted": self.fitted,
                "diverged": self.diverged,
                "silenced": dict(self.silenced.most_common()),
                "refused": self.refused,
                "events": dict(sorted(self.events.items())),
                "resident_mb": [round(value, 2) for value in self.resident_mb],
                "died": self.died,
            }
        }
