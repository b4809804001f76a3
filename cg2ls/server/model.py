"""The model the server answers with, and how far it is with opening it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cg2ls.server.options import ServerOptions

if TYPE_CHECKING:
    from cg2ls.completion import CompletionEngine

State = Literal["waiting", "loading", "ready", "failed"]

Opener = Callable[[ServerOptions], "CompletionEngine"]
"""Opens the chosen model; takes seconds, raises `Cg2Error`."""


@dataclass
class Model:
    """One model and its state.

    Attributes:
        state: whether it can answer.
        engine: the open model, in the state "ready" only.
        problem: why it cannot answer, in the state "failed" only.
    """

    state: State = "waiting"
    engine: CompletionEngine | None = None
    problem: str = ""

    def ready(self, engine: CompletionEngine) -> None:
        """The model is open."""
        self.state, self.engine, self.problem = "ready", engine, ""

    def failed(self, problem: str) -> None:
        """The model could not be opened."""
        self.state, self.engine, self.problem = "failed", None, problem


def open_chosen(options: ServerOptions) -> CompletionEngine:
    """Opens the model that the options, the user's lasting choice or the default name.

    Raises:
        ModelFolderError: there is no such model, or it is damaged.
        EngineError: it cannot be run here.
    """
    from cg2ls.engine import Engine
    from cg2ls.modelfolder.locate import locate_model

    located = locate_model(flag=options.model_flag, setting=options.model_setting)
    return Engine.open(located.folder)
