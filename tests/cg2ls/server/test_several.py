"""Several completions to choose from, for explicit requests."""

from __future__ import annotations

import pytest

URI = "file:///a.py"


def texts(client, trigger):
    client.change(URI, 2, {"text": "quick\nb = "})
    return [item["insertText"] for item in client.inline(URI, 1, 4, trigger=trigger)["items"]]


def test_explicit_request_gets_several_and_typing_gets_one(slow):
    assert texts(slow(), 1) == ["x", "y", "z"]
    assert texts(slow(), 2) == ["x"]


def test_asking_again_finds_them_without_the_model(slow):
    client = slow()
    assert texts(client, 1) == ["x", "y", "z"]
    assert texts(client, 1) == ["x", "y", "z"]


@pytest.mark.parametrize(("option", "count"), [(1, 1), (2, 2), (8, 3)])
def test_option_sets_the_number(slow, option, count):
    client = slow()
    client.notify("workspace/didChangeConfiguration", {"settings": {"cg2ls": {"candidates": option}}})
    assert len(texts(client, 1)) == count
