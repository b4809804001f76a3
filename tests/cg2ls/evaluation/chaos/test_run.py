"""Losses of a server are found, shown by one that loses messages on purpose."""

from __future__ import annotations

import pytest


def test_a_server_that_loses_nothing_passes(play):
    found = play("none")
    assert found.describe_problems() == ""
    assert found.keys == 300
    assert found.requests == found.answered > 300
    assert found.unanswered == []
    assert found.compared > 15
    assert found.fitted >= 300
    assert len(found.events) > 8


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("loses", "requests have no answer: textDocument/inlineCompletion"),
        ("diverges", "the server has another text"),
        ("forgets", "the server has no such document"),
        ("stubborn", "the server does not take it back"),
        (
            "dies",
            "The server closed its output and ended with status 7. Its last lines on stderr: a last word",
        ),
        ("lies", "requested at"),
        ("refuses", "error -32603: a fault inside"),
        ("status", "The server ended with status 3"),
    ],
)
def test_loss_is_a_problem(play, fault, says):
    found = play(fault, patience_s=5.0 if fault == "loses" else 300.0)
    assert says in found.describe_problems()


def test_a_server_that_hangs_is_lost_after_the_patience(play):
    found = play("hangs", patience_s=1.0)
    assert "sent nothing for 1 seconds" in found.died
    assert found.unanswered == ["textDocument/inlineCompletion"]


def test_unknown_text_gets_no_completions_until_it_is_sent(play):
    found = play("unknown")
    assert found.describe_problems() == ""
    assert found.silenced["text unknown: the test asked for it"] == 1


def test_without_the_servers_texts_nothing_is_compared(play):
    found = play("untold")
    assert found.describe_problems() == ""
    assert found.compared == 0


def test_a_seed_repeats_keys_and_events(play):
    one, same, other = (play("none", keys=120, seed=seed) for seed in (3, 3, 4))
    assert (one.requests, one.events) == (same.requests, same.events)
    assert (one.requests, one.events) != (other.requests, other.events)
