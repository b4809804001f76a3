"""The models the server answers with, and how far it is with opening them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from cg2ls.errors import Cg2Error

if TYPE_CHECKING:
    from cg2ls.completion import CompletionEngine
    from cg2ls.server.options import Options

log = logging.getLogger(__name__)

State = Literal["waiting", "loading", "ready", "failed"]

Opener = Callable[[Path, "Options", Callable[[str], None]], "CompletionEngine"]
"""Opens a model folder with the server's options, and tells later what happens to it; raises `Cg2Error`."""


@runtime_checkable
class Closing(Protocol):
    """An engine that frees its memory when it is told to."""

    def close(self) -> None:
        """Frees it; what runs ends at its next step."""


@dataclass(eq=False)
class Model:
    """One model and its state.

    Attributes:
        folder: where it lies; None where it could not be found.
        problem: why it cannot answer; "" while nothing is known to be wrong.
        state: whether it can answer; "waiting" until somebody asks for it.
        engine: the open model, in the state "ready" only.
        name: as model.json has it; the folder's until it is open.
        told: whether the client's log was told that it cannot answer yet.
        wanted: False once no document's choice leads to it any more.
        broken_by: URIs of the documents for which it broke since its last answer.
    """

    folder: Path | None
    problem: str = ""
    state: State = "waiting"
    engine: CompletionEngine | None = None
    name: str = ""
    told: bool = False
    wanted: bool = True
    broken_by: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.folder is not None:
            self.name = self.folder.name

    def ready(self, engine: CompletionEngine) -> None:
        """The model is open."""
        self.state, self.engine, self.problem = "ready", engine, ""
        self.name = engine.model.name

    def failed(self, problem: str) -> None:
        """The model could not be opened."""
        self.state, self.engine, self.problem = "failed", None, problem

    def closed(self) -> None:
        """The model gives its memory back; the next request opens it again."""
        engine = self.engine
        self.state, self.engine, self.problem, self.told = "waiting", None, "", False
        if isinstance(engine, Closing):
            try:
                engine.close()
            except Exception:  # a broken one; what it holds goes with it
                log.exception("%s could not be closed", self.name)


class Models:
    """One model for each folder that a document's choice leads to.

    Args:
        flag: model from the command line; goes before what editors say.
    """

    def __init__(self, flag: str | None = None) -> None:
        self.flag = flag
        self._chosen: dict[tuple[str, str], Model] = {}
        self._by_folder: dict[Path | None, Model] = {}

    def of(self, language: str, setting: str = "") -> Model:
        """The model for a language ("" for any) and a setting ("" for none), found when first asked for."""
        key = language, setting
        if key not in self._chosen:
            model = self._located(language, setting)
            self._chosen[key] = self._by_folder.setdefault(model.folder, model)
        return self._chosen[key]

    def open(self) -> Collection[Model]:
        """The models that hold memory."""
        return [model for model in self._by_folder.values() if model.engine is not None]

    def loading(self) -> bool:
        """Whether a model is being opened."""
        return any(model.state == "loading" for model in self._by_folder.values())

    def choose_again(self, wanted: Collection[tuple[str, str]]) -> None:
        """Finds anew what answers, and lets go of models that nothing leads to any more.

        Args:
            wanted: the languages and settings of the open documents.
        """
        self._chosen.clear()
        before, self._by_folder = self._by_folder, {}
        for model in before.values():
            model.wanted = False
            if model.folder is not None and model.state in ("ready", "loading"):
                self._by_folder[model.folder] = model
        for language, setting in wanted:
            self.of(language, setting).wanted = True
        for model in list(self._by_folder.values()):
            if not model.wanted:
                del self._by_folder[model.folder]
                model.closed()

    def close_all(self) -> None:
        """Gives all memory back and forgets what failed; every model is found and opened anew."""
        for model in self._by_folder.values():
            model.wanted = False
            model.closed()
        self._by_folder.clear()
        self._chosen.clear()

    def _located(self, language: str, setting: str) -> Model:
        from cg2ls.models.folder.store import locate_model

        flag = None if setting and setting != self.flag else self.flag
        try:
            located = locate_model(flag=flag, setting=setting or None, language=language or None)
        except Cg2Error as error:
            return Model(None, str(error))
        except Exception as error:
            log.exception("The models could not be looked through")
            kind = type(error).__name__
            return Model(
                None, f"The models could not be looked through ({kind}); `cg2ls doctor` looks for the cause."
            )
        return Model(located.folder)


def open_folder(folder: Path, options: Options, tell: Callable[[str], None]) -> CompletionEngine:
    """Opens a model folder.

    Args:
        folder: of model.json and its files.
        options: where and how to run it.
        tell: gets a sentence, in any thread, when something happens to the open model.

    Raises:
        ModelFolderError: it is damaged.
        EngineError: it cannot be run here.
    """
    from cg2ls.engine import Engine
    from cg2ls.engine.request import EngineOptions

    idle_s = options.unload_after_minutes * 60 or None
    kept = EngineOptions(memory_mb=options.memory_mb, idle_s=idle_s)
    return Engine.open(
        folder, provider=options.provider, threads=options.threads or None, options=kept, on_event=tell
    )


def rests(engine: CompletionEngine) -> bool:
    """Whether an open engine gave its memory back until the next request."""
    return not getattr(engine, "loaded", True)
