"""How right completion is: shares over positions, and keys saved over passages, each with its spread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cg2ls.evaluation.quality.judge import Verdict, judge
from cg2ls.evaluation.quality.positions import NOTHING_TO_WRITE, Position
from cg2ls.evaluation.simulation.headless_editor import Answer, Editor
from cg2ls.evaluation.simulation.simulated_user import Effort, write
from cg2ls.evaluation.simulation.sources import Source
from cg2ls.evaluation.simulation.typist import Draft
from cg2ls.evaluation.statistics import spread

Json = dict[str, Any]
Judged = tuple[Position, Verdict]
Wrote = tuple[Source, Effort]


@dataclass(frozen=True)
class Share:
    """A share of observations.

    Attributes:
        hits: what is counted of one observation.
        of: what it is counted among.
    """

    hits: Callable[[Judged], float]
    of: Callable[[Judged], float]


def _writes(judged: Judged) -> float:
    return judged[0].kind not in NOTHING_TO_WRITE


def _wrong(judged: Judged) -> float:
    return judged[1].shown and not judged[1].exact_line


SHARES: dict[str, Share] = {
    "exact_line": Share(lambda judged: _writes(judged) * judged[1].exact_line, _writes),
    "edit_similarity": Share(lambda judged: _writes(judged) * judged[1].similarity, _writes),
    "shown": Share(lambda judged: judged[1].shown, lambda _: 1),
    "shown_wrong": Share(_wrong, lambda _: 1),
    "wrong_of_shown": Share(_wrong, lambda judged: judged[1].shown),
    "whole_of_shown": Share(lambda judged: judged[1].whole, lambda judged: judged[1].shown),
}
"""What is told about positions. The first two leave out those at which nothing is to be written."""


@dataclass
class Quality:
    """All observations of one setting.

    Attributes:
        judged: answers at positions.
        wrote: passages written by the simulated user.
    """

    judged: list[Judged] = field(default_factory=list)
    wrote: list[Wrote] = field(default_factory=list)

    def to_json(self) -> Json:
        """Shares and their 95 % intervals, of everything, by kind of position and by repository."""
        kinds = sorted({position.kind for position, _ in self.judged})
        names = {position.source.repository for position, _ in self.judged}
        names |= {source.repository for source, _ in self.wrote}
        found = {"positions": len(self.judged), **self._shares(self.judged, self.wrote)}
        found["spread"] = self._spreads()
        found["kinds"] = {
            kind: self._shares([one for one in self.judged if one[0].kind == kind], []) for kind in kinds
        }
        found["repositories"] = {
            name: self._shares(
                [one for one in self.judged if one[0].source.repository == name],
                [one for one in self.wrote if one[0].repository == name],
            )
            for name in sorted(names)
        }
        return found

    def verdicts(self) -> list[Json]:
        """Every position with what came of it, in their order."""
        return [
            {
                "file": position.source.name,
                "kind": position.kind,
                "below": position.below,
                "offset": position.place()[1],
                **vars(verdict),
            }
            for position, verdict in self.judged
        ]

    @staticmethod
    def _shares(judged: Sequence[Judged], wrote: Sequence[Wrote]) -> Json:
        found: Json = {}
        for name, share in SHARES.items():
            below = sum(map(share.of, judged))
            if below:
                found[name] = round(sum(map(share.hits, judged)) / below, 4)
        if wrote:
            alone = sum(effort.alone for _, effort in wrote)
            found["saved_characters"] = round(1 - sum(effort.keys for _, effort in wrote) / alone, 4)
            shown = sum(effort.shown for _, effort in wrote)
            found["useless_while_typing"] = round(
                sum(effort.useless for _, effort in wrote) / max(1, shown), 4
            )
            found["written_keys"] = alone
        return found

    def _spreads(self) -> Json:
        found: Json = {}
        files = [position.source.name for position, _ in self.judged]
        for name, share in SHARES.items():
            low, high = spread(files, list(map(share.hits, self.judged)), list(map(share.of, self.judged)))
            found[name] = [round(low, 4), round(high, 4)]
        if self.wrote:
            low, high = spread(
                [source.name for source, _ in self.wrote],
                [effort.alone - effort.keys for _, effort in self.wrote],
                [effort.alone for _, effort in self.wrote],
            )
            found["saved_characters"] = [round(low, 4), round(high, 4)]
        return found


def answer_at(editor: Editor, position: Position) -> Answer:
    """Asks where the passage was begun, as an editor did, and then at the position."""
    editor.close(position.source)
    editor.ask(position.source, *position.began)
    return editor.ask(position.source, *position.place())


def judge_all(editor: Editor, positions: Iterable[Position]) -> list[Judged]:
    """Asks at every position."""
    found = []
    for position in positions:
        answer = answer_at(editor, position)
        found.append((position, judge(position.passage, answer.text, answer.replace_length)))
    return found


def write_all(editor: Editor, drafts: Iterable[Draft]) -> list[Wrote]:
    """Writes every draft's passage."""
    found = []
    for draft in drafts:
        editor.close(draft.source)
        found.append((draft.source, write(draft, editor)))
    return found
