"""Whether the server's texts are the editor's, and whether its answers fit them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cg2ls.evaluation.quality.errors import ReplayError

if TYPE_CHECKING:
    from cg2ls.evaluation.chaos.conversation import Conversation
    from cg2ls.evaluation.chaos.mirror import Open

Json = dict[str, Any]

DOCUMENTS = "cg2ls/documents"
"""A request for the hash of every open document's text, as `cg2ls.server.sync` answers it."""

METHOD_NOT_FOUND = -32601


@dataclass(frozen=True)
class ServerText:
    """What the server has of a document.

    Attributes:
        known: whether it says that it knows the text.
        sha256: of the text it has.
    """

    known: bool
    sha256: str


def server_texts(conversation: Conversation) -> dict[str, ServerText] | None:
    """What the server has of every document it knows to be open; None from one that does not tell.

    Raises:
        ReplayError: it answers with something else.
    """
    answer = conversation.call(DOCUMENTS, {})
    if "error" in answer:
        if answer["error"].get("code") == METHOD_NOT_FOUND:
            return None
        raise ReplayError(f"The server cannot tell its texts: {answer['error'].get('message')}")
    return {each["uri"]: ServerText(each["known"], each["sha256"]) for each in answer["result"]}


def misfit(document: Open, result: Any) -> str:
    """What is wrong with an answer to a request at the cursor, for the text as it was then; "" if it fits."""
    position = document.position(document.offset)
    line_end = document.text.find("\n", document.offset)
    end = document.position(line_end if line_end >= 0 else len(document.text))
    for item in (result or {}).get("items", ()):
        place = item["range"]
        if place["start"] != position:
            return f"asked at {position}, answered from {place['start']}"
        if place["end"]["line"] != end["line"] or place["end"]["character"] > end["character"]:
            return f"the line ends at {end}, the answer covers up to {place['end']}"
    return ""
