"""Scores of completion: each answer compared with the true text, shares over positions, keys saved over passages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cg2ls.evaluation.quality.positions import NOTHING_TO_WRITE, Position
from cg2ls.evaluation.simulation.headless_editor import HeadlessEditor, TimedAnswer
from cg2ls.evaluation.simulation.simulated_user import Effort, write_passage
from cg2ls.evaluation.simulation.sources import SourceFile
from cg2ls.evaluation.simulation.typist import PartialFile
from cg2ls.evaluation.statistics import bootstrap_interval

if TYPE_CHECKING:
    from cg2ls.evaluation.simulation.passage import Passage


@dataclass(frozen=True)
class AnswerVerdict:
    """An answer compared with the text that was really written.

    Attributes:
        shown: whether anything was shown.
        exact_line: whether the first non-blank line becomes the line that was written.
        whole: whether every line does.
        similarity: edit similarity of the rest of the cursor's line, 0 if nothing was shown.
    """

    shown: bool
    exact_line: bool
    whole: bool
    similarity: float


def judge(passage: Passage, text: str, replace_length: int) -> AnswerVerdict:
    """Compare an answer with the passage; blanks at the ends of lines do not count.

    Args:
        passage: the passage that is being written, up to the cursor.
        text: the text that was shown.
        replace_length: characters after the cursor that the text replaces.
    """
    if not text:
        return AnswerVerdict(shown=False, exact_line=False, whole=False, similarity=0.0)
    before = passage.line_before
    start = max(0, len(passage.left) - len(before))
    truth = passage.target[start:].split("\n")
    lines = text.split("\n")
    lines[-1] += passage.right[replace_length:].partition("\n")[0]
    rest = truth[0].removeprefix(before)
    similarity = compute_edit_similarity(lines[0].rstrip(), rest.rstrip())
    lines[0] = before + lines[0]
    first = 0 if "\n" not in text or text.partition("\n")[0].strip() else _first_written(lines)
    return AnswerVerdict(
        shown=True,
        exact_line=_same(lines[: first + 1], truth),
        whole=_same(lines, truth),
        similarity=similarity,
    )


def _first_written(lines: list[str]) -> int:
    """Return the number of the first non-blank line after the cursor's."""
    return next((number for number, line in enumerate(lines) if number and line.strip()), 0)


def _same(lines: list[str], truth: list[str]) -> bool:
    return [line.rstrip() for line in lines] == [line.rstrip() for line in truth[: len(lines)]]


def compute_edit_similarity(one: str, other: str) -> float:
    """Compute the share of both texts' characters that a shortest sequence of insertions and deletions keeps, 0 to 1.

    That is 2 L / (m + n) with L the length of the longest common subsequence, the "edit similarity" of
    code completion benchmarks (Svyatkovskiy et al. 2020, arXiv 2005.08025; CrossCodeEval, Ding et al. 2023,
    arXiv 2310.11248). L comes from Hyyrö's bit-parallel recurrence (2004), a row of the table per character.
    """
    if not one and not other:
        return 1.0
    places: dict[str, int] = {}
    for position, char in enumerate(one):
        places[char] = places.get(char, 0) | 1 << position
    all_ones = (1 << len(one)) - 1
    row = all_ones
    for char in other:
        matches = row & places.get(char, 0)
        row = ((row + matches) | (row - matches)) & all_ones
    return 2 * (len(one) - row.bit_count()) / (len(one) + len(other))


Json = dict[str, Any]
JudgedAnswer = tuple[Position, AnswerVerdict]
WrittenPassage = tuple[SourceFile, Effort]


@dataclass(frozen=True)
class ShareOfAnswers:
    """A share of judged answers.

    Attributes:
        hits: addend of one answer to the numerator.
        of: addend of one answer to the denominator.
    """

    hits: Callable[[JudgedAnswer], float]
    of: Callable[[JudgedAnswer], float]


def _can_be_exact(judged: JudgedAnswer) -> float:
    return judged[0].kind not in NOTHING_TO_WRITE


def _is_shown_wrong(judged: JudgedAnswer) -> float:
    return judged[1].shown and not judged[1].exact_line


SHARES: dict[str, ShareOfAnswers] = {
    "exact_line": ShareOfAnswers(lambda judged: _can_be_exact(judged) * judged[1].exact_line, _can_be_exact),
    "edit_similarity": ShareOfAnswers(
        lambda judged: _can_be_exact(judged) * judged[1].similarity, _can_be_exact
    ),
    "shown": ShareOfAnswers(lambda judged: judged[1].shown, lambda _: 1),
    "shown_wrong": ShareOfAnswers(_is_shown_wrong, lambda _: 1),
    "wrong_of_shown": ShareOfAnswers(_is_shown_wrong, lambda judged: judged[1].shown),
    "whole_of_shown": ShareOfAnswers(lambda judged: judged[1].whole, lambda judged: judged[1].shown),
}
"""Shares that are reported. The first two leave out positions without missing text."""


@dataclass
class QualityScores:
    """All observations of one setting.

    Attributes:
        judged: answers at positions.
        written: passages written by the simulated user.
    """

    judged: list[JudgedAnswer] = field(default_factory=list)
    written: list[WrittenPassage] = field(default_factory=list)

    def to_json(self) -> Json:
        """Return shares and their 95 % intervals, of everything, by kind of position and by repository."""
        kinds = sorted({position.kind for position, _ in self.judged})
        names = {position.source.repository for position, _ in self.judged}
        names |= {source.repository for source, _ in self.written}
        found = {"positions": len(self.judged), **self._shares(self.judged, self.written)}
        found["spread"] = self._intervals()
        found["kinds"] = {
            kind: self._shares([one for one in self.judged if one[0].kind == kind], []) for kind in kinds
        }
        found["repositories"] = {
            name: self._shares(
                [one for one in self.judged if one[0].source.repository == name],
                [one for one in self.written if one[0].repository == name],
            )
            for name in sorted(names)
        }
        return found

    def list_verdicts(self) -> list[Json]:
        """List every position with its verdict, in order."""
        return [
            {
                "file": position.source.name,
                "kind": position.kind,
                "below": position.below,
                "offset": position.get_place()[1],
                **vars(verdict),
            }
            for position, verdict in self.judged
        ]

    @staticmethod
    def _shares(judged: Sequence[JudgedAnswer], written: Sequence[WrittenPassage]) -> Json:
        found: Json = {}
        for name, share in SHARES.items():
            below = sum(map(share.of, judged))
            if below:
                found[name] = round(sum(map(share.hits, judged)) / below, 4)
        if written:
            alone = sum(effort.alone for _, effort in written)
            found["saved_characters"] = round(1 - sum(effort.keys for _, effort in written) / alone, 4)
            shown = sum(effort.shown for _, effort in written)
            found["useless_while_typing"] = round(
                sum(effort.useless for _, effort in written) / max(1, shown), 4
            )
            found["written_keys"] = alone
        return found

    def _intervals(self) -> Json:
        found: Json = {}
        files = [position.source.name for position, _ in self.judged]
        for name, share in SHARES.items():
            low, high = bootstrap_interval(
                files, list(map(share.hits, self.judged)), list(map(share.of, self.judged))
            )
            found[name] = [round(low, 4), round(high, 4)]
        if self.written:
            low, high = bootstrap_interval(
                [source.name for source, _ in self.written],
                [effort.alone - effort.keys for _, effort in self.written],
                [effort.alone for _, effort in self.written],
            )
            found["saved_characters"] = [round(low, 4), round(high, 4)]
        return found


def ask_while_typing(editor: HeadlessEditor, position: Position) -> TimedAnswer:
    """Complete at the passage's beginning, as an editor did, and then at the position."""
    editor.close(position.source)
    editor.ask(position.source, *position.start)
    return editor.ask(position.source, *position.get_place())


def judge_all(editor: HeadlessEditor, positions: Iterable[Position]) -> list[JudgedAnswer]:
    """Complete at every position and score the answers."""
    found = []
    for position in positions:
        answer = ask_while_typing(editor, position)
        found.append((position, judge(position.passage, answer.text, answer.replace_length)))
    return found


def write_all(editor: HeadlessEditor, files: Iterable[PartialFile]) -> list[WrittenPassage]:
    """Write every file's passage."""
    found = []
    for file in files:
        editor.close(file.source)
        found.append((file.source, write_passage(file, editor)))
    return found
