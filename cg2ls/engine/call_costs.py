"""What a call of the graph costs on this machine, learnt from the calls themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SAMPLED = (1, 2, 4, 8, 16, 26)
"""Lengths of a call, in tokens, that are measured; costs in between are interpolated."""

MEMORY = 0.9
"""Weight of what was known when a new measurement comes."""

CALIBRATION_S = 0.25
"""Time a model may take for its first measurement; what is not reached keeps the guess."""

GUESS = (1.0, 1.25, 1.5, 2.0, 3.0, 4.0)
"""Costs of `SAMPLED`, in one-token calls, before any measurement: between those of int8 and fp32 on a
processor."""

LONG_GUESS = 0.08
"""Cost of a token in a long call, in one-token calls, before any measurement."""


class CallCosts:
    """Seconds that calls of the graph take, by their length in tokens.

    The cost of one token follows the machine (its load, the length of the text read); that of longer calls is
    kept as a multiple of it, which changes less.
    """

    def __init__(self) -> None:
        self._one = 0.0
        self._ratios = list(GUESS)
        self._long_token = 0.0

    def calibrate(self, run: Callable[[int], float], counts: Sequence[int] = SAMPLED) -> None:
        """Measures calls, best of three, within `CALIBRATION_S`.

        Args:
            run: makes a call of so many tokens and returns its seconds.
            counts: the first of `SAMPLED`, or all.
        """
        run(1)  # the first call also allocates
        spent = 0.0
        for index, count in enumerate(counts):
            seconds = [run(count) for _ in range(3)]
            spent += sum(seconds)
            if count == 1:
                self._one = min(seconds)
            else:
                self._ratios[index] = max(1.0, min(seconds) / self._one)
            if spent > CALIBRATION_S:
                return

    def note(self, count: int, seconds: float) -> None:
        """Takes in the time of a call of so many tokens."""
        if count == 1:
            self._one = _blend(self._one, seconds)
        elif count > SAMPLED[-1]:
            self._long_token = _blend(self._long_token, seconds / count)
        elif count in SAMPLED and self._one:
            index = SAMPLED.index(count)
            self._ratios[index] = max(1.0, _blend(self._ratios[index], seconds / self._one))

    def ratio(self, count: int) -> float:
        """Cost of a short call of so many tokens, in one-token calls."""
        return float(np.interp(count, SAMPLED, self._ratios))

    def seconds(self, count: int) -> float:
        """Expected time of a call of so many tokens; 0 while nothing is known."""
        if count <= SAMPLED[-1]:
            return self._one * self.ratio(count)
        return count * (self._long_token or LONG_GUESS * self._one)


def _blend(known: float, seconds: float) -> float:
    return MEMORY * known + (1 - MEMORY) * seconds if known else seconds
