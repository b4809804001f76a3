"""Options of completion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from cg2ls.errors import Cg2Error
from cg2ls.models.folder.gate import EAGERNESS, Eagerness

Choose = Literal["on_request", "hypotheses", "greedy"]
"""When several lines are compared: for requests by hand, for all requests, or never."""


class OptionsError(Cg2Error):
    """An option has an invalid value."""


@dataclass(frozen=True, kw_only=True)
class CompletionOptions:
    """What to generate and what to show.

    Attributes:
        enable: whether to complete at all.
        automatic: whether to complete while the user types; requests of the user are always answered.
        unknown_languages: whether to complete in languages that the model was not trained on.
        comments: whether to complete in comments and documentation strings while the user types.
        min_confidence: minimum probability, 0 to 1, of text that is shown while the user types; None for the
            measured thresholds (`cg2ls.completion.confidence_gate`), or for the model's fitted gate if it has one.
        eagerness: how much is shown while the user types: "quiet", "balanced" or "eager".
        choose: when to compare several lines where greedy decoding is not sure and text stands below: "on_request" for
            requests of the user, "hypotheses" while typing too, "greedy" for never.
        choose_ms: maximum time from the call to an answer that compares lines, in milliseconds; None for the defaults,
            which give requests of the user more time (`cg2ls.completion.choose`).
        line_tokens: maximum number of tokens generated for the rest of one line.
        block_tokens: maximum number of tokens generated for several lines.
        context_tokens: tokens of the prompt for text of other files; 0 for none.
        max_lines: maximum number of lines shown; None for as many as the block has.
        max_ms: maximum time for an answer in milliseconds, after which the text so far is shown; None for no limit.
        disabled_rules: names of rules and suppressions to leave out (docs/reference/completion.md); former names are
            accepted. A session checks them (`cg2ls.completion.session.resolve_disabled_rules`).
    """

    enable: bool = True
    automatic: bool = True
    unknown_languages: bool = False
    comments: bool = True
    min_confidence: float | None = None
    eagerness: Eagerness = "balanced"
    choose: Choose = "on_request"
    choose_ms: float | None = None
    line_tokens: int = 48
    block_tokens: int = 128
    context_tokens: int = 0
    max_lines: int | None = None
    max_ms: float | None = 10_000
    disabled_rules: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for name in ("line_tokens", "block_tokens", "max_lines"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise OptionsError(f"{name} is {value}, but must be at least 1.")
        if self.eagerness not in EAGERNESS:
            raise OptionsError(f"eagerness is {self.eagerness!r}, but must be one of {', '.join(EAGERNESS)}.")
        for name in ("max_ms", "choose_ms"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise OptionsError(f"{name} is {value}, but must be above 0.")
        if self.choose not in get_args(Choose):
            raise OptionsError(
                f"choose is {self.choose!r}, but must be one of {', '.join(get_args(Choose))}."
            )
        if self.context_tokens < 0:
            raise OptionsError(f"context_tokens is {self.context_tokens}, but must be at least 0.")
        if self.min_confidence is not None and not 0 <= self.min_confidence <= 1:
            raise OptionsError(f"min_confidence is {self.min_confidence}, but must be from 0 to 1.")
