"""The models the server answers with, and how far it is with opening them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, cast, runtime_checkable

from lsprotocol import types

from cg2ls.errors import Cg2Error
from cg2ls.server.failures import options_of

if TYPE_CHECKING:
    from cg2ls.completion import CompletionEngine
    from cg2ls.server.app import Server
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
        from cg2ls.models.folder.locate import locate_model

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
    from cg2ls.engine.options import EngineOptions

    idle_s = options.unload_after_minutes * 60 or None
    kept = EngineOptions(memory_mb=options.memory_mb, idle_s=idle_s)
    return Engine.open(
        folder, provider=options.provider, threads=options.threads or None, options=kept, tell=tell
    )


def rests(engine: CompletionEngine) -> bool:
    """Whether an open engine gave its memory back until the next request."""
    return not getattr(engine, "loaded", True)


T = TypeVar("T")


def begin_loading(server: Server, model: Model) -> None:
    """Starts opening a model that nobody has asked for before; does nothing for others."""
    if model.state == "waiting":
        model.state = "loading"
        server.in_background(_load(server, model))


async def _load(server: Server, model: Model) -> None:
    """Opens a model in a thread, while the server goes on answering.

    The client sees progress if it can show it, and one message if the model cannot be opened.
    """
    if model.folder is None:
        _failed(server, model, model.problem)
        return
    server.board.changed()
    progress = asyncio.create_task(_begin_progress(server))
    try:
        engine = await _in_thread(server.open_model, model.folder, server.settings.of(), _teller(server))
    except Cg2Error as error:
        _failed(server, model, str(error))
    except Exception as error:
        log.exception("The model could not be opened")
        _failed(
            server, model, f"The model could not be opened ({error}); `cg2ls doctor` looks for the cause."
        )
    else:
        if not model.wanted:  # another was chosen meanwhile
            return
        model.ready(engine)
        server.memory.prepare()
        server.log_message(types.MessageType.Info, f"{engine.model.name} is ready.")
    finally:
        server.board.changed()
        server.in_background(_end_progress(server, progress, model.state))


async def _in_thread(work: Callable[..., T], *arguments: Any) -> T:
    """Runs work in a thread that does not keep the process alive: who leaves does not wait for a model."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, wrong: Exception | None) -> None:
        if done.cancelled():
            return
        if wrong is None:
            done.set_result(cast("T", result))
        else:
            done.set_exception(wrong)

    def run() -> None:
        result, wrong = None, None
        try:
            result = work(*arguments)
        except Exception as raised:
            wrong = raised
        with contextlib.suppress(RuntimeError):  # the loop was closed: the server has left
            loop.call_soon_threadsafe(settle, result, wrong)

    threading.Thread(target=run, name="load", daemon=True).start()
    return await done


def _teller(server: Server) -> Callable[[str], None]:
    """Takes what an engine says, in its own thread, to the client's log."""
    loop = asyncio.get_running_loop()

    def say(sentence: str) -> None:
        server.log_message(types.MessageType.Warning, sentence)
        server.board.changed()

    def tell(sentence: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed: the server has left
            loop.call_soon_threadsafe(say, sentence)

    return tell


def _failed(server: Server, model: Model, problem: str) -> None:
    model.failed(problem)
    message = types.ShowMessageParams(types.MessageType.Error, f"cg2ls: {problem}")
    server.window_show_message(message)
    server.board.changed()


async def _end_progress(server: Server, progress: asyncio.Task[str | None], message: str) -> None:
    """Ends progress that the client may still have to agree to; the model does not wait for that."""
    token = await progress
    if token is not None:
        server.work_done_progress.end(token, types.WorkDoneProgressEnd(message=message))


async def _begin_progress(server: Server) -> str | None:
    """A progress token the client took, with the work begun; None if it shows no progress."""
    window = server.client_capabilities.window
    if window is None or not window.work_done_progress:
        return None
    token = f"cg2ls-{uuid.uuid4()}"
    try:
        await server.work_done_progress.create_async(token)
    except Exception:  # the client refused, or does not answer; loading goes on without
        return None
    server.work_done_progress.begin(token, types.WorkDoneProgressBegin(title="cg2ls: loading the model"))
    return token


MAX_IN_A_ROW = 2
"""Times an engine is opened anew before it has answered anything; one document may not cost the others theirs."""


def engine_failed(server: Server, model: Model, engine: CompletionEngine, uri: str, error: Exception) -> None:
    """An engine raised something; it is closed and opened again.

    It stays closed where it broke for two documents, or too often for one, since its last answer.

    Args:
        server: whose model it is.
        model: the engine's.
        engine: that was asked.
        uri: of the document it was asked for.
        error: what it raised. Messages name its kind and not its text, which may hold code.
    """
    if model.engine is not engine:  # it was closed meanwhile, perhaps for another request's report
        log.info("%s ended a request when it was closed (%s).", model.name, type(error).__name__)
        return
    log.error("%s failed (%s)", model.name, type(error).__name__, exc_info=error)
    server.failures.count(uri, error, options_of(server, uri))
    server.sessions.clear()
    model.broken_by.append(uri)
    model.closed()
    if len(set(model.broken_by)) > 1 or len(model.broken_by) > MAX_IN_A_ROW:
        problem = f"{model.name} failed again ({type(error).__name__}); `cg2ls doctor` looks for the cause."
        model.failed(problem)
        server.window_show_message(types.ShowMessageParams(types.MessageType.Error, f"cg2ls: {problem}"))
    else:
        server.log_message(
            types.MessageType.Error, f"{model.name} failed ({type(error).__name__}) and is opened again."
        )
        begin_loading(server, model)
    server.board.changed()
