"""`textDocument/completion`, for clients without inline completion: one item in the menu."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lsprotocol import types

from cg2ls.server.completer import Place, contain, place_of, reply

if TYPE_CHECKING:
    from cg2ls.completion import Completion
    from cg2ls.server.app import Server

_WORD = re.compile(r"\w*\Z")


def register(server: Server) -> None:
    """Registers the handler."""

    async def completion(params: types.CompletionParams) -> types.CompletionList | None:
        nothing = types.CompletionList(is_incomplete=True, items=[])
        # Clients call every request of a word's letters "invoked", so that an error would come with every key.
        return await contain(
            server, params.text_document.uri, answered(params, nothing), nothing, tells=False
        )

    async def answered(
        params: types.CompletionParams, nothing: types.CompletionList
    ) -> types.CompletionList | None:
        place = place_of(server, params.text_document, params.position)
        context = params.context
        invoked = context is None or context.trigger_kind is types.CompletionTriggerKind.Invoked
        return await reply(server, place, "invoked" if invoked else "automatic", answer, nothing)

    server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions())(completion)


def answer(place: Place, completion: Completion) -> types.CompletionList:
    """The list of one item, or of none.

    Menus filter by the word before the cursor, so the item replaces that word with itself and what follows.
    The list is incomplete: the next key asks again.
    """
    items = [_item(place, completion)] if completion.text else []
    return types.CompletionList(is_incomplete=True, items=items)


def _item(place: Place, completion: Completion) -> types.CompletionItem:
    snapshot, line = place.snapshot, place.position.line
    line_start = snapshot.offset(types.Position(line, 0))
    found = _WORD.search(snapshot.lines[line][: place.offset - line_start])
    word = found.group() if found else ""
    text = word + completion.text
    start = snapshot.position(line, place.offset - len(word))
    end = snapshot.position(line, completion.replace_end_offset)
    return types.CompletionItem(
        label=text.strip().split("\n", 1)[0],
        kind=types.CompletionItemKind.Text,
        detail="cg2ls",
        documentation=types.MarkupContent(types.MarkupKind.PlainText, text),
        filter_text=text,
        insert_text_format=types.InsertTextFormat.PlainText,
        text_edit=types.TextEdit(types.Range(start, end), text),
        preselect=False,
    )
