"""Cancelled and superseded requests, with an engine that never ends by itself."""

from __future__ import annotations

import pytest

URI = "file:///a.py"


def lines(client, count: int) -> list[bytes]:
    """The engine's next line on stderr; it prints `decoding` once it generates."""
    return [client.process.stderr.readline().strip() for _ in range(count)]


def test_a_cancelled_request_is_answered_as_such_and_stops_decoding(slow, lsp):
    client = slow()
    request = client.send_inline(URI, 0, 4)
    assert lines(client, 2) == [b"opened", b"decoding"]
    client.notify("$/cancelRequest", {"id": request})
    with pytest.raises(lsp.ResponseError) as caught:
        client.wait(request)
    assert caught.value.code == -32800
    assert lines(client, 1) == [b"decoding stopped"]


def test_a_newer_request_of_the_document_ends_the_older_with_null(slow):
    client = slow()
    older = client.send_inline(URI, 0, 4)
    newer = client.send_inline(URI, 1, 4)
    assert client.wait(older) is None
    client.change(URI, 2, {"text": "quick\nb = "})
    newest = client.send_inline(URI, 1, 4)
    assert client.wait(newer) is None
    assert client.wait(newest)["items"][0]["insertText"] == "x"


def test_a_request_is_about_the_document_as_it_was_then(slow):
    client = slow()
    client.change(URI, 2, {"text": "quick\nb = "})
    request = client.send_inline(URI, 1, 4)
    client.change(URI, 3, {"text": ""})
    assert client.wait(request)["items"][0]["range"]["start"] == {"line": 1, "character": 4}


def test_closing_the_document_ends_its_request_with_null(slow):
    client = slow()
    request = client.send_inline(URI, 0, 4)
    client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
    assert client.wait(request) is None


def test_the_server_answers_other_things_while_it_decodes(slow, lsp):
    client = slow()
    request = client.send_inline(URI, 0, 4)
    assert lines(client, 2)[-1] == b"decoding"
    with pytest.raises(lsp.ResponseError):
        client.request("textDocument/hover", {"textDocument": {"uri": URI}})
    client.notify("$/cancelRequest", {"id": request})
    with pytest.raises(lsp.ResponseError) as caught:
        client.wait(request)
    assert caught.value.code == -32800, "it was still decoding"


def test_shutdown_does_not_wait_for_decoding(slow):
    client = slow()
    client.send_inline(URI, 0, 4)
    assert lines(client, 2)[-1] == b"decoding"
    assert client.leave() == 0
    assert b"Traceback" not in client.process.stderr.read()
