"""The editor's open documents, and whether the server's texts and answers fit them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cg2ls.difference import difference
from cg2ls.errors import EvaluationError

if TYPE_CHECKING:
    from cg2ls.evaluation.chaos.conversation import Conversation

Json = dict[str, Any]

OPEN_DOCUMENTS = 12
"""Documents kept open; the least recently edited one is closed."""


DOCUMENTS_METHOD = "cg2ls/documents"
"""Request for the hash of every open document's text, as `cg2ls.server.sync` answers it."""

METHOD_NOT_FOUND = -32601


@dataclass
class OpenDocument:
    r"""A document that is open in the editor.

    Attributes:
        uri: the document's URI.
        language: LSP language id of the document.
        text: the text as the editor shows it, line ends `\n`.
        version: the version that was sent last.
        offset: the cursor's offset.
    """

    uri: str
    language: str
    text: str
    version: int = 1
    offset: int = 0

    @property
    def sha256(self) -> str:
        """Hash of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def position_of(self, offset: int) -> Json:
        """Return an offset as an LSP position, in UTF-16 units."""
        start = self.text.rfind("\n", 0, offset) + 1
        units = len(self.text[start:offset].encode("utf-16-le")) // 2
        return {"line": self.text.count("\n", 0, offset), "character": units}

    def to_item(self) -> Json:
        """Return the document for `textDocument/didOpen`."""
        return {
            "uri": self.uri,
            "languageId": self.language,
            "version": self.version,
            "text": self.text,
        }

    def replace_text(self, text: str) -> Json:
        """Replace the text; return the one change that makes it from the old text."""
        start, old_end, new_end = difference(self.text, text)
        first, last = self.position_of(start), self.position_of(old_end)
        self.text = text
        return {"range": {"start": first, "end": last}, "text": text[start:new_end]}

    def make_change(self, *changes: Json) -> Json:
        """Return the parameters of `textDocument/didChange` for the next version."""
        self.version += 1
        return {
            "textDocument": {"uri": self.uri, "version": self.version},
            "contentChanges": list(changes),
        }


class OpenDocuments:
    """The open documents, the most recently edited one last."""

    def __init__(self) -> None:
        self.documents: OrderedDict[str, OpenDocument] = OrderedDict()

    def activate(self, uri: str) -> OpenDocument | None:
        """Return an open document and mark it as edited last."""
        if uri in self.documents:
            self.documents.move_to_end(uri)
        return self.documents.get(uri)

    def open(self, document: OpenDocument) -> None:
        """Open a document."""
        self.documents[document.uri] = document

    def close(self, uri: str) -> None:
        """Close a document."""
        self.documents.pop(uri, None)

    def find_surplus(self) -> str | None:
        """Return the document to close now; None while few are open."""
        return next(iter(self.documents)) if len(self.documents) > OPEN_DOCUMENTS else None


@dataclass(frozen=True)
class ServerText:
    """The server's state of one document.

    Attributes:
        known: whether the server declares that it knows the text.
        sha256: hash of its text.
    """

    known: bool
    sha256: str


def request_server_texts(conversation: Conversation) -> dict[str, ServerText] | None:
    """Return the server's state of every open document; None if the server has no such request.

    Raises:
        EvaluationError: it answers with something else.
    """
    answer = conversation.call(DOCUMENTS_METHOD, {})
    if "error" in answer:
        if answer["error"].get("code") == METHOD_NOT_FOUND:
            return None
        raise EvaluationError(f"The server cannot report its texts: {answer['error'].get('message')}")
    return {each["uri"]: ServerText(each["known"], each["sha256"]) for each in answer["result"]}


def describe_misfit(document: OpenDocument, result: Any) -> str:
    """Return the error of an answer for the text at the request; "" if it fits."""
    position = document.position_of(document.offset)
    line_end = document.text.find("\n", document.offset)
    end = document.position_of(line_end if line_end >= 0 else len(document.text))
    for item in (result or {}).get("items", ()):
        place = item["range"]
        if place["start"] != position:
            return f"requested at {position}, answered from {place['start']}"
        if place["end"]["line"] != end["line"] or place["end"]["character"] > end["character"]:
            return f"the line ends at {end}, the answer covers up to {place['end']}"
    return ""
