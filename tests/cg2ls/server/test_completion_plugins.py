"""Completion menus of Neovim's plugins: the messages of nvim-cmp and blink.cmp, recorded with Neovim 0.12.4.

Recorded from nvim-cmp a1d5048 with cmp-nvim-lsp cbc7b02, and from blink.cmp 1.8.0 (73ea297b), with the plugin's setting
`show = 'menu'` and the shipped model. Both send the same edits and requests: each key is an "invoked" request, and
one change brings several keys.
"""

from __future__ import annotations

import pytest

URI = "file:///recorded/work.py"
TEXT = 'def show(lines):\n    """Prints lines with their numbers."""\n'
TYPED, REST = "for i, l", "ine in enumerate(lines):"
LINE, INDENT = 2, 4
AT_L = INDENT + len(TYPED)

COMPLETION = {
    "dynamicRegistration": False,
    "contextSupport": True,
    "completionItem": {
        "snippetSupport": True,
        "commitCharactersSupport": False,
        "deprecatedSupport": True,
        "preselectSupport": False,
        "tagSupport": {"valueSet": [1]},
        "insertReplaceSupport": True,
        "resolveSupport": {"properties": ["additionalTextEdits", "command", "documentation"]},
        "documentationFormat": ["markdown", "plaintext"],
        "labelDetailsSupport": True,
    },
    "completionItemKind": {"valueSet": list(range(1, 26))},
    "completionList": {"itemDefaults": ["editRange", "insertTextFormat", "insertTextMode", "data"]},
}
"""What both plugins say that they can do, without inline completion."""


def position(line: int, character: int) -> dict[str, int]:
    return {"line": line, "character": character}


@pytest.fixture
def neovim(start):
    """The server after the recorded messages up to the last key."""
    client = start("--stdio")
    client.initialize({"textDocument": {"completion": COMPLETION}})
    client.wait_for("window/logMessage", "ready")
    document = {"uri": URI, "languageId": "python", "version": 0, "text": TEXT}
    client.notify("textDocument/didOpen", {"textDocument": document})
    client.notify("textDocument/didFocus", {"textDocument": {"uri": URI}, "position": position(1, 0)})
    edits = [(position(1, 42), position(2, 0), 1, "\n    \n")]
    edits += [(position(LINE, INDENT + at),) * 2 + (0, key) for at, key in enumerate(TYPED)]
    for version, part in ((5, edits[:1]), (6, edits[1:2]), (10, edits[2:6]), (13, edits[6:])):
        changes = [
            {"range": {"start": first, "end": end}, "rangeLength": length, "text": text}
            for first, end, length, text in part
        ]
        identifier = {"uri": URI, "version": version}
        client.notify("textDocument/didChange", {"textDocument": identifier, "contentChanges": changes})
    return client


def menu(client, character: int, kind: int = 1) -> dict:
    return client.request(
        "textDocument/completion",
        {
            "textDocument": {"uri": URI},
            "position": position(LINE, character),
            "context": {"triggerKind": kind},
        },
    )


def test_both_menus_get_an_entry_that_replaces_the_word_before_the_cursor(neovim):
    found = menu(neovim, AT_L)
    assert found["isIncomplete"], "each key must ask again"
    (item,) = found["items"]
    text = TYPED[-1] + REST
    assert item["textEdit"] == {
        "newText": text,
        "range": {"start": position(LINE, AT_L - 1), "end": position(LINE, AT_L)},
    }
    assert item["filterText"] == text, "both keep an entry only if it begins with the typed word"
    assert item["insertTextFormat"] == 1, "both would read a snippet's $ and braces otherwise"
    assert item["label"] == text


def test_the_answer_holds_after_accepting_in_either_way(neovim):
    assert menu(neovim, AT_L)["items"]
    cut = {
        "range": {"start": position(LINE, AT_L - 1), "end": position(LINE, AT_L)},
        "rangeLength": 1,
        "text": "",
    }
    keys = [
        {"range": {"start": at, "end": at}, "rangeLength": 0, "text": key}
        for at, key in ((position(LINE, AT_L - 1 + n), key) for n, key in enumerate(TYPED[-1] + REST))
    ]
    identifier = {"uri": URI, "version": 14}
    # nvim-cmp takes the word back and types the entry; blink.cmp inserts the rest at once.
    neovim.notify("textDocument/didChange", {"textDocument": identifier, "contentChanges": [cut]})
    neovim.notify(
        "textDocument/didChange", {"textDocument": {"uri": URI, "version": 41}, "contentChanges": keys}
    )
    (found,) = neovim.request("cg2ls/documents", None)
    by_cmp = found["sha256"]
    taken = {"range": {"start": position(LINE, AT_L), "end": position(LINE, AT_L + len(REST))}, "text": ""}
    rest = {"range": {"start": position(LINE, AT_L), "end": position(LINE, AT_L)}, "text": REST}
    for version, change in ((42, taken), (43, rest)):
        neovim.notify(
            "textDocument/didChange",
            {"textDocument": {"uri": URI, "version": version}, "contentChanges": [change]},
        )
    (found,) = neovim.request("cg2ls/documents", None)
    assert found["known"]
    assert found["sha256"] == by_cmp
