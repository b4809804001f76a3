"""Hooks at which a test makes the server fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any

import numpy as np
import pytest

from cg2ls.completion import session as sessions
from cg2ls.completion.postprocess import pipeline
from cg2ls.completion.postprocess.pipeline import RULES
from cg2ls.completion.reuse import TypedThrough
from cg2ls.server import completer, completion_menu, inline_completion, usage
from cg2ls.server.documents import Documents
from tests.cg2ls.server.in_process import Client

BAD, GOOD = "file:///bad.py", "file:///good.py"


TEXT = "a = \nb = \n"


FAILED = -32803


@dataclass
class Switch:
    """Selects the hook that raises, and its error.

    Attributes:
        on: name of the hook; "" for none.
        error: what it raises.
        hits: how often it did.
    """

    on: str = ""
    error: BaseException = field(default_factory=lambda: RuntimeError("the user's own code"))
    hits: int = 0

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def hooked(*arguments: Any, **more: Any) -> Any:
            if self.on == name:
                self.hits += 1
                raise self.error
            return function(*arguments, **more)

        return hooked

    def on_attribute(self, patch: pytest.MonkeyPatch, name: str, owner: Any, attribute: str) -> None:
        patch.setattr(owner, attribute, self.around(name, getattr(owner, attribute)))


class Prior:
    """Keeps the model's probabilities and proposes no draft."""

    def __init__(self, switch: Switch) -> None:
        self.mix = switch.around("prior.mix", self._mix)
        self.draft = switch.around("prior.draft", lambda *_: ())

    @staticmethod
    def _mix(_: object, logits: np.ndarray) -> np.ndarray:
        return (logits - np.log(len(logits))).astype(np.float32)


LEFT_OUT = (
    *("memory", "prior", "prior.mix", "prior.draft", "context", "context text", "load grammar"),
    *("find", "guess", "add", "count answered", "count shown", "today", "rhythm", "board", "note"),
)
"""Hooks that an answer does not need."""


LOST = (
    "settings",
    "silences",
    "extent",
    "tokenizer",
    "snapshot",
    "item",
    *(rule.name for rule in RULES),
)
"""Hooks that every answer needs."""


def install(client: Client, switch: Switch, patch: pytest.MonkeyPatch) -> None:
    """Installs the switch at every hook."""
    server = client.server

    def prior_of(*_: object) -> Callable[..., Prior]:
        return switch.around("prior", lambda *_: Prior(switch))

    def context_of(*_: object) -> Callable[..., str]:
        return switch.around("context text", lambda *_: "# other.py\n")

    patch.setattr(server.memory, "prior_of", switch.around("memory", prior_of))
    patch.setattr(server.prompt_context, "context_of", switch.around("context", context_of))
    for name, owner, attribute in (
        ("load grammar", sessions, "load_grammar"),
        ("find", TypedThrough, "find"),
        ("guess", TypedThrough, "find_draft_hint"),
        ("add", TypedThrough, "add"),
        ("count answered", server.usage, "answered"),
        ("count shown", server.usage, "shown"),
        ("today", usage, "this_day"),
        ("rhythm", server.completer.debounce, "record_key"),
        ("board", server.board, "_wanted"),
        ("status", server.board, "_state"),
        ("note", completer.log, "debug"),
        ("settings", server.settings, "of"),
        ("silences", sessions, "find_suppression"),
        ("kind", sessions, "find_kind"),
        ("extent", sessions, "choose_extent"),
        ("snapshot", Documents, "snapshot"),
        ("item", inline_completion, "_item"),
        ("item", completion_menu, "_item"),
    ):
        switch.on_attribute(patch, name, owner, attribute)
    for engine in client.engines:
        switch.on_attribute(patch, "tokenizer", engine.tokenizer, "encode")
    for group in ("ALWAYS", "BOUNDS", "FINISH"):
        hooked = [
            replace(rule, apply=switch.around(rule.name, rule.apply)) for rule in getattr(pipeline, group)
        ]
        patch.setattr(pipeline, group, tuple(hooked))


def assert_models_stay_open(client: Client) -> None:
    assert client.opened_models == 1, "the engine is not opened again"
    assert all(model.state == "ready" for model in client.server.models.open_models())
