"""An engine that fails."""

from __future__ import annotations

URI = "file:///a.py"


def break_it(client, version: int, uri: str = URI) -> None:
    client.change(uri, version, {"text": "broken\nb = "})
    assert client.inline(uri, 1, 4) is None


def mend_it(client, version: int) -> dict | None:
    client.change(URI, version, {"text": "quick\nb = "})
    return client.inline(URI, 1, 4)


def test_a_failed_engine_is_opened_again_with_one_message(slow):
    client = slow()
    client.notifications.clear()
    break_it(client, 2)
    assert "is opened again" in client.wait_for("window/logMessage", "RuntimeError")["message"]
    client.wait_for("window/logMessage", "slow is ready")
    assert mend_it(client, 3)["items"]
    assert "window/showMessage" not in [name for name, _ in client.notifications]


def test_an_engine_that_breaks_for_two_documents_is_left_closed_until_a_restart(slow):
    client = slow()
    client.notifications.clear()
    client.open("file:///b.py", "")
    break_it(client, 2)
    client.wait_for("window/logMessage", "slow is ready")
    break_it(client, 3, "file:///b.py")
    assert "failed again" in client.wait_for("window/showMessage")["message"]
    assert client.request("cg2ls/status", {})["state"] == "failed"
    assert mend_it(client, 4) is None
    client.notifications.clear()
    client.request("workspace/executeCommand", {"command": "cg2ls.server.restart"})
    client.wait_for("window/logMessage", "slow is ready")
    assert mend_it(client, 5)["items"]


def test_an_engine_that_breaks_for_one_document_only_answers_others(slow):
    client = slow()
    client.open("file:///b.py", "quick\nb = ")
    for version in (2, 3):
        client.notifications.clear()
        break_it(client, version)
        client.wait_for("window/logMessage", "slow is ready")
    assert client.inline(URI, 1, 4) == {"items": []}
    assert client.request("cg2ls/status", {"textDocument": {"uri": URI}})["cause"] == "left_alone"
    assert client.inline("file:///b.py", 1, 4)["items"]
    assert mend_it(client, 4)["items"]


def test_an_engine_that_breaks_again_and_again_is_left_closed(slow):
    client = slow()
    for version in (2, 3):
        client.notifications.clear()
        break_it(client, version)
        client.wait_for("window/logMessage", "slow is ready")
    break_it(client, 4)
    assert "failed again" in client.wait_for("window/showMessage")["message"]


def test_an_engine_that_answered_in_between_gets_another_chance(slow):
    client = slow()
    for version in (2, 4):
        client.notifications.clear()
        break_it(client, version)
        client.wait_for("window/logMessage", "slow is ready")
        assert mend_it(client, version + 1)["items"]


def test_no_text_of_the_users_reaches_the_log(slow):
    client = slow()
    break_it(client, 2)
    client.leave()
    log = client.process.stderr.read()
    assert b"RuntimeError" in log
    assert b"the user's own code" not in log


def test_a_model_without_fitted_numbers_says_once_that_the_defaults_are_used(slow):
    client = slow()
    for version in (2, 3):
        assert mend_it(client, version)["items"]
    said = [str(params) for _, params in client.notifications if "no fitted numbers" in str(params)]
    assert len(said) == 1
    assert "cg2ls models fit-choice" in said[0]
