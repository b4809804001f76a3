"""One document, from its text to the text to show, with an engine whose answer is known."""

from __future__ import annotations

import pytest

from cg2ls.completion import CompletionOptions, DocumentSession, Retrieval
from cg2ls.completion.confidence_gate import MIN_CONFIDENCE
from cg2ls.completion.options import OptionsError
from cg2ls.completion.session import DISABLEABLE_RULES, resolve_disabled_rules


def at(session, art: str, **more):
    """Complete at the ‸ of cursor art; `session` may be an engine."""
    if not isinstance(session, DocumentSession):
        session = DocumentSession(session, "python", more.pop("options", CompletionOptions()))
    return session.complete(art.replace("‸", ""), art.index("‸"), **more)


@pytest.mark.parametrize(
    ("art", "answer", "shown"),
    [
        ("x = ‸", "1\ny = 2\n", "1"),
        ("return va‸", "lue\n", "lue"),
        ("print(‸)", "a, b)\nnext", "a, b"),
        ("if x:‸\n", "\n    y = 1\n    z = 2\n\nw = 3", "\n    y = 1\n    z = 2"),
        ("def f():\n    ‸\n\n\nx = 1\n", "a = 1\n    return a\n\n\ndef g", "a = 1\n    return a"),
        ("x = 1‸", "\ny = 2", ""),
        ("    ‸\n    return x\n", "y = 1\n    return x\n    z\n", "y = 1"),
        ("x = ‸ + b\n", "a + b\n", "a"),
        ("x = ‸", "a)\n", "a"),
        ("x = ‸", "   \n", ""),
        ("x = ‸", "1<|endoftext|>more", "1"),
    ],
)
def test_an_answer_is_shown_up_to_its_end(scripted, art, answer, shown):
    found = at(scripted(answer), art)
    assert found.text == shown
    assert found.reason == ("shown" if shown else "empty")


@pytest.mark.parametrize(
    ("art", "answer", "max_tokens"),
    [
        ("x = ‸", "1\ny = 2\n" * 9, 4),
        ("if x:\n    ‸", "a\n\n" + "    b\n" * 9, 4),
        ("if x:\n    ‸", "a\nb" + "c" * 99, 4),
        ("x = ‸ + b\n", "a + b * c\n", 8),
    ],
)
def test_nothing_is_generated_after_the_shown_text(scripted, art, answer, max_tokens):
    engine = scripted(answer)
    found = at(engine, art)
    assert found.text
    assert engine.generated == found.tokens <= max_tokens


def test_the_prompt_is_the_anchored_infill_prompt(scripted):
    engine = scripted("lue")
    at(engine, "a = 1\nreturn va‸\nb = 2\n")
    assert engine.prompt == "|b = 2\n|||a = 1\nreturn"
    assert engine.requests[0].forced == b" va"


def test_a_causal_model_gets_only_the_text_before_the_cursor(scripted):
    engine = scripted("lue", objectives=("causal",))
    at(engine, "a = 1\nreturn va‸\nb = 2\n")
    assert engine.prompt == "a = 1\nreturn"
    at(engine, "‸\nb = 2\n", trigger="invoked")
    assert engine.prompt == "|"


def test_typing_only_appends_to_the_prompt(scripted):
    engine = scripted("x", anchor_max_tokens=200)
    session = DocumentSession(engine, "python")
    above, line, below = "a = 1\n" * 30, "value = compute(first, second", ")\nrest = 1\n"
    for typed in range(1, len(line)):
        at(session, f"{above}{line[:typed]}‸{below}")
    for earlier, later in zip(engine.requests, engine.requests[1:], strict=False):
        assert list(later.prompt[: len(earlier.prompt)]) == list(earlier.prompt)


def test_text_that_contains_a_closer_replaces_it(scripted):
    found = at(scripted("self, x):\n"), "def f(‸)\n")
    assert found.text == "self, x):"
    assert found.replace_end_offset == len("def f()")


def test_offsets_count_the_documents_own_line_ends(scripted):
    engine = scripted("1):\n")
    text = "a\r\nb\r\nf()\r\nc\r\n"
    found = DocumentSession(engine).complete(text, text.index(")"))
    assert found.replace_end_offset == text.index(")") + 1
    assert engine.prompt == "|c\n|||a\nb\nf"


def test_a_stopped_completion_shows_nothing(scripted):
    calls = iter([False] * 3 + [True] * 99)
    found = at(scripted("a long answer"), "x = ‸", stop=lambda: next(calls))
    assert (found.text, found.reason) == ("", "stopped")


def test_an_answer_cut_short_loses_its_unfinished_line(scripted):
    engine = scripted("a = 1\n    b = 2\n    c = 3\n")
    found = at(engine, "def f():\n    ‸", options=CompletionOptions(block_tokens=20))
    assert found.text == "a = 1\n    b = 2"


def test_max_lines_limits_a_block(scripted):
    engine = scripted("a\n    b\n    c\n    d\n")
    assert at(engine, "if x:\n    ‸", options=CompletionOptions(max_lines=2)).text == "a\n    b"


def test_an_invoked_block_may_have_single_blank_lines(scripted):
    answer = "a\n\n    b\n\n\n    c\n"
    assert at(scripted(answer), "if x:\n    ‸").text == "a"
    assert at(scripted(answer), "if x:\n    ‸", trigger="invoked").text == "a\n\n    b"


def test_characters_that_are_split_between_tokens_arrive_whole(scripted):
    assert at(scripted("'äöü €'\n"), "x = ‸").text == "'äöü €'"


def test_the_log_probability_is_that_of_the_shown_tokens(scripted):
    found = at(scripted("ab\n"), "x =‸")
    assert found.text == "ab"
    assert found.logprob == pytest.approx(-0.001 * len(" =ab"))


@pytest.mark.parametrize("context", [32, 64, 200])
def test_small_contexts_are_never_overfilled(scripted, context):
    engine = scripted("x\n", context_length=context)
    for art in ("a = 1\n" * 50 + "b = c‸\n" + "d\n" * 50, "x" * 500 + "‸"):
        at(engine, art)
        request = engine.requests[-1]
        assert len(request.prompt) + request.max_tokens < context


@pytest.mark.parametrize("offset", [-1, 4])
def test_an_offset_outside_of_the_text_raises_value_error(scripted, offset):
    with pytest.raises(ValueError, match="outside"):
        DocumentSession(scripted()).complete("abc", offset)


def test_a_suppressed_request_runs_no_model_and_names_the_reason(scripted):
    engine = scripted("x")
    found = at(engine, "a = 1;‸\n")
    assert (found.text, found.reason, found.source) == ("", "silent", "model")
    assert found.suppression.name == "after_statement"
    assert not engine.requests


def test_rules_can_be_disabled_and_those_that_cut_are_named(scripted):
    art, answer = "x = ‸", "1<eom>2\n"
    found = at(scripted(answer), art)
    assert (found.text, found.rules) == ("1", ("strip_special_tokens",))
    for name in ("strip_special_tokens", "marks"):
        found = at(scripted(answer), art, options=CompletionOptions(disabled_rules=frozenset({name})))
        assert (found.text, found.rules) == ("1<eom>2", ("limit_lines",))


def test_an_unknown_rule_raises_one_sentence(scripted):
    options = CompletionOptions(disabled_rules=frozenset({"mark"}))
    with pytest.raises(
        OptionsError, match=r"'mark', but no rule has this name; the rules are .*strip_special"
    ):
        DocumentSession(scripted(""), "python", options)


def test_every_rule_suppression_gate_and_reuse_can_be_disabled():
    assert resolve_disabled_rules(DISABLEABLE_RULES) == DISABLEABLE_RULES
    assert {"off", "confidence", "typed_through", "check_python"} < DISABLEABLE_RULES


def test_uncertain_text_is_not_shown_while_typing(scripted):
    engine = scripted("abcdefgh\n", logprob=-0.9)
    found = at(engine, "x =‸")
    assert (found.text, found.reason) == ("", "unsure")
    assert found.confidence < MIN_CONFIDENCE
    assert found.rules[-1] == "confidence"
    assert engine.generated < 8
    assert at(scripted("abcdefgh\n", logprob=-0.9), "x =‸", trigger="invoked").text == "abcdefgh"
    for options in (
        CompletionOptions(min_confidence=0),
        CompletionOptions(disabled_rules=frozenset({"confidence"})),
    ):
        assert at(scripted("abcdefgh\n", logprob=-0.9), "x =‸", options=options).text == "abcdefgh"


def test_a_prior_raises_the_confidence_threshold(scripted):
    art, answer = "x =‸", "ab\n"  # its confidence is 0.22
    for prior, options, shown in (
        (None, CompletionOptions(), "ab"),
        (object(), CompletionOptions(), ""),
        (object(), CompletionOptions(min_confidence=0.1), "ab"),
        (None, CompletionOptions(min_confidence=0.3), ""),
    ):
        engine = scripted(answer, logprob=-0.6)
        retrieval = Retrieval(lambda text, offset, prior=prior: prior)
        assert at(DocumentSession(engine, "python", options), art, retrieval=retrieval).text == shown


def test_the_confident_lines_of_a_block_are_shown(scripted):
    found = at(scripted("a = 1\n    b = 2\n    c = 3\n", logprob=-0.1), "def f():\n    ‸")
    assert (found.text, found.reason) == ("a = 1\n    b = 2", "shown")
