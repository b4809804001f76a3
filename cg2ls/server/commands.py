"""`workspace/executeCommand`: what an editor's menu can do. Arguments and results are plain JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams

from cg2ls.errors import Cg2Error
from cg2ls.server import logs
from cg2ls.server.failures import cause_of
from cg2ls.server.stats import StatsFile, report, stats_file

if TYPE_CHECKING:
    from cg2ls.server.client import Feature
    from cg2ls.server.completer import Completer
    from cg2ls.server.documents import Documents
    from cg2ls.server.failures import Failures
    from cg2ls.server.lifecycle import Configuration
    from cg2ls.server.models import ModelLoader
    from cg2ls.server.settings import Settings
    from cg2ls.server.status import StatusBoard, SuppressedDocuments
    from cg2ls.server.usage import Usage

PREFIX = "cg2ls.server."
"""Editors name their own commands `cg2ls.…`; clients that publish the server's must not collide with those."""

Json = dict[str, Any]


class CommandError(JsonRpcException):
    """LSP's RequestFailed, with a sentence for people."""

    CODE = types.LSPErrorCodes.RequestFailed.value
    MESSAGE = "The command failed"


@dataclass(eq=False, kw_only=True)
class Commands:
    """The commands of an editor's menu; each public method is one.

    Attributes:
        documents: the open documents.
        settings: takes the model that is switched to.
        configuration: puts settings into force.
        models: the models.
        completer: completions under way.
        suppressed: whether completion is paused.
        board: the status.
        failures: where errors are recorded.
        usage: what was counted.
        on_restart: closes every model and opens the wanted ones again.
    """

    documents: Documents
    settings: Settings
    configuration: Configuration
    models: ModelLoader
    completer: Completer
    suppressed: SuppressedDocuments
    board: StatusBoard
    failures: Failures
    usage: Usage
    on_restart: Callable[[], None]

    def status(self, *arguments: Any) -> Json:
        """Return the status of a document, by default of the one the user looks at."""
        return self.board.status_of(_text(arguments, self.board.uri)).to_json()

    def pause(self, *_: Any) -> Json:
        """Pause completion."""
        self.suppressed.is_paused = True
        for document in self.documents:
            self.completer.scheduler.supersede(document.uri)
        return self._changed_status()

    def resume(self, *_: Any) -> Json:
        """Resume completion."""
        self.suppressed.is_paused = False
        return self._changed_status()

    def restart(self, *_: Any) -> Json:
        """Forget failures and open every model again."""
        self.failures.forget_all()
        self.on_restart()
        return self._status()

    def switch_model(self, *arguments: Any) -> Json:
        """Answer with another model until the server ends; "" for the options' choice again."""
        from cg2ls.models.folder.store import ModelStore

        if model := _text(arguments, ""):
            ModelStore().locate(model)
        self.settings.for_session(model=model or None)
        self.configuration.apply([])
        return self._status()

    def models_list(self, *_: Any) -> list[Json]:
        """Return the models of this machine, as a menu wants them."""
        from cg2ls.models.folder.store import ModelStore

        stored = ModelStore().models()
        language = self.documents.language_of(self.board.uri)
        uri = self.board.uri if language else ""
        current = self.models.model_of(language or "", uri, load=False).folder
        return [
            {
                "name": model.name,
                "bytes": model.size,
                "precision": model.description.precision if model.description else "",
                "languages": sorted(model.description.languages) if model.description else [],
                "current": model.folder == current,
                "problem": model.problem,
            }
            for model in stored
        ]

    def stats(self, *_: Any) -> Json:
        """Return what was counted, summed for people."""
        self.usage.save()
        return report(StatsFile(stats_file()).read())

    def show_log(self, *_: Any) -> Json:
        """Return the log's file and last lines."""
        return {"file": logs.file_in_use(), "lines": logs.recent()}

    def _status(self) -> Json:
        return self.board.status_of(self.board.uri).to_json()

    def _changed_status(self) -> Json:
        self.board.changed()
        return self._status()


def register(command: Feature, commands: Commands) -> None:
    """Register the commands.

    Args:
        command: pygls' decorator that registers a command.
        commands: the commands.
    """
    for name, run in (
        *(("status", commands.status), ("pause", commands.pause), ("resume", commands.resume)),
        *(("restart", commands.restart), ("switchModel", commands.switch_model)),
        *(("models", commands.models_list), ("stats", commands.stats), ("showLog", commands.show_log)),
    ):
        command(PREFIX + name)(_contained(name, run, commands.failures))


def _contained(name: str, run: Callable[..., Any], failures: Failures) -> Callable[..., Any]:
    """Return a command whose errors are sentences without the user's text."""

    def contained(*arguments: Any) -> Any:
        try:
            return run(*arguments)
        except JsonRpcException:
            raise
        except Cg2Error as error:
            raise CommandError(str(error)) from None
        except Exception as error:
            failures.left_out("", f"the command {name}", error)
            raise CommandError(f"The command failed: {cause_of(error)}") from None

    return contained


def _text(arguments: tuple[Any, ...], default: str) -> str:
    """Return the first argument, which must be a string."""
    if not arguments or arguments[0] is None:
        return default
    if not isinstance(arguments[0], str):
        raise JsonRpcInvalidParams("The argument must be a string.")
    return arguments[0]
