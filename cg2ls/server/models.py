"""The models that answer: choosing one for a document, opening it, and opening it again after a failure."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from lsprotocol import types

from cg2ls.errors import Cg2Error
from cg2ls.server.background import run_in_thread

if TYPE_CHECKING:
    from cg2ls.completion import CompletionEngine
    from cg2ls.server.background import BackgroundTasks
    from cg2ls.server.client import ClientProgress, LanguageClient
    from cg2ls.server.failures import Failures
    from cg2ls.server.options import Options
    from cg2ls.server.settings import Settings

log = logging.getLogger(__name__)

MAX_FAILURES_IN_A_ROW = 2
"""Times an engine is opened again before it has answered anything; one document must not block all others."""

ModelState = Literal["waiting", "loading", "ready", "failed"]

Opener = Callable[[Path, "Options", Callable[[str], None]], "CompletionEngine"]
"""Opens a model folder with the server's options and a callback for later events; raises `Cg2Error`."""


@runtime_checkable
class Closing(Protocol):
    """An engine that can free its memory."""

    def close(self) -> None:
        """Free the memory; running requests end at their next step."""


@dataclass(eq=False)
class Model:
    """One model and its state.

    Attributes:
        folder: the model's folder; None where it could not be found.
        problem: why the model cannot answer; "" if no reason is known.
        state: whether the model can answer; "waiting" until it is requested.
        engine: the open model, in the state "ready" only.
        name: as in model.json; the folder's name until the model is open.
        is_reported: whether the client's log says that the model cannot answer yet.
        is_wanted: whether any document's choice leads to it.
        broken_by: URIs of the documents for which it broke since its last answer.
    """

    folder: Path | None
    problem: str = ""
    state: ModelState = "waiting"
    engine: CompletionEngine | None = None
    name: str = ""
    is_reported: bool = False
    is_wanted: bool = True
    broken_by: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.folder is not None and not self.name:
            self.name = self.folder.name

    def ready(self, engine: CompletionEngine) -> None:
        """Take the open engine."""
        self.state, self.engine, self.problem = "ready", engine, ""
        self.name = engine.model.name

    def failed(self, problem: str) -> None:
        """Record that the model could not be opened."""
        self.state, self.engine, self.problem = "failed", None, problem

    def close(self) -> None:
        """Free the model's memory; the next request opens it again."""
        engine = self.engine
        self.state, self.engine, self.problem, self.is_reported = "waiting", None, "", False
        if isinstance(engine, Closing):
            try:
                engine.close()
            except Exception:  # a broken engine; its memory goes with it
                log.exception("%s could not be closed", self.name)


class Models:
    """One model for each folder that a document's choice leads to.

    Args:
        flag: model from the command line; it has priority over the editors' settings.
    """

    def __init__(self, flag: str | None = None) -> None:
        self.flag = flag
        self._chosen: dict[tuple[str, str], Model] = {}
        self._by_folder: dict[Path | None, Model] = {}

    def find(self, language: str, setting: str = "") -> Model:
        """Return the model for a language ("" for any) and a setting ("" for none)."""
        key = language, setting
        if key not in self._chosen:
            model = self._locate(language, setting)
            self._chosen[key] = self._by_folder.setdefault(model.folder, model)
        return self._chosen[key]

    def open_models(self) -> Collection[Model]:
        """Return the models that hold memory."""
        return [model for model in self._by_folder.values() if model.engine is not None]

    def open_engines(self) -> Collection[CompletionEngine]:
        """Return the engines of the open models."""
        return [model.engine for model in self._by_folder.values() if model.engine is not None]

    def is_loading(self) -> bool:
        """Return whether a model is being opened."""
        return any(model.state == "loading" for model in self._by_folder.values())

    def choose_again(self, wanted: Collection[tuple[str, str]]) -> None:
        """Find the models of the open documents again, and close those that nothing leads to any more.

        Args:
            wanted: languages and settings of the open documents.
        """
        self._chosen.clear()
        before, self._by_folder = self._by_folder, {}
        for model in before.values():
            model.is_wanted = False
            if model.folder is not None and model.state in ("ready", "loading"):
                self._by_folder[model.folder] = model
        for language, setting in wanted:
            self.find(language, setting).is_wanted = True
        for model in list(self._by_folder.values()):
            if not model.is_wanted:
                del self._by_folder[model.folder]
                model.close()

    def close_all(self) -> None:
        """Free all memory and forget failures; every model is found and opened again."""
        for model in self._by_folder.values():
            model.is_wanted = False
            model.close()
        self._by_folder.clear()
        self._chosen.clear()

    def _locate(self, language: str, setting: str) -> Model:
        from cg2ls.models.folder.store import locate_model

        flag = None if setting and setting != self.flag else self.flag
        try:
            located = locate_model(flag=flag, setting=setting or None, language=language or None)
        except Cg2Error as error:
            return Model(None, str(error))
        except Exception as error:
            log.exception("The list of models could not be read")
            kind = type(error).__name__
            return Model(
                None, f"The list of models could not be read ({kind}); `cg2ls doctor` looks for the cause."
            )
        return Model(located.folder, name=Path(located.name).name)


@dataclass(eq=False, kw_only=True)
class ModelLoader:
    """Loader of the models that documents need; it runs in the background and reopens failed models.

    Attributes:
        settings: options of documents and of the server.
        open_model: opens a model folder.
        client: gets progress and messages.
        failures: counts requests that an engine failure lost.
        tasks: runs the loading.
        models: all models and their states.
        on_ready: called when a model is open.
        on_change: called when the state of a model may have changed.
        on_engine_failed: called when an engine failed, before it is opened again.
    """

    settings: Settings
    open_model: Opener
    client: LanguageClient
    failures: Failures
    tasks: BackgroundTasks
    models: Models
    on_ready: Callable[[], object] = lambda: None
    on_change: Callable[[], object] = lambda: None
    on_engine_failed: Callable[[], object] = lambda: None

    def model_of(self, language: str, uri: str = "", *, load: bool = True) -> Model:
        """Return the model for a document's language ("" for any) and folder.

        Args:
            language: LSP id of the document's language.
            uri: URI of the document.
            load: whether to begin to open a model that was never requested.
        """
        model = self.models.find(language, self.settings.of(uri, language).model)
        if load:
            self.begin_loading(model)
        return model

    def begin_loading(self, model: Model) -> None:
        """Begin to open a model that was never requested; do nothing for others."""
        if model.state == "waiting":
            model.state = "loading"
            self.tasks.start(self._load(model))

    def report_not_ready(self, model: Model) -> None:
        """Say once in the client's log why completions are missing."""
        if not model.is_reported:
            model.is_reported = True
            reason = model.problem or "The model is still loading."
            self.client.log(types.MessageType.Info, f"No completions yet: {reason}")

    def engine_failed(self, model: Model, engine: CompletionEngine, uri: str, error: Exception) -> None:
        """Close a failed engine and open it again.

        It stays closed if it failed for two documents, or too often for one, since its last answer.

        Args:
            model: the engine's model.
            engine: the engine that failed.
            uri: the document it failed for.
            error: the error. Messages give its type and not its text, which may hold code.
        """
        kind = type(error).__name__
        if model.engine is not engine:  # closed meanwhile, perhaps after another request reported the failure
            log.info("%s ended a request when it was closed (%s).", model.name, kind)
            return
        log.error("%s failed (%s)", model.name, kind, exc_info=error)
        self.failures.count(uri, error)
        self.on_engine_failed()
        model.broken_by.append(uri)
        model.close()
        if len(set(model.broken_by)) > 1 or len(model.broken_by) > MAX_FAILURES_IN_A_ROW:
            model.failed(f"{model.name} failed again ({kind}); `cg2ls doctor` looks for the cause.")
            self.client.show(types.MessageType.Error, model.problem)
        else:
            self.client.log(types.MessageType.Error, f"{model.name} failed ({kind}) and is opened again.")
            self.begin_loading(model)
        self.on_change()

    async def _load(self, model: Model) -> None:
        """Open a model in a thread, while the server continues to answer.

        The client sees progress if it can show it, and one message if the model cannot be opened.
        """
        if model.folder is None:
            self._failed(model, model.problem)
            return
        self.on_change()
        progress = asyncio.create_task(self.client.begin_progress("loading the model"))
        try:
            engine = await run_in_thread(
                self.open_model, model.folder, self.settings.of(), self._event_reporter()
            )
        except Cg2Error as error:
            self._failed(model, str(error))
        except Exception as error:
            log.exception("The model could not be opened")
            self._failed(
                model, f"The model could not be opened ({error}); `cg2ls doctor` looks for the cause."
            )
        else:
            model.ready(engine)
            if not model.is_wanted:  # another model was chosen meanwhile
                model.close()
                return
            self.on_ready()
            self.client.log(
                types.MessageType.Info, f"{engine.model.name} is ready.{describe_defaults(engine)}"
            )
        finally:
            self.on_change()
            self.tasks.start(_end_progress(progress, model.state))

    def _failed(self, model: Model, problem: str) -> None:
        model.failed(problem)
        self.client.show(types.MessageType.Error, problem)
        self.on_change()

    def _event_reporter(self) -> Callable[[str], None]:
        """Return a function that takes an engine's sentence, in any thread, to the client's log."""
        loop = asyncio.get_running_loop()

        def report(sentence: str) -> None:
            self.client.log(types.MessageType.Warning, sentence)
            self.on_change()

        def on_event(sentence: str) -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed: the server has ended
                loop.call_soon_threadsafe(report, sentence)

        return on_event


async def _end_progress(progress: asyncio.Task[ClientProgress], message: str) -> None:
    """End the progress display, which the client may not have accepted yet; the model does not wait for that."""
    (await progress).end(message)


def open_folder(folder: Path, options: Options, tell: Callable[[str], None]) -> CompletionEngine:
    """Open a model folder.

    Args:
        folder: folder of model.json and its files.
        options: where and how to run the model.
        tell: gets a sentence, in any thread, when something happens to the open model.

    Raises:
        ModelFolderError: the folder is damaged.
        EngineError: the model cannot run here.
    """
    from cg2ls.engine import Engine
    from cg2ls.engine.request import EngineOptions

    idle_s = options.unload_after_minutes * 60 or None
    kept = EngineOptions(memory_mb=options.max_memory_mb, idle_s=idle_s)
    return Engine.open(
        folder, provider=options.provider, threads=options.threads or None, options=kept, on_event=tell
    )


def describe_defaults(engine: CompletionEngine) -> str:
    """Return a sentence about numbers that the model folder lacks, after a blank; "" if it lacks none."""
    if engine.model.line_choice is not None:
        return ""
    return (
        " It has no fitted numbers for the choice among several lines, so the defaults are used;"
        " fit them with: cg2ls models fit-choice"
    )


def is_unloaded(engine: CompletionEngine) -> bool:
    """Return whether an open engine freed its memory until the next request."""
    return not getattr(engine, "loaded", True)
