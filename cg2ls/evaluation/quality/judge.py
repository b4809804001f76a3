"""Comparison of what was shown with what was written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    """Compute the share of both texts' characters that a cheapest sequence of insertions and deletions keeps, 0 to 1.

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
