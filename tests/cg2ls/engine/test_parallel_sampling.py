"""Candidates equal answers that are sampled one by one."""

from __future__ import annotations

import pytest

from cg2ls.engine import Engine, EngineError, Request, parallel_sampling
from cg2ls.engine.parallel_sampling import ParallelSampling


def one_by_one(engine: Engine, request: Request, count: int) -> list[list[int]]:
    answers = []
    for index in range(count):
        single = Request(**{**request.__dict__, "seed": request.seed + index})
        answers.append([step.token for step in engine.complete(single)])
    return answers


def tokens(answers) -> list[list[int]]:
    return [[step.token for step in answer] for answer in answers]


@pytest.mark.parametrize("prompt_tokens", [1, 2, 40, 200])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_each_candidate_is_the_answer_to_its_own_seed(engine, words, prompt_tokens, count):
    request = Request(prompt=words(prompt_tokens), max_tokens=9, temperature=1.5, top_p=0.9, seed=3)
    assert tokens(engine.candidates(request, count)) == one_by_one(engine, request, count)


def test_candidates_begin_with_the_forced_bytes_and_differ(engine, words):
    request = Request(prompt=words(30), forced=b"wid", max_tokens=12, temperature=2.0)
    answers = engine.candidates(request, 4)
    assert all(b"".join(step.data for step in answer).startswith(b"wid") for answer in answers)
    assert len({tuple(answer) for answer in tokens(answers)}) > 1


def test_the_prompt_is_read_once_and_stays_read(engine, words):
    engine.candidates(Request(prompt=words(50), max_tokens=4, temperature=1.0), 3)
    assert engine.last.reused_tokens == 0
    engine.candidates(Request(prompt=words(52), max_tokens=4, temperature=1.0), 3)
    assert engine.last.reused_tokens == 50


def test_a_complete_answer_ends_while_others_continue(engine, words):
    request = Request(prompt=words(30), max_tokens=8, temperature=2.0, ignore_stop_tokens=True)
    lengths = iter((1, 3, 8))
    wanted = {}

    def is_complete(answer):
        return len(answer) >= wanted.setdefault(id(answer), next(lengths, 8))

    answers = engine.candidates(request, 3, is_complete=is_complete)
    assert [len(answer) for answer in answers] == [1, 3, 8]
    single = one_by_one(engine, request, 3)
    assert tokens(answers) == [single[0][:1], single[1][:3], single[2]]


def test_stopping_returns_the_answers_so_far(engine, words):
    left = iter([False] * 4)
    answers = engine.candidates(
        Request(prompt=words(30), max_tokens=8, temperature=2.0, ignore_stop_tokens=True),
        2,
        lambda: next(left, True),
    )
    assert [len(answer) for answer in answers] == [4, 4]
    assert engine.last.ended == "cancelled"


def test_candidates_are_decoded_one_by_one_where_a_cache_cannot_be_copied(engine, words, monkeypatch):
    request = Request(prompt=words(30), max_tokens=6, temperature=1.5)
    expected = tokens(engine.candidates(request, 3))
    monkeypatch.setattr(ParallelSampling, "_is_batched", False)
    assert tokens(engine.candidates(request, 3)) == expected


def test_too_many_candidates_for_the_memory_are_reported_and_the_next_request_is_answered(
    engine, words, monkeypatch
):
    def full(*_: object, **__: object) -> None:
        raise MemoryError("std::bad_alloc")

    request = Request(prompt=words(30), max_tokens=6, temperature=1.5)
    with monkeypatch.context() as patched:
        patched.setattr(parallel_sampling, "KVBuffers", full)
        with pytest.raises(EngineError, match="no memory for 64 answers"):
            engine.candidates(request, 64)
    assert len(engine.candidates(request, 2)) == 2


def test_zero_candidates_are_refused(engine):
    with pytest.raises(EngineError, match="number of candidates is 0"):
        engine.candidates(Request(prompt=[1]), 0)
