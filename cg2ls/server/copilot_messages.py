"""Messages of Copilot's server that our clients may send, too: they are outside of LSP.

What they say of shown and accepted completions is inferred from edits (`cg2ls.server.acceptance`), for no other
client tells; so these are taken without an answer or an error. `textDocument/didFocus` says which document the
status is about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cg2ls.server.status import member

if TYPE_CHECKING:
    from cg2ls.server.app import Server

DID_FOCUS = "textDocument/didFocus"
DID_SHOW = "textDocument/didShowCompletion"
DID_PARTLY_ACCEPT = "textDocument/didPartiallyAcceptCompletion"


def register(server: Server) -> None:
    """Registers the handlers."""

    def focused(params: Any) -> None:
        uri = member(member(params, "textDocument"), "uri") or member(params, "uri")
        server.board.look_at(uri if isinstance(uri, str) else "")

    def noted(_: Any) -> None:
        """Nothing to do: edits tell."""

    server.feature(DID_FOCUS)(focused)
    server.feature(DID_SHOW)(noted)
    server.feature(DID_PARTLY_ACCEPT)(noted)


def is_copilot_client(initialization_options: Any) -> bool:
    """Whether a client was made for Copilot's server, whose status notification it then knows."""
    return member(initialization_options, "editorPluginInfo") is not None
