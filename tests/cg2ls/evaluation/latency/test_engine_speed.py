"""Engines are measured in turns."""

from __future__ import annotations

from itertools import pairwise

import pytest

from cg2ls.errors import EvaluationError
from cg2ls.evaluation.latency.engine_speed import REST_S, Prompts, Workload, measure_engines


class Fake:
    """A worker whose first token takes as many ms as its prompt has tokens, and every other `step` ms."""

    def __init__(self, name, step, log):
        self.name = name
        self._step = step
        self._log = log

    def generate(self, prompt, tokens):
        self._log.append((self.name, tuple(prompt)))
        return self._timed(len(prompt), tokens)

    def answer_key(self, prompt, key, tokens):
        self._log.append((self.name, (*prompt, key)))
        return self._timed(1, tokens)

    def _timed(self, first, tokens):
        times = [first + self._step * number for number in range(tokens)]
        outside = 0.25 if self.name == "fast" else None
        if self.name == "served":  # Python has all tokens at once
            return {"ms": [99] * tokens, "reported_ms": times, "tokens": [5] * tokens, "outside_ms": None}
        return {"ms": times, "tokens": [5] * tokens, "outside_ms": outside}


@pytest.fixture
def log():
    return []


@pytest.fixture
def rests():
    return []


@pytest.fixture
def measured(log, rests):
    work = Workload(contexts=(8, 32), decode_tokens=10, answer_tokens=4, rounds=3)
    fakes = [Fake("fast", 2, log), Fake("slow", 4, log)]
    return measure_engines(fakes, work, Prompts(300, 0), rest=rests.append)


def test_the_round_that_warms_up_is_not_counted(measured):
    assert measured["fast"].prefill_ms == {8: [8] * 3, 32: [32] * 3}
    assert len(measured["fast"].first_tokens) == 6


def test_the_rate_leaves_the_prompt_out(measured):
    assert measured["fast"].decode_tokens_per_s == {8: [500] * 3, 32: [500] * 3}
    assert measured["slow"].decode_tokens_per_s == {8: [250] * 3, 32: [250] * 3}


def test_a_key_is_timed_up_to_the_last_token_of_its_answer(measured):
    assert measured["slow"].key_to_answer_ms[8] == [1 + 3 * 4] * 3


def test_a_runtimes_own_times_count_if_it_reports_them(log, rests):
    work = Workload(contexts=(8,), decode_tokens=10, answer_tokens=4, rounds=1)
    found = measure_engines([Fake("served", 2, log)], work, Prompts(300, 0), rest=rests.append)["served"]
    assert found.prefill_ms == {8: [8]}
    assert found.decode_tokens_per_s == {8: [500]}
    assert found.key_to_answer_ms == {8: [1 + 3 * 2]}


def test_time_outside_of_the_runtime_is_used_if_an_engine_reports_it(measured):
    assert measured["fast"].outside_ms == {8: [0.25] * 3, 32: [0.25] * 3}
    assert not measured["slow"].outside_ms


def test_all_engines_get_the_same_prompts(measured, log):
    assert [prompt for name, prompt in log if name == "fast"] == [
        prompt for name, prompt in log if name == "slow"
    ]


def test_engines_take_turns_and_change_who_begins(measured, log):
    turns = [name for index, (name, _) in enumerate(log) if index % 3 == 0]
    assert turns == ["fast", "slow"] * 2 + ["slow", "fast"] * 2 + ["fast", "slow"] * 2 + ["slow", "fast"] * 2


def test_every_turn_begins_with_a_rest(measured, rests):
    assert rests == [REST_S] * 16


def test_contexts_leave_room_to_decode():
    assert Workload(decode_tokens=64).fit_to(2048).contexts == (64, 512, 1024)
    assert Workload(decode_tokens=64).fit_to(1024).contexts == (64, 512, 958)
    assert Workload(decode_tokens=64).fit_to(256).contexts == (64, 190)


def test_ratios_without_a_number_use_the_context_nearest_to_512():
    assert Workload().main_context == 512
    assert Workload(contexts=(64, 190)).main_context == 190


def test_a_context_without_room_is_an_error():
    with pytest.raises(EvaluationError, match="lower --decode-tokens"):
        Workload(decode_tokens=64).fit_to(66)


@pytest.mark.parametrize(
    "wrong", [{"rounds": 0}, {"decode_tokens": 0}, {"contexts": ()}, {"contexts": (1, 64)}]
)
def test_impossible_numbers_are_named(wrong):
    with pytest.raises(EvaluationError, match=next(iter(wrong))):
        Workload(**wrong)


def test_prompts_are_ordinary_tokens_and_repeatable():
    prompts = [Prompts(300, seed=3).draw_prompt(40) for _ in range(2)]
    assert prompts[0] == prompts[1]
    assert len(prompts[0]) == 40
    assert all(0 <= token < 300 for token in prompts[0])


def test_no_prompt_begins_as_the_one_before():
    prompts = Prompts(5, seed=0)
    firsts = [prompts.draw_prompt(4)[0] for _ in range(20)]
    assert all(one != next_one for one, next_one in pairwise(firsts))
