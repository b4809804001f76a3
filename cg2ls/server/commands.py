"""`workspace/executeCommand`: what an editor's menu can do. Arguments and results are plain JSON."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams

from cg2ls.errors import Cg2Error
from cg2ls.server import logs
from cg2ls.server.failures import cause_of
from cg2ls.server.stats import StatsFile, report, stats_file
from cg2ls.server.status import status_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from cg2ls.server.app import Server

PREFIX = "cg2ls.server."
"""Editors name their own commands `cg2ls.…`; clients that publish the server's must not collide with those."""


class CommandError(JsonRpcException):
    """LSP's RequestFailed, with a sentence for people."""

    CODE = types.LSPErrorCodes.RequestFailed.value
    MESSAGE = "The command failed"


def register(server: Server) -> None:
    """Registers the commands."""

    def command(handler: Callable[..., Any]) -> None:
        words = handler.__name__.split("_")

        @wraps(handler)
        def contained(*arguments: Any) -> Any:
            try:
                return handler(*arguments)
            except JsonRpcException:
                raise
            except Cg2Error as error:
                raise CommandError(str(error)) from None
            except Exception as error:
                server.failures.left_out("", f"the command {handler.__name__}", error)
                raise CommandError(f"The command failed: {cause_of(error)}") from None

        server.command(PREFIX + words[0] + "".join(word.capitalize() for word in words[1:]))(contained)

    @command
    def status(*arguments: Any) -> dict[str, Any]:
        return status_of(server, _text(arguments, server.board.uri)).to_json()

    @command
    def pause(*_: Any) -> dict[str, Any]:
        return _paused(server, yes=True)

    @command
    def resume(*_: Any) -> dict[str, Any]:
        return _paused(server, yes=False)

    @command
    def restart(*_: Any) -> dict[str, Any]:
        server.failures.forget_all()
        server.restart_models()
        return status_of(server, server.board.uri).to_json()

    @command
    def switch_model(*arguments: Any) -> dict[str, Any]:
        return _switched(server, _text(arguments, ""))

    @command
    def models(*_: Any) -> list[dict[str, Any]]:
        return _models(server)

    @command
    def stats(*_: Any) -> dict[str, Any]:
        server.usage.save()
        return report(StatsFile(stats_file()).read())

    @command
    def show_log(*_: Any) -> dict[str, Any]:
        return {"file": logs.file_in_use(), "lines": logs.recent()}


def _paused(server: Server, *, yes: bool) -> dict[str, Any]:
    server.paused = yes
    if yes:
        for document in server.documents:
            server.scheduler.supersede(document.uri)
    server.board.changed()
    return status_of(server, server.board.uri).to_json()


def _switched(server: Server, model: str) -> dict[str, Any]:
    """Another model for every document until the server ends; "" for the options' choice again."""
    from cg2ls.models.folder.store import ModelStore

    if model:
        ModelStore().locate(model)
    server.settings.for_session(model=model or None)
    server.settings_changed([])
    return status_of(server, server.board.uri).to_json()


def _models(server: Server) -> list[dict[str, Any]]:
    """The models of this machine, as a menu wants them."""
    from cg2ls.models.folder.store import ModelStore

    stored = ModelStore().models()
    language = server.documents.language_of(server.board.uri)
    current = server.model_of(language or "", server.board.uri if language else "", load=False).folder
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


def _text(arguments: tuple[Any, ...], default: str) -> str:
    """The first argument, a string."""
    if not arguments or arguments[0] is None:
        return default
    if not isinstance(arguments[0], str):
        raise JsonRpcInvalidParams("The argument must be a string.")
    return arguments[0]
