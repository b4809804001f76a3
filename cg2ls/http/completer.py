"""Completion of a query, with the engine, scheduler, memory and confidence gate of the language server."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from time import perf_counter
from typing import TYPE_CHECKING

from cg2ls.completion import Retrieval
from cg2ls.completion.faults import EngineFailedError
from cg2ls.completion.types import SupportsTiming
from cg2ls.engine.request import Timing
from cg2ls.errors import Cg2Error
from cg2ls.http.access import RequestRefusedError
from cg2ls.http.insertion import cut_at, insertable, releasable
from cg2ls.http.sessions import Sessions
from cg2ls.models.folder.locations import NoUserFolderError, cache_folder
from cg2ls.server.documents import Documents
from cg2ls.server.failures import cause_of
from cg2ls.server.options import completion_options
from cg2ls.server.repository_memory import RepositoryMemory
from cg2ls.server.snapshot import Lines, Snapshot
from cg2ls.server.speculation import SpeculatedAnswer, Speculation
from cg2ls.server.uris import is_left_alone, path_of, root_of
from cg2ls.workspace.languages import LANGUAGES, language_of_name, same_language

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cg2ls.completion import Completion, CompletionEngine, CompletionOptions
    from cg2ls.completion.types import PriorOf
    from cg2ls.http.metrics import Metrics
    from cg2ls.http.query import Query
    from cg2ls.server.app import Server
    from cg2ls.server.models import Model
    from cg2ls.server.settings import Settings

DOCUMENT = "http-document"
"""Name, without suffix, of a document whose request does not name it."""

EXTRAS = "http-extra"
"""Folder, in names of the memory, of the texts that a request brings along."""

MAX_CHARS = 4_000_000
"""Maximum characters of a document; a larger one is data."""


NO_COSTS = Timing()
"""Costs of an answer for which the engine did not run."""


NO_LINES = Lines.of("")
"""Text of a document of which memory needs the place and language only: priors get the text of each request, and
splitting it into lines would take longer than HTTP does."""


class RootError(Cg2Error):
    """A folder cannot be given as a root whose files memory reads."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was found for a query.

    Attributes:
        texts: completions to insert at the cursor, the best first; one at least, "" for nothing to show.
        model: name of the model.
        outcome: `Completion.reason`; "warmed" if the client wanted no text.
        timing: costs of the engine.
        is_cut: whether the answer ended because of its maximum number of tokens.
        seconds: time inside of completion, without waiting for other requests.
    """

    texts: tuple[str, ...]
    model: str
    outcome: str
    timing: Timing = NO_COSTS
    is_cut: bool = False
    seconds: float = 0.0


class HttpCompleter:
    """Completes queries; an error in one affects that query alone.

    Args:
        server: the language server whose model, scheduler and background work are used.
        settings: options of the command line and folders that memory follows; no editor changes them.
        metrics: counts the outcomes.
    """

    def __init__(self, server: Server, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._models = server.loader
        self._failures = server.failures
        self._scheduler = server.completer.scheduler
        self._metrics = metrics
        self._speculation = Speculation(
            scheduler=self._scheduler, models=server.loader, failures=server.failures
        )
        self._sessions = Sessions()
        self._numbers = itertools.count()
        self._roots = [root for root in map(path_of, settings.roots) if root is not None]
        self._folder = self._roots[0] if self._roots else _own_folder()
        self._memory = RepositoryMemory(
            settings, Documents(), server.loader, server.client, server.failures, server.tasks
        )
        self._memory.on_built = self._sessions.clear
        _also(server.loader, "on_ready", self._prepare)
        _also(server.loader, "on_engine_failed", self._sessions.clear)

    @property
    def is_loaded(self) -> bool:
        """Return whether a model is open."""
        return bool(self._models.models.open_models())

    def model(self, language: str = "") -> Model:
        """Return the model for a language, "" for any, and begin to open it."""
        return self._models.model_of(language)

    def engine(self, model: Model) -> CompletionEngine:
        """Return a model's engine.

        Raises:
            RequestRefusedError: it is loading, or could not be opened.
        """
        if model.engine is None:
            raise RequestRefusedError(
                503, model.problem or f"{model.name} is loading; send the request again in a second."
            )
        return model.engine

    async def complete(self, query: Query, on_text: Callable[[str], object] | None = None) -> Answer:
        """Complete at a query's cursor.

        Args:
            query: what is asked for.
            on_text: called in the decoding thread with all text that is final, each time that it grows.

        Raises:
            asyncio.CancelledError: the client hung up; generation ends at its next step.
            RequestRefusedError: there is no model, or this query cannot be answered.
        """
        began = perf_counter()
        if len(query.before) + len(query.after) > MAX_CHARS:
            raise RequestRefusedError(413, f"The document has more than {MAX_CHARS} characters.")
        model = self.model(query.language)
        engine = self.engine(model)
        if query.is_warming:
            return Answer(texts=("",), model=model.name, outcome="warmed")
        query = replace(query, language=query.language or _only_language(engine))
        try:
            answer = await self._generate(query, model, engine, on_text)
        except EngineFailedError as failed:
            self._models.engine_failed(model, engine, "", failed.cause)
            raise RequestRefusedError(500, f"{failed} The model is opened again.") from None
        except Exception as error:
            self._failures.left_out("", "an HTTP request", error)
            raise RequestRefusedError(500, cause_of(error)) from None
        self._metrics.completed(answer.outcome, answer.timing.generated, perf_counter() - began)
        return answer

    def leave(self) -> None:
        """End the background work."""
        self._memory.leave()

    async def _generate(
        self,
        query: Query,
        model: Model,
        engine: CompletionEngine,
        on_text: Callable[[str], object] | None,
    ) -> Answer:
        """Run the completion in the decoding thread."""
        text = query.before + query.after
        uri = self._uri_of(query)
        settings = self._settings.of(uri, query.language)
        if is_left_alone(uri, self._settings.roots, settings.exclude):
            return Answer(texts=("",), model=model.name, outcome="silent")
        options = limit_options(completion_options(settings), query)
        session = self._sessions.find(query, engine, options)
        known = session.find_known(text, len(query.before)) if query.count == 1 else None
        if known is not None:  # the model need not run, so no thread is waited for
            completion, timing = known, NO_COSTS
        else:
            prior = self._failures.without("memory", uri, lambda: self._prior(query, uri, engine), None)
            retrieval = Retrieval(prior)

            def work(stop: Callable[[], bool]) -> tuple[Completion, Timing]:
                found = session.complete(
                    text,
                    len(query.before),
                    "automatic",
                    stop,
                    count=query.count,
                    retrieval=retrieval,
                    on_lines=on_text and (lambda lines: on_text(releasable(lines, query.stop))),
                )
                has_run = found.source == "model" and found.reason != "silent"
                return found, engine.last if has_run and isinstance(engine, SupportsTiming) else NO_COSTS

            key = f"http-{next(self._numbers)}"  # of its own: no request of a client replaces another one
            result = await self._scheduler.run(key, work)
            assert result is not None, "only a newer request with the same key ends a request with None"
            completion, timing = result
            # A client that cuts the text, or has several to choose from, will not continue with this text.
            is_whole = query.count == 1 and cut_at(completion.text, query.stop) == insertable(
                completion, query
            )
            if settings.speculate and is_whole:
                answer = SpeculatedAnswer(
                    uri=uri,
                    text=text,
                    offset=len(query.before),
                    completion=completion,
                    retrieval=retrieval,
                )
                self._speculation.begin_later(model, session, answer)
        for fault in completion.faults:
            self._failures.left_out(uri, fault.hook, fault.error)
        if completion.tokens:
            model.broken_by.clear()
        found = (completion, *completion.alternatives)
        texts = tuple(cut_at(insertable(each, query), query.stop) for each in found)
        is_cut = query.max_tokens is not None and completion.tokens >= query.max_tokens
        return Answer(
            texts=texts,
            model=model.name,
            outcome=completion.reason,
            timing=replace(timing, generated=completion.tokens),
            is_cut=is_cut,
            seconds=completion.latency_ms / 1000,
        )

    def _uri_of(self, query: Query) -> str:
        """Return a URI for a query's document, inside the folder that memory follows for it."""
        named = Path(query.path) if query.path and "\0" not in query.path else None
        for root in self._roots:
            if named is not None and root_of(root / named, self._settings.roots) is not None:
                return (root / named).as_uri()
        return (self._folder / f"{DOCUMENT}{_suffix(query.language)}").as_uri() if self._folder else ""

    def _prior(self, query: Query, uri: str, engine: CompletionEngine) -> PriorOf | None:
        document = Snapshot(uri, None, query.language, NO_LINES, "utf-32")
        return self._memory.prior_of(document, engine, _others(query))

    def _prepare(self) -> None:
        """Begin to read the folders, once a model is open that says which files count."""
        for model in self._models.models.open_models():
            engine = model.engine
            language = _only_language(engine) if engine is not None else ""
            if engine is None or not language:
                continue
            for root in self._settings.roots:
                document = Snapshot(
                    f"{root}/{DOCUMENT}{_suffix(language)}", None, language, NO_LINES, "utf-32"
                )
                self._memory.prior_of(document, engine, {})


def check_roots(folders: Sequence[Path]) -> list[str]:
    """Return the URIs of the folders that memory follows.

    Raises:
        RootError: one is not a folder, or too large to be one project.
    """
    roots = []
    for folder in folders:
        path = folder.expanduser().resolve()
        if not path.is_dir():
            raise RootError(f"{folder} is not a folder; name an existing one with --root.")
        uri = path.as_uri()
        if root_of(path / "any", [uri]) is None:
            raise RootError(f"{folder} is too large for one project; name a folder in it with --root.")
        roots.append(uri)
    return roots


def limit_options(options: CompletionOptions, query: Query) -> CompletionOptions:
    """Return the options narrowed by the limits of a query."""
    tokens, max_ms = query.max_tokens, query.max_ms
    if tokens is not None:
        options = replace(
            options,
            line_tokens=min(options.line_tokens, tokens),
            block_tokens=min(options.block_tokens, tokens),
        )
    if max_ms is not None:
        options = replace(options, max_ms=min(options.max_ms or max_ms, max_ms))
    return options


def _others(query: Query) -> dict[str, str]:
    """Return the texts of other files in a query, the last first, as open documents of the memory.

    They are parts of files, so that none may have a file's own name: it would replace the file.
    """
    others = {}
    for name, text in reversed(query.extras):
        language = language_of_name(name)
        if text.strip() and (not language or same_language(language, query.language)):
            digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
            others[f"{EXTRAS}/{digest}/{PurePath(name).name or 'text'}"] = text
    return others


def _only_language(engine: CompletionEngine) -> str:
    """Return the language of a model for one language, "" for others."""
    languages = list(engine.model.languages or ())
    return languages[0] if len(languages) == 1 else ""


def _own_folder() -> Path | None:
    """Return a folder for documents of no project; None if the user has none."""
    try:
        return cache_folder() / "http"
    except NoUserFolderError:
        return None


def _suffix(language: str) -> str:
    return next((end for end, name in LANGUAGES.items() if name == language), ".txt")


def _also(owner: object, name: str, call: Callable[[], object]) -> None:
    """Replace a function in an attribute by one that also calls another function."""
    before: Callable[[], object] = getattr(owner, name)

    def both() -> None:
        before()
        call()

    setattr(owner, name, both)
