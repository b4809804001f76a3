"""What a chaos run saw, and what of it must not be."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

TOLD = 3
"""Losses of one kind that are told in a sentence; the rest are counted."""


@dataclass
class Chaos:
    """The counts of one run.

    Attributes:
        seed: of everything random.
        keys: pressed.
        documents: that were written in.
        requests: sent, odd ones among them.
        answered: how many of them have an answer.
        unanswered: methods of the others.
        errors: answers that are errors, by code.
        compared: texts of the server that were compared with the editor's; 0 from a server that does not tell.
        fitted: answers whose ranges were checked against the text they were asked for.
        diverged: texts that the server took for known and that were others than the editor's.
        silenced: how often a document was silent, by reason.
        refused: ordinary requests that were answered with an error, and answers that do not fit.
        events: what was done to the server, by kind.
        resident_mb: highest resident memory of the server in each quarter, in 10^6 bytes; empty where the system
            does not tell.
        died: how the server was lost, "" if it was not.
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

    def problem(self) -> str:
        """What was lost; "" if nothing was."""
        found = [self.died] if self.died else []
        for what, lost in (
            ("requests have no answer", self.unanswered),
            ("texts diverged", self.diverged),
            ("answers are wrong", self.refused),
        ):
            if lost:
                more = ", ..." if len(lost) > TOLD else ""
                found.append(f"{len(lost)} {what}: {'; '.join(lost[:TOLD])}{more}.")
        return " ".join(found)

    def to_json(self) -> Json:
        """All of it, under `chaos`."""
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
