"""A prior takes part in every choice, and is asked about the answer so far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from cg2ls.engine import EngineError, Request

Scores = np.ndarray


def log_softmax(logits: Scores) -> Scores:
    shifted = logits - logits.max()
    return shifted - np.log(np.exp(shifted).sum())


class Only:
    """Knows the answer: nearly all mass on one token after the other, the model's opinion on the rest."""

    def __init__(self, answer: Sequence[int], sure: float = 0.9) -> None:
        self.answer = answer
        self.sure = sure
        self.asked: list[list[int]] = []

    def mix(self, generated: Sequence[int], logits: Scores) -> Scores:
        self.asked.append(list(generated))
        mixed = np.exp(log_softmax(logits)) * (1 - self.sure)
        mixed[self.answer[len(generated) % len(self.answer)]] += self.sure
        return np.log(mixed).astype(np.float32)

    def draft(self, generated: Sequence[int], most: int) -> Sequence[int]:
        return self.answer[len(generated) : len(generated) + most]


def test_the_prior_chooses_and_its_log_probability_is_reported(engine, words):
    answer = engine.tokenizer.encode("the prior's own words")
    prior = Only(answer)
    steps = list(engine.complete(Request(prompt=words(10), prior=prior, max_tokens=len(answer))))
    assert [step.token for step in steps] == answer
    assert all(np.log(0.9) <= step.logprob <= 0 for step in steps)
    assert [] in prior.asked
    assert answer[:2] in prior.asked


def test_a_prior_that_says_nothing_changes_nothing(engine, words):
    class Silent:
        def mix(self, generated: Sequence[int], logits: Scores) -> Scores:
            return log_softmax(logits)

        def draft(self, generated: Sequence[int], most: int) -> Sequence[int]:
            return ()

    plain = list(engine.complete(Request(prompt=words(30), max_tokens=12)))
    mixed = list(engine.complete(Request(prompt=words(30), max_tokens=12, prior=Silent())))
    assert [step.token for step in plain] == [step.token for step in mixed]
    assert [step.logprob for step in plain] == pytest.approx([step.logprob for step in mixed], abs=1e-4)


def test_healing_holds_for_what_the_prior_says_too(engine, words):
    prior = Only(engine.tokenizer.encode("something else"))
    steps = list(engine.complete(Request(prompt=words(10), forced=b"return", prior=prior, max_tokens=8)))
    assert b"".join(step.data for step in steps).startswith(b"return")


def test_a_prior_without_numbers_is_an_error(engine, words):
    prior = Only([3], sure=float("nan"))
    with pytest.raises(EngineError, match="no finite numbers"):
        list(engine.complete(Request(prompt=words(10), prior=prior)))
