"""What the editor has: the text of every open document, and the messages that tell a server of its edits."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cg2ls.difference import difference
from cg2ls.evaluation.errors import ReplayError

if TYPE_CHECKING:
    from cg2ls.evaluation.chaos.conversation import Conversation

Json = dict[str, Any]

OPEN_DOCUMENTS = 12
"""Documents kept open; the one typed in longest ago is closed."""


@dataclass
class Open:
    r"""A document that is open in the editor.

    Attributes:
        uri: of the document.
        language: its LSP id.
        text: as the editor shows it, line ends `\n`.
        version: the last one that was sent.
        offset: of the cursor.
    """

    uri: str
    language: str
    text: str
    version: int = 1
    offset: int = 0

    @property
    def sha256(self) -> str:
        """Of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def position(self, offset: int) -> Json:
        """A position as LSP counts it, in UTF-16 units."""
        start = self.text.rfind("\n", 0, offset) + 1
        units = len(self.text[start:offset].encode("utf-16-le")) // 2
        return {"line": self.text.count("\n", 0, offset), "character": units}

    def item(self) -> Json:
        """The document for `textDocument/didOpen`."""
        return {
            "uri": self.uri,
            "languageId": self.language,
            "version": self.version,
            "text": self.text,
        }

    def edited(self, text: str) -> Json:
        """Takes a new text; gives the one change that makes it of the old."""
        start, old_end, new_end = difference(self.text, text)
        first, last = self.position(start), self.position(old_end)
        self.text = text
        return {"range": {"start": first, "end": last}, "text": text[start:new_end]}

    def change(self, *changes: Json) -> Json:
        """Parameters of `textDocument/didChange` for the next version."""
        self.version += 1
        return {
            "textDocument": {"uri": self.uri, "version": self.version},
            "contentChanges": list(changes),
        }


class Mirror:
    """The open documents, the one typed in last at the end."""

    def __init__(self) -> None:
        self.documents: OrderedDict[str, Open] = OrderedDict()

    def find(self, uri: str) -> Open | None:
        """An open document, which is now the last one typed in."""
        if uri in self.documents:
            self.documents.move_to_end(uri)
        return self.documents.get(uri)

    def open(self, document: Open) -> None:
        """Opens a document."""
        self.documents[document.uri] = document

    def close(self, uri: str) -> None:
        """Closes a document."""
        self.documents.pop(uri, None)

    def too_many(self) -> str | None:
        """A document to close now; None if there are few."""
        return next(iter(self.documents)) if len(self.documents) > OPEN_DOCUMENTS else None


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
