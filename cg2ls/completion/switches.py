"""What can be switched off by name: the rules of what is shown, the gate, and the silences."""

from __future__ import annotations

from cg2ls.completion.postprocess import BOUNDS, FINISH
from cg2ls.completion.trigger.suppression import SUPPRESSIONS

TYPED_THROUGH = "typed_through"
"""Answering from an earlier suggestion that the user types on; without it the model runs at every key."""

CONFIDENCE = "confidence"
"""The gate of `cg2ls.completion.confidence_gate`, which looks at numbers and is no rule about text."""

SWITCHES: frozenset[str] = frozenset(
    [CONFIDENCE]
    + [rule.name for rule in (*BOUNDS, *FINISH)]
    + [suppression.name for suppression in SUPPRESSIONS]
    + [TYPED_THROUGH]
)
"""Every name that `CompletionOptions.disabled_rules` may hold."""
