"""Readers of the client's messages: what each needs, and what may be missing.

Only the fields named here are read, so other fields cannot make a message invalid. A missing field that a
message needs raises `UnreadableError`. A change of text that cannot be read becomes an `UnreadableChange`, after
which the document's text is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from lsprotocol import types
from pygls.uris import from_fs_path

from cg2ls.server.fields import (
    MAX_NUMBER,
    Change,
    DocumentChange,
    DocumentId,
    DocumentItem,
    FoldersChanged,
    NotebookChange,
    NotebookClosed,
    NotebookOpened,
    Splice,
    UnreadableChange,
    UnreadableError,
    flag,
    folder_uri,
    items,
    member,
    position,
    span,
    text,
    uri,
    uri_of,
    version_of,
    whole_number,
)
from cg2ls.workspace.languages import language_of_name

Reader = Callable[[Any], Any]
"""Converts a message's `params`, of any type, to the argument of its handler."""


def document_item(raw: Any) -> DocumentItem:
    """Read a document that is opened; it needs a URI."""
    found = uri_of(raw, "textDocument")
    language = text(member(raw, "languageId"))
    language = language_of_name(found) if language is None else language
    return DocumentItem(found, language, version_of(raw), text(member(raw, "text")))


def document_change(
    raw: Any, document: str = "textDocument", changes: str = "contentChanges"
) -> DocumentChange:
    """Read the changes of a document; they need its URI."""
    identifier = member(raw, document)
    named = DocumentId(uri_of(identifier, document), version_of(identifier))
    listed = member(raw, changes)
    if not isinstance(listed, (list, Mapping)):
        return DocumentChange(named, [UnreadableChange(f"{changes} must be a list")])
    return DocumentChange(named, [_change(each, changes) for each in items(listed)])


def _change(raw: Any, where: str) -> Change:
    new = text(member(raw, "text"))
    if new is None:
        return UnreadableChange(f"{where}.text must be a string")
    if member(raw, "range") is None:
        return types.TextDocumentContentChangeWholeDocument(text=new)
    try:
        return types.TextDocumentContentChangePartial(range=span(raw["range"], f"{where}.range"), text=new)
    except UnreadableError as error:
        return UnreadableChange(str(error))


def _readable(read: Reader, raw: Any) -> Iterator[Any]:
    """Yield the elements of a list that can be read."""
    for each in items(raw):
        try:
            yield read(each)
        except UnreadableError:
            continue


def _did_open(raw: Any) -> DocumentItem:
    return document_item(member(raw, "textDocument"))


def _identifier(raw: Any) -> DocumentId:
    return DocumentId(uri_of(member(raw, "textDocument"), "textDocument"))


def _did_save(raw: Any) -> types.DidSaveTextDocumentParams:
    identifier = types.TextDocumentIdentifier(_identifier(raw).uri)
    return types.DidSaveTextDocumentParams(identifier, text=text(member(raw, "text")))


def _uri(raw: Any) -> str:
    return uri_of(raw, "textDocument")


def _cell(raw: Any) -> types.NotebookCell:
    """Read one cell; a cell without a document keeps its place, since later changes count cells."""
    document = uri(member(raw, "document")) or ""
    is_prose = whole_number(member(raw, "kind")) == types.NotebookCellKind.Markup.value
    kind = types.NotebookCellKind.Markup if is_prose else types.NotebookCellKind.Code
    return types.NotebookCell(kind=kind, document=document)


def _notebook_opened(raw: Any) -> NotebookOpened:
    notebook = member(raw, "notebookDocument")
    cells = [_cell(each) for each in items(member(notebook, "cells"))]
    documents = list(_readable(document_item, member(raw, "cellTextDocuments")))
    return NotebookOpened(uri(member(notebook, "uri")), cells, documents)


def _notebook_changed(raw: Any) -> NotebookChange:
    named = uri(member(member(raw, "notebookDocument"), "uri"))
    cells = member(member(raw, "change"), "cells")
    if cells is None:
        return NotebookChange(named)
    if not isinstance(cells, Mapping):
        return NotebookChange(named, is_order_known=False, are_texts_known=False)
    structure, edits = cells.get("structure"), cells.get("textContent")
    array = member(structure, "array")
    start, deleted = (whole_number(member(array, name)) for name in ("start", "deleteCount"))
    splice = None
    if start is not None and deleted is not None:
        new = [_cell(each) for each in items(member(array, "cells"))]
        splice = Splice(min(max(start, 0), MAX_NUMBER), min(max(deleted, 0), MAX_NUMBER), new)
    return NotebookChange(
        named,
        splice=splice,
        is_order_known=structure is None or splice is not None,
        opened=list(_readable(document_item, member(structure, "didOpen"))),
        closed=list(_readable(_uri, member(structure, "didClose"))),
        edits=list(_readable(lambda each: document_change(each, "document", "changes"), edits)),
        are_texts_known=edits is None or isinstance(edits, (list, Mapping)),
    )


def _notebook_closed(raw: Any) -> NotebookClosed:
    named = uri(member(member(raw, "notebookDocument"), "uri"))
    return NotebookClosed(named, list(_readable(_uri, member(raw, "cellTextDocuments"))))


def _configuration(raw: Any) -> types.DidChangeConfigurationParams:
    return types.DidChangeConfigurationParams(settings=member(raw, "settings"))


def _folders(raw: Any) -> list[str]:
    """Read workspace folders; a bare URI is one, too."""
    found = (folder_uri(member(each, "uri")) or folder_uri(each) for each in items(raw))
    return [each for each in found if each is not None]


def _folders_changed(raw: Any) -> FoldersChanged:
    event = member(raw, "event")
    return FoldersChanged(_folders(member(event, "added")), _folders(member(event, "removed")))


def _watched(raw: Any) -> types.DidChangeWatchedFilesParams:
    def event(each: Any) -> types.FileEvent:
        return types.FileEvent(uri=uri_of(each, "changes"), type=types.FileChangeType.Changed)

    return types.DidChangeWatchedFilesParams(changes=list(_readable(event, member(raw, "changes"))))


def is_id(raw: Any) -> bool:
    """Return whether a value can be the id of a request: a string or a number."""
    number = isinstance(raw, (int, float)) and not isinstance(raw, bool)
    return isinstance(raw, str) or (number and raw == raw and abs(raw) != float("inf"))


def _cancel(raw: Any) -> SimpleNamespace:
    identity = member(raw, "id")
    if not is_id(identity):
        raise UnreadableError("id must be a number or a string")
    return SimpleNamespace(id=identity)


def _cancel_progress(raw: Any) -> SimpleNamespace:
    token = member(raw, "token")
    if not is_id(token):
        raise UnreadableError("token must be a number or a string")
    return SimpleNamespace(token=token)


def _trace(raw: Any) -> SimpleNamespace:
    known = {each.value: each for each in types.TraceValue}
    value = text(member(raw, "value"))
    return SimpleNamespace(value=known.get(value or "", types.TraceValue.Off))


def _initialize(raw: Any) -> types.InitializeParams:
    process = whole_number(member(raw, "processId"))
    root_path = text(member(raw, "rootPath"))
    root = folder_uri(member(raw, "rootUri")) or (from_fs_path(root_path) if root_path else None)
    folders = _folders(member(raw, "workspaceFolders"))
    return types.InitializeParams(
        capabilities=_capabilities(member(raw, "capabilities")),
        process_id=process if process is not None and 0 < process <= MAX_NUMBER else None,
        root_uri=root,
        initialization_options=member(raw, "initializationOptions"),
        workspace_folders=[types.WorkspaceFolder(uri=each, name="") for each in folders] or None,
    )


_ENCODINGS = [each.value for each in types.PositionEncodingKind]


def _capabilities(raw: Any) -> types.ClientCapabilities:
    """Read the capabilities that the server uses."""

    def dynamic(group: Any, name: str) -> bool:
        return flag(member(member(group, name), "dynamicRegistration"))

    listed = items(member(member(raw, "general"), "positionEncodings"))
    encodings = [each for each in listed if each in _ENCODINGS]
    inline = flag(member(member(raw, "textDocument"), "inlineCompletion"))
    workspace = member(raw, "workspace")
    synchronization = types.NotebookDocumentSyncClientCapabilities()
    has_notebooks = flag(member(raw, "notebookDocument"))
    return types.ClientCapabilities(
        general=types.GeneralClientCapabilities(position_encodings=encodings or None),
        text_document=types.TextDocumentClientCapabilities(
            inline_completion=types.InlineCompletionClientCapabilities() if inline else None
        ),
        notebook_document=types.NotebookDocumentClientCapabilities(synchronization)
        if has_notebooks
        else None,
        window=types.WindowClientCapabilities(
            work_done_progress=flag(member(member(raw, "window"), "workDoneProgress"))
        ),
        workspace=types.WorkspaceClientCapabilities(
            configuration=flag(member(workspace, "configuration")),
            did_change_configuration=types.DidChangeConfigurationClientCapabilities(
                dynamic_registration=dynamic(workspace, "didChangeConfiguration")
            ),
            did_change_watched_files=types.DidChangeWatchedFilesClientCapabilities(
                dynamic_registration=dynamic(workspace, "didChangeWatchedFiles")
            ),
        ),
        experimental=member(raw, "experimental"),
    )


def _inline_completion(raw: Any) -> types.InlineCompletionParams:
    document = member(raw, "textDocument")
    context = member(raw, "context")
    invoked = whole_number(member(context, "triggerKind")) == types.InlineCompletionTriggerKind.Invoked.value
    kinds = types.InlineCompletionTriggerKind
    return types.InlineCompletionParams(
        text_document=DocumentId(uri_of(document, "textDocument"), version_of(document)),  # type: ignore[arg-type]
        position=position(member(raw, "position"), "position"),
        context=types.InlineCompletionContext(
            trigger_kind=kinds.Invoked if invoked else kinds.Automatic,
            selected_completion_info=_selected(member(context, "selectedCompletionInfo")),
        ),
    )


def _selected(raw: Any) -> types.SelectedCompletionInfo | None:
    if raw is None:
        return None
    chosen = text(member(raw, "text"))
    if chosen is None:
        raise UnreadableError("selectedCompletionInfo.text must be a string")
    return types.SelectedCompletionInfo(
        range=span(member(raw, "range"), "selectedCompletionInfo.range"), text=chosen
    )


def _completion(raw: Any) -> types.CompletionParams:
    document = member(raw, "textDocument")
    context, kinds = member(raw, "context"), types.CompletionTriggerKind
    invoked = context is None or whole_number(member(context, "triggerKind")) == kinds.Invoked.value
    return types.CompletionParams(
        text_document=DocumentId(uri_of(document, "textDocument"), version_of(document)),  # type: ignore[arg-type]
        position=position(member(raw, "position"), "position"),
        context=types.CompletionContext(kinds.Invoked if invoked else kinds.TriggerCharacter),
    )


def _command(raw: Any) -> types.ExecuteCommandParams:
    command = text(member(raw, "command"))
    if command is None:
        raise UnreadableError("command must be a string")
    arguments = member(raw, "arguments")
    return types.ExecuteCommandParams(
        command=command, arguments=None if arguments is None else list(items(arguments))
    )


def _status(raw: Any) -> SimpleNamespace:
    named = uri(member(member(raw, "textDocument"), "uri"))
    return SimpleNamespace() if named is None else SimpleNamespace(textDocument=SimpleNamespace(uri=named))


def _anything(raw: Any) -> Any:
    """Return parameters that are not needed, or that their handler reads."""
    return raw


READERS: Mapping[str, Reader] = {
    types.INITIALIZE: _initialize,
    types.INITIALIZED: _anything,
    types.SHUTDOWN: _anything,
    types.EXIT: _anything,
    types.CANCEL_REQUEST: _cancel,
    types.SET_TRACE: _trace,
    types.WINDOW_WORK_DONE_PROGRESS_CANCEL: _cancel_progress,
    types.TEXT_DOCUMENT_DID_OPEN: _did_open,
    types.TEXT_DOCUMENT_DID_CHANGE: document_change,
    types.TEXT_DOCUMENT_DID_CLOSE: _identifier,
    types.TEXT_DOCUMENT_DID_SAVE: _did_save,
    types.NOTEBOOK_DOCUMENT_DID_OPEN: _notebook_opened,
    types.NOTEBOOK_DOCUMENT_DID_CHANGE: _notebook_changed,
    types.NOTEBOOK_DOCUMENT_DID_CLOSE: _notebook_closed,
    types.WORKSPACE_DID_CHANGE_CONFIGURATION: _configuration,
    types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS: _folders_changed,
    types.WORKSPACE_DID_CHANGE_WATCHED_FILES: _watched,
    types.WORKSPACE_EXECUTE_COMMAND: _command,
    types.TEXT_DOCUMENT_INLINE_COMPLETION: _inline_completion,
    types.TEXT_DOCUMENT_COMPLETION: _completion,
    "cg2ls/status": _status,
    "cg2ls/documents": _anything,
    "textDocument/didFocus": _anything,
    "textDocument/didShowCompletion": _anything,
    "textDocument/didPartiallyAcceptCompletion": _anything,
}
"""A reader for each method that the server takes."""
