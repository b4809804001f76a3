"""How alike two lines are."""

from __future__ import annotations


def edit_similarity(one: str, other: str) -> float:
    """Share of both texts' characters that a cheapest way of inserting and deleting leaves, 0 to 1.

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
