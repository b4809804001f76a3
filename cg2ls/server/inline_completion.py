"""`textDocument/inlineCompletion`: ghost text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types

from cg2ls.server.completer import Place, contain, place_of, reply

if TYPE_CHECKING:
    from cg2ls.completion import Completion
    from cg2ls.server.app import Server


def supported(client: types.ClientCapabilities) -> bool:
    """Whether a client asks for inline completions."""
    return client.text_document is not None and client.text_document.inline_completion is not None


def register(server: Server) -> None:
    """Registers the handler; pygls leaves the capability out unless it is given options."""

    async def inline_completion(params: types.InlineCompletionParams) -> types.InlineCompletionList | None:
        invoked = params.context.trigger_kind is types.InlineCompletionTriggerKind.Invoked
        nothing = types.InlineCompletionList(items=[])
        uri = params.text_document.uri
        return await contain(server, uri, answered(params, nothing, invoked=invoked), nothing, tells=invoked)

    async def answered(
        params: types.InlineCompletionParams, nothing: types.InlineCompletionList, *, invoked: bool
    ) -> types.InlineCompletionList | None:
        place = place_of(
            server, params.text_document, params.position, params.context.selected_completion_info
        )
        version = getattr(params.text_document, "version", None)  # an extension of Copilot's clients
        if version is not None and place.snapshot.version not in (None, version):
            return None
        if not invoked:
            return await reply(server, place, "automatic", answer, nothing)
        count = server.options_of(place.snapshot.uri, place.snapshot.language).candidates
        return await reply(server, place, "invoked", answer, nothing, count=count)

    options = types.InlineCompletionOptions()
    server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, options)(inline_completion)


def answer(place: Place, completion: Completion) -> types.InlineCompletionList:
    """The list of what there is to show.

    An empty list tells the client to hide what it shows; null would tell it to leave that alone.
    """
    found = (completion, *completion.others) if completion.text else ()
    return types.InlineCompletionList(items=[_item(place, each) for each in found])


def _item(place: Place, completion: Completion) -> types.InlineCompletionItem:
    _, offset = place.text_and_offset()
    replaced = completion.replace_end_offset - offset
    line = place.position.line
    if place.selected is None:
        start, end, typed = place.position, place.position, ""
    else:
        start, end, typed = place.selected.range.start, place.selected.range.end, place.selected.text
    if replaced:
        end = place.snapshot.position(line, place.snapshot.offset(end) + replaced)
    return types.InlineCompletionItem(insert_text=typed + completion.text, range=types.Range(start, end))
