"""Cost of a call of the graph on this machine, measured on the calls themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MEASURED_CALL_TOKENS = (1, 2, 4, 8, 16, 26)
"""Lengths of the calls that are measured, in tokens; costs in between are interpolated."""

HISTORY_WEIGHT = 0.9
"""Weight of the earlier average when a new measurement is added."""

MAX_CALIBRATION_S = 0.25
"""Time limit of the first measurement; lengths that it does not reach keep their default."""

DEFAULT_CALL_RATIOS = (1.0, 1.25, 1.5, 2.0, 3.0, 4.0)
"""Costs of `MEASURED_CALL_TOKENS` before any measurement, in one-token calls: between int8 and fp32 on a CPU."""

DEFAULT_LONG_TOKEN_RATIO = 0.08
"""Cost of one token of a long call before any measurement, in one-token calls."""


class CallCosts:
    """Seconds that calls of the graph take, by their length in tokens.

    The cost of a one-token call changes with the load and with the length of the text. Longer calls are stored
    as multiples of it, which change less.
    """

    def __init__(self) -> None:
        self._one = 0.0
        self._ratios = list(DEFAULT_CALL_RATIOS)
        self._long_token = 0.0

    def calibrate(self, run: Callable[[int], float], counts: Sequence[int] = MEASURED_CALL_TOKENS) -> None:
        """Measure calls, best of three each, within `MAX_CALIBRATION_S`.

        Args:
            run: makes a call of a number of tokens and returns its duration in seconds.
            counts: the call lengths to measure, a leading part of `MEASURED_CALL_TOKENS`.
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
            if spent > MAX_CALIBRATION_S:
                return

    def note(self, count: int, seconds: float) -> None:
        """Add the duration of one call to the averages."""
        if count == 1:
            self._one = _blend(self._one, seconds)
        elif count > MEASURED_CALL_TOKENS[-1]:
            self._long_token = _blend(self._long_token, seconds / count)
        elif count in MEASURED_CALL_TOKENS and self._one:
            index = MEASURED_CALL_TOKENS.index(count)
            self._ratios[index] = max(1.0, _blend(self._ratios[index], seconds / self._one))

    def ratio(self, count: int) -> float:
        """Return the cost of a short call, in one-token calls."""
        return float(np.interp(count, MEASURED_CALL_TOKENS, self._ratios))

    def seconds(self, count: int) -> float:
        """Return the expected duration of a call; 0 before any measurement."""
        if count <= MEASURED_CALL_TOKENS[-1]:
            return self._one * self.ratio(count)
        return count * (self._long_token or DEFAULT_LONG_TOKEN_RATIO * self._one)


def _blend(known: float, seconds: float) -> float:
    return HISTORY_WEIGHT * known + (1 - HISTORY_WEIGHT) * seconds if known else seconds
