"""`textDocument/completion`, for clients without inline completion: one item in the menu."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lsprotocol import types

if TYPE_CHECKING:
    from cg2ls.completion import Completion
    from cg2ls.server.client import Feature
    from cg2ls.server.completer import Completer
    from cg2ls.server.snapshot import CompletionPlace

_WORD = re.compile(r"\w*\Z")


def register(feature: Feature, completer: Completer) -> None:
    """Register the handler."""

    async def completion(params: types.CompletionParams) -> types.CompletionList | None:
        nothing = types.CompletionList(is_incomplete=True, items=[])
        # Clients call every request of a word's letters "invoked", so that an error would come with every key.
        answering = answer(params, nothing)
        return await completer.contain(params.text_document.uri, answering, nothing, is_reported=False)

    async def answer(
        params: types.CompletionParams, nothing: types.CompletionList
    ) -> types.CompletionList | None:
        place = completer.find_place(params.text_document, params.position)
        context = params.context
        is_invoked = context is None or context.trigger_kind is types.CompletionTriggerKind.Invoked
        return await completer.reply(place, "invoked" if is_invoked else "automatic", to_list, nothing)

    feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions())(completion)


def to_list(place: CompletionPlace, completion: Completion) -> types.CompletionList:
    """Return a list of one item, or of none.

    Menus filter by the word before the cursor, so the item replaces that word with itself and the completion.
    The list is incomplete: the next key requests a new one.
    """
    items = [_item(place, completion)] if completion.text else []
    return types.CompletionList(is_incomplete=True, items=items)


def _item(place: CompletionPlace, completion: Completion) -> types.CompletionItem:
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
