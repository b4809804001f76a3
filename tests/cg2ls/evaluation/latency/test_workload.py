"""What is measured."""

from __future__ import annotations

from itertools import pairwise

import pytest

from cg2ls.evaluation.errors import BenchError
from cg2ls.evaluation.latency.workload import Prompts, Workload


def test_contexts_leave_room_to_decode():
    assert Workload(decode_tokens=64).fitted(2048).contexts == (64, 512, 1024)
    assert Workload(decode_tokens=64).fitted(1024).contexts == (64, 512, 958)
    assert Workload(decode_tokens=64).fitted(256).contexts == (64, 190)


def test_unnamed_ratios_are_taken_nearest_to_512():
    assert Workload().main_context == 512
    assert Workload(contexts=(64, 190)).main_context == 190


def test_a_context_without_room_is_an_error():
    with pytest.raises(BenchError, match="lower --decode-tokens"):
        Workload(decode_tokens=64).fitted(66)


@pytest.mark.parametrize(
    "wrong", [{"rounds": 0}, {"decode_tokens": 0}, {"contexts": ()}, {"contexts": (1, 64)}]
)
def test_impossible_numbers_are_named(wrong):
    with pytest.raises(BenchError, match=next(iter(wrong))):
        Workload(**wrong)


def test_prompts_are_ordinary_tokens_and_repeatable():
    prompts = [Prompts(300, seed=3).take(40) for _ in range(2)]
    assert prompts[0] == prompts[1]
    assert len(prompts[0]) == 40
    assert all(0 <= token < 300 for token in prompts[0])


def test_no_prompt_begins_as_the_one_before():
    prompts = Prompts(5, seed=0)
    firsts = [prompts.take(4)[0] for _ in range(20)]
    assert all(one != next_one for one, next_one in pairwise(firsts))
