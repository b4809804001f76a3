"""Beam search equals a plain search over all rows; one beam is greedy decoding."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cg2ls.engine import Engine, Request, RequestError
from cg2ls.engine import beam_search as module
from cg2ls.engine.beam_search import BeamOptions, Hypothesis
from cg2ls.engine.request import log_softmax
from cg2ls.engine.sampler import pick_best


class Recorder:
    """A prior that keeps the model's log-probabilities."""

    def __init__(self) -> None:
        self.logprobs = None

    def mix(self, generated, logits):
        self.logprobs = log_softmax(logits.copy())
        return self.logprobs

    def draft(self, generated, max_tokens):
        return ()


class Favouring:
    """A prior that prefers some tokens after some tokens."""

    def mix(self, generated, logits):
        mixed = logits.copy()
        mixed[(7 * len(generated) + 11) % len(mixed)] += 4
        return log_softmax(mixed)

    def draft(self, generated, max_tokens):
        return ()


def logprobs_after(engine: Engine, prompt: list[int]) -> np.ndarray:
    recorder = Recorder()
    list(engine.complete(Request(prompt=prompt, max_tokens=1, prior=recorder)))
    return recorder.logprobs


def plain_search(engine: Engine, request: Request, width: int) -> list[tuple[list[int], float]]:
    """Search with every hypothesis read from the beginning, and without ending early."""
    live: list[tuple[float, list[int]]] = [(0.0, [])]
    done: list[tuple[float, list[int]]] = []
    special, spell = engine.tokenizer.special, engine.tokenizer.token_bytes
    for _ in range(request.max_tokens):
        found = []
        for score, row in live:
            logprobs = logprobs_after(engine, [*request.prompt, *row])
            found += [(score + float(value), [*row, token]) for token, value in enumerate(logprobs)]
        found.sort(key=lambda each: -each[0])
        live, spelled = [], set()
        for score, row in found:
            data = b"".join(spell[token] for token in row)
            if len(live) == width:
                break
            if special.is_stop(row[-1]):
                done.append((score, row[:-1]))
            elif data not in spelled:
                spelled.add(data)
                live.append((score, row))
    done.sort(key=lambda each: -each[0])
    return [(row, score) for score, row in done + live]


def tokens(found: Hypothesis) -> list[int]:
    return [step.token for step in found.steps]


@pytest.mark.parametrize("prompt_tokens", [1, 2, 40, 200])
@pytest.mark.parametrize("width", [2, 4])
def test_it_finds_what_a_plain_search_finds(engine, words, prompt_tokens, width):
    request = Request(prompt=words(prompt_tokens), max_tokens=4)
    found = engine.search(request, BeamOptions(width=width))
    wanted = plain_search(engine, request, width)
    if sum(each.is_finished for each in found) < width:  # otherwise it may end early
        assert [tokens(each) for each in found] == [row for row, _ in wanted]
    assert tokens(found[0]) == wanted[0][0]
    scores = [score for _, score in wanted][: len(found)]
    assert [each.logprob for each in found] == pytest.approx(scores, abs=1e-3)
    for each in found:
        if not each.is_finished:
            assert each.logprob == pytest.approx(math.fsum(step.logprob for step in each.steps))


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_one_beam_is_greedy_decoding_to_the_bit(open_engine, data):
    engine, text = open_engine
    size = data.draw(st.integers(1, 120))
    request = Request(
        prompt=text[:size],
        forced=data.draw(st.sampled_from([b"", b"wid", b" ", b"he", b"=", b"    re"])),
        max_tokens=data.draw(st.integers(1, 12)),
        prior=data.draw(st.sampled_from([None, Favouring()])),
        ignore_stop_tokens=data.draw(st.booleans()),
    )
    steps = list(engine.complete(request))
    (found,) = engine.search(request, BeamOptions(width=1))
    assert list(found.steps) == steps
    limit = data.draw(st.integers(1, 12))
    (cut,) = engine.search(request, BeamOptions(width=1, is_complete=lambda steps: len(steps) >= limit))
    assert list(cut.steps) == steps[:limit]


@pytest.fixture(scope="module")
def open_engine(tiny_model):
    with Engine.open(tiny_model, threads=1) as opened:
        yield opened, opened.tokenizer.encode("def area(width, height):\n    return width * height\n\n" * 20)


@pytest.mark.parametrize("forced", [b"wid", b" ", b"    return he"])
def test_all_begin_with_the_forced_bytes_and_are_different(engine, words, forced):
    request = Request(prompt=words(30), forced=forced, max_tokens=16)
    found = engine.search(request, BeamOptions(width=4))
    assert all(each.data.startswith(forced) for each in found)
    assert len({each.data for each in found}) == len(found) > 1


def test_the_same_search_gives_the_same_result(engine, words):
    request = Request(prompt=words(60), max_tokens=8, prior=Favouring())
    first = engine.search(request, BeamOptions(width=4))
    assert engine.search(request, BeamOptions(width=4)) == first


def test_rows_that_are_read_again_give_the_same_hypotheses(engine, words, monkeypatch):
    request = Request(prompt=words(60), max_tokens=8, prior=Favouring())
    batched = engine.search(request, BeamOptions(width=4))

    class Elsewhere:
        memory = "cuda"

    monkeypatch.setattr(module, "PROVIDERS", {"cpu": Elsewhere})
    again = engine.search(request, BeamOptions(width=4))
    assert [tokens(each) for each in again] == [tokens(each) for each in batched]
    assert [each.logprob for each in again] == pytest.approx([each.logprob for each in batched], abs=1e-3)


def test_complete_answers_come_first_and_use_no_beam(engine, words):
    request = Request(prompt=words(40), max_tokens=6, ignore_stop_tokens=True)
    options = BeamOptions(width=3, is_complete=lambda steps: len(steps) >= 2 and steps[-1].token % 2 == 0)
    found = engine.search(request, options)
    finished = [each for each in found if each.is_finished]
    assert finished == found[: len(finished)]
    assert all(each.steps[-1].token % 2 == 0 for each in finished)
    assert all(one.logprob >= other.logprob for one, other in itertools.pairwise(finished))


def test_answers_with_the_same_key_are_merged_and_their_probabilities_added(engine, words):
    request = Request(prompt=words(40), max_tokens=3, ignore_stop_tokens=True)
    options = BeamOptions(width=3, is_complete=lambda steps: len(steps) == 2)
    apart = [each for each in engine.search(request, options) if each.is_finished]
    merged = engine.search(
        request, BeamOptions(width=3, is_complete=lambda steps: len(steps) == 2, key_of=lambda _: "all")
    )[0]
    assert merged.steps == apart[0].steps
    assert merged.logprob >= np.logaddexp.reduce([each.logprob for each in apart]) - 1e-4
    assert merged.logprob <= 0


def test_unlikely_hypotheses_are_dropped(engine, words):
    request = Request(prompt=words(40), max_tokens=4, ignore_stop_tokens=True)
    found = engine.search(request, BeamOptions(width=4, max_gap=1e-6))
    assert len(found) == 1
    assert tokens(found[0]) == tokens(engine.search(request, BeamOptions(width=1))[0])


def test_at_the_end_of_the_context_unfinished_hypotheses_remain(engine, words):
    request = Request(prompt=words(engine.context_length - 3), max_tokens=20, ignore_stop_tokens=True)
    found = engine.search(request, BeamOptions(width=4))
    assert [len(each.steps) for each in found] == [3] * 4


def test_stopping_returns_the_hypotheses_so_far(engine, words):
    request = Request(prompt=words(40), max_tokens=20, ignore_stop_tokens=True)
    calls = iter([False, False, False])
    found = engine.search(request, BeamOptions(width=2), lambda: next(calls, True))
    assert 0 < len(found[0].steps) < 20
    assert engine.last.ended == "cancelled"
    assert engine.search(request, BeamOptions(width=2), lambda: True) == []


def test_it_ends_at_the_time_limit(engine, words, monkeypatch):
    monkeypatch.setattr("cg2ls.engine.engine.Deadline.allows", lambda *_: False)
    found = engine.search(Request(prompt=words(40), max_tokens=20, time_limit_ms=1), BeamOptions(width=2))
    assert engine.last.ended == "time"
    assert {len(each.steps) for each in found if not each.is_finished} <= {1}


def test_the_prompt_stays_cached(engine, words):
    request = Request(prompt=words(50), max_tokens=5)
    engine.search(request, BeamOptions(width=3))
    list(engine.complete(Request(prompt=words(52), max_tokens=2)))
    assert engine.last.reused_tokens == 50


class Broken:
    def mix(self, generated, logits):
        return np.full_like(logits, np.nan)

    def draft(self, generated, max_tokens):
        return ()


@pytest.mark.parametrize("width", [1, 3])
def test_numbers_that_are_not_finite_are_refused(engine, words, width):
    request = Request(prompt=words(10), max_tokens=3, prior=Broken())
    with pytest.raises(RequestError, match="no finite numbers"):
        engine.search(request, BeamOptions(width=width))


class Level:
    """All tokens are equally likely."""

    def mix(self, generated, logits):
        return np.full_like(logits, -math.log(len(logits)))

    def draft(self, generated, max_tokens):
        return ()


def test_ties_are_ordered_by_token(engine, words):
    request = Request(prompt=words(10), max_tokens=1, prior=Level(), ignore_stop_tokens=True)
    assert [tokens(each) for each in engine.search(request, BeamOptions(width=3))] == [[0], [1], [2]]


@pytest.mark.parametrize("bad", [{"width": 0}, {"width": 2, "max_gap": 0}, {"width": 2, "max_gap": math.nan}])
def test_bad_options_are_refused(bad):
    with pytest.raises(RequestError):
        BeamOptions(**bad)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.integers(1, 14))
def test_pick_best_is_a_stable_sort(scores, count):
    wanted = sorted(range(len(scores)), key=lambda place: (-scores[place], place))[:count]
    assert pick_best(np.array(scores, np.float32), count).tolist() == wanted
