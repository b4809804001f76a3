"""The numbers completion works with."""

from __future__ import annotations

from dataclasses import dataclass

from cg2ls.errors import Cg2Error


class OptionsError(Cg2Error):
    """An option with a value that makes no sense."""


@dataclass(frozen=True, kw_only=True)
class CompletionOptions:
    """How much to generate and to show.

    Attributes:
        line_tokens: most tokens generated for the rest of one line.
        block_tokens: most tokens generated for several lines.
        max_lines: most lines shown; None for as many as the block has.
    """

    line_tokens: int = 48
    block_tokens: int = 128
    max_lines: int | None = None

    def __post_init__(self) -> None:
        for name in ("line_tokens", "block_tokens", "max_lines"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise OptionsError(f"{name} is {value}, but must be at least 1.")
