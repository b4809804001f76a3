"""The user's own verdicts: numbers about completions that were shown, and whether they were accepted; and their gate.

The file holds rows of numbers and nothing else: no text, no path, no name. `cg2ls gate fit --own` fits a gate on it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from cg2ls.completion.fitted_gate import HypothesisFeatures
from cg2ls.completion.prompt.cursor import PLACE_KINDS
from cg2ls.completion.trigger import Extent
from cg2ls.completion.types import Trigger
from cg2ls.files import write_atomically
from cg2ls.models.folder.fields import FieldError, Fields
from cg2ls.models.folder.gate import GateWeights, read_gate
from cg2ls.models.folder.locations import NoUserFolderError, state_folder, warn_once
from cg2ls.server.stats import StatsError, UserFile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cg2ls.models.folder.description import ModelDescription

FORMAT = 1
"""First number of each row; rows of another format are left out."""

KEPT_ROWS = 4000

HASH_DIGITS = 12
"""Hexadecimal digits of a model's hash that are kept, as one number."""

_NAMES = tuple(field.name for field in fields(HypothesisFeatures))
_KINDS: dict[str, tuple[str, ...]] = {
    "place": PLACE_KINDS,
    "extent": get_args(Extent),
    "trigger": get_args(Trigger),
}
_DIGITS = 5


@dataclass(frozen=True)
class OwnVerdict:
    """One completion that was shown.

    Attributes:
        weights: beginning of the hash of the model's weights, as a number.
        group: random number of its document in one session of the server.
        right: whether its first line came into the document.
        characters: length of that line.
        confidence: estimate of the gate that showed it.
        features: fields of `HypothesisFeatures`.
    """

    weights: int
    group: int
    right: bool
    characters: int
    confidence: float
    features: dict[str, Any]

    def to_numbers(self) -> list[float]:
        """Return the row of the file."""
        features = [
            _KINDS[name].index(value) if name in _KINDS else round(float(value), _DIGITS)
            for name, value in ((name, self.features[name]) for name in _NAMES)
        ]
        head = (FORMAT, self.weights, self.group, int(self.right), self.characters)
        return [*head, round(self.confidence, _DIGITS), *features]

    @classmethod
    def from_numbers(cls, row: Any) -> OwnVerdict:
        """Read a row of the file.

        Raises:
            ValueError: it is damaged, or of another format.
        """
        if not isinstance(row, list) or len(row) != 6 + len(_NAMES) or row[0] != FORMAT:
            raise ValueError("a row has other columns")
        if not all(isinstance(number, int | float) for number in row):
            raise ValueError("a row has values other than numbers")
        _, weights, group, right, characters, confidence, *values = row
        features: dict[str, Any] = dict(zip(_NAMES, values, strict=True))
        for name, kinds in _KINDS.items():
            if features[name] not in range(len(kinds)):
                raise ValueError(f"{name} is {features[name]}")
            features[name] = kinds[features[name]]
        return cls(weights, group, bool(right), characters, confidence, features)


class OwnVerdicts(UserFile):
    """The newest verdicts of this user; several servers may add to them."""

    def read(self) -> list[OwnVerdict]:
        """Return the verdicts, the oldest first; rows that are damaged or of another format are left out.

        Raises:
            StatsError: the file cannot be read.
        """
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StatsError(f"{self.path} cannot be read ({error.strerror}).") from None
        found: list[OwnVerdict] = []
        for line in lines:
            try:
                found.append(OwnVerdict.from_numbers(json.loads(line)))
            except (ValueError, TypeError, RecursionError):
                continue
        return found

    def add(self, new: Iterable[OwnVerdict]) -> None:
        """Add verdicts, and keep the newest.

        Raises:
            StatsError: the file cannot be written.
        """
        with self.locked():
            kept = [*self.read(), *new][-KEPT_ROWS:]
            rows = "".join(json.dumps(each.to_numbers(), separators=(",", ":")) + "\n" for each in kept)
            write_atomically(self.path, rows, mode=0o600)


class OwnGate(UserFile):
    """The gate that was fitted on the user's own verdicts."""

    def read(self, model: ModelDescription) -> GateWeights | None:
        """Return the gate; None if there is none for this model, which is said once."""
        try:
            raw = json.loads(self.path.read_text(encoding="utf-8"))
            return read_gate(Fields(raw, "gate"), model.name, model.weights_sha256)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError, FieldError) as error:
            warn_once(f"{self.path} is not used: {error}")
            return None

    def write(self, gate: GateWeights) -> None:
        """Write the gate.

        Raises:
            StatsError: the file cannot be written.
        """
        with self.locked():
            write_atomically(self.path, json.dumps(gate.to_dict()) + "\n", mode=0o600)


def own_verdicts() -> OwnVerdicts:
    """Return the file of this user's verdicts.

    Raises:
        StatsError: this user has no folder.
    """
    return OwnVerdicts(_folder() / "verdicts.jsonl")


def own_gate() -> OwnGate:
    """Return the file of this user's gate.

    Raises:
        StatsError: this user has no folder.
    """
    return OwnGate(_folder() / "own_gate.json")


def shorten_hash(weights_sha256: str) -> int:
    """Return the beginning of a model's hash as a number."""
    return int(weights_sha256[:HASH_DIGITS] or "0", 16)


@dataclass
class Watched:
    """A completion that is shown, until it is known whether it was accepted.

    Attributes:
        model: beginning of the hash of the model's weights, as a number.
        group: random number of its document.
        confidence: estimate of the gate.
        features: numbers about it.
        line_end: characters up to the end of its first line that is not blank.
        characters: length of that line, without blanks around it.
        written: its first characters that are in the document, before what `Shown` follows.
    """

    model: int
    group: int
    confidence: float
    features: HypothesisFeatures
    line_end: int
    characters: int
    written: int = 0

    @classmethod
    def of(
        cls, text: str, model: ModelDescription, group: int, confidence: float, features: HypothesisFeatures
    ) -> Watched:
        """Return what is watched of a completion."""
        skipped = len(text) - len(text.lstrip("\n"))
        first = text[skipped:].partition("\n")[0]
        return cls(
            model=shorten_hash(model.weights_sha256),
            group=group,
            confidence=confidence,
            features=features,
            line_end=skipped + len(first),
            characters=len(first.strip()),
        )

    def judge(self, progress: int) -> OwnVerdict:
        """Return the verdict when the completion is no longer shown.

        Args:
            progress: characters of the text shown last that are in the document.
        """
        return OwnVerdict(
            weights=self.model,
            group=self.group,
            right=self.written + progress >= self.line_end,
            characters=self.characters,
            confidence=self.confidence,
            features=asdict(self.features),
        )


def _folder() -> Path:
    try:
        return state_folder()
    except NoUserFolderError as error:
        raise StatsError(str(error)) from None
