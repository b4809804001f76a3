"""`textDocument/inlineCompletion`: ghost text, from the request to the reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types

if TYPE_CHECKING:
    from cg2ls.completion import Completion
    from cg2ls.server.client import Feature
    from cg2ls.server.completer import Completer
    from cg2ls.server.snapshot import CompletionPlace


def register(feature: Feature, completer: Completer) -> None:
    """Register the handler; pygls leaves the capability out unless it is given options."""

    async def inline_completion(params: types.InlineCompletionParams) -> types.InlineCompletionList | None:
        # An empty list tells the client to hide what it shows; None tells it to keep that.
        nothing = types.InlineCompletionList(items=[])
        is_invoked = params.context.trigger_kind is types.InlineCompletionTriggerKind.Invoked
        answering = answer(params, nothing, is_invoked=is_invoked)
        return await completer.contain(params.text_document.uri, answering, nothing, is_reported=is_invoked)

    async def answer(
        params: types.InlineCompletionParams, nothing: types.InlineCompletionList, *, is_invoked: bool
    ) -> types.InlineCompletionList | None:
        selected = params.context.selected_completion_info
        place = completer.find_place(params.text_document, params.position, selected)
        version = getattr(params.text_document, "version", None)  # an extension of Copilot's clients
        if version is not None and place.snapshot.version not in (None, version):
            return None
        if not is_invoked:
            return await completer.reply(place, "automatic", to_list, nothing)
        count = completer.candidate_count(place)
        return await completer.reply(place, "invoked", to_list, nothing, count=count)

    feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())(inline_completion)


def to_list(place: CompletionPlace, completion: Completion) -> types.InlineCompletionList:
    """Return the client's list: the completion and its alternatives, or nothing."""
    found = (completion, *completion.alternatives) if completion.text else ()
    return types.InlineCompletionList(items=[_item(place, each) for each in found])


def _item(place: CompletionPlace, completion: Completion) -> types.InlineCompletionItem:
    _, offset = place.text_and_offset()
    replaced = completion.replace_end_offset - offset
    if place.selected is None:
        start, end, typed = place.position, place.position, ""
    else:
        start, end, typed = place.selected.range.start, place.selected.range.end, place.selected.text
    if replaced:
        end = place.snapshot.position(place.position.line, place.snapshot.offset(end) + replaced)
    return types.InlineCompletionItem(insert_text=typed + completion.text, range=types.Range(start, end))


def is_supported(client: types.ClientCapabilities) -> bool:
    """Return whether a client requests inline completions."""
    return client.text_document is not None and client.text_document.inline_completion is not None
