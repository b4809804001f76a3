"""What parsing may cost, in steps of the parser, so that no text can hold up whoever waits.

Tree-sitter parses sound code in time proportional to its length, but unsound code in up to the square of it.
"""

from __future__ import annotations

MAX_STEPS = 400
"""Reports of tree-sitter, one after every hundred of its operations, that one piece of code may take. The largest
region of ordinary code takes about 100."""


class ParserSteps:
    """A number of steps that one parse or several together may take.

    Args:
        most: how many.

    Attributes:
        left: how many are left; below 0 once a parse was stopped.
    """

    def __init__(self, most: int = MAX_STEPS) -> None:
        self.left = most

    @property
    def are_used_up(self) -> bool:
        """Whether a parse was stopped, so that what it said means nothing."""
        return self.left < 0

    def spend(self, _: int, __: bool) -> bool:
        """Takes note of one step; tree-sitter's progress callback.

        Returns:
            Whether to stop.
        """
        self.left -= 1
        return self.left < 0
