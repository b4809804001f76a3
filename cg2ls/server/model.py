"""The models the server answers with, and how far it is with opening them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cg2ls.errors import Cg2Error
from cg2ls.server.options import ServerOptions

if TYPE_CHECKING:
    from cg2ls.completion import CompletionEngine

State = Literal["waiting", "loading", "ready", "failed"]

Opener = Callable[[Path], "CompletionEngine"]
"""Opens a model folder; takes seconds, raises `Cg2Error`."""


@dataclass
class Model:
    """One model and its state.

    Attributes:
        folder: where it lies; None where it could not be found.
        problem: why it cannot answer; "" while nothing is known to be wrong.
        state: whether it can answer.
        engine: the open model, in the state "ready" only.
        told: whether the client's log was told that it cannot answer yet.
    """

    folder: Path | None
    problem: str = ""
    state: State = "waiting"
    engine: CompletionEngine | None = None
    told: bool = False

    def ready(self, engine: CompletionEngine) -> None:
        """The model is open."""
        self.state, self.engine, self.problem = "ready", engine, ""

    def failed(self, problem: str) -> None:
        """The model could not be opened."""
        self.state, self.engine, self.problem = "failed", None, problem


class Models:
    """One model for each folder that a language's choice leads to."""

    def __init__(self) -> None:
        self._by_language: dict[str, Model] = {}
        self._by_folder: dict[Path | None, Model] = {}

    def of(self, language: str, options: ServerOptions) -> Model:
        """The model that answers in documents of a language ("" for any), chosen when first asked for."""
        if language not in self._by_language:
            model = _located(language, options)
            self._by_language[language] = self._by_folder.setdefault(model.folder, model)
        return self._by_language[language]


def _located(language: str, options: ServerOptions) -> Model:
    from cg2ls.modelfolder.locate import locate_model

    try:
        located = locate_model(
            flag=options.model_flag, setting=options.model_setting, language=language or None
        )
    except Cg2Error as wrong:
        return Model(None, str(wrong))
    return Model(located.folder)


def open_folder(folder: Path) -> CompletionEngine:
    """Opens a model folder.

    Raises:
        ModelFolderError: it is damaged.
        EngineError: it cannot be run here.
    """
    from cg2ls.engine import Engine

    return Engine.open(folder)
