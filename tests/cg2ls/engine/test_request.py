"""A prior takes part in every choice and is called with the answer so far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from cg2ls.engine import Request, RequestError
from cg2ls.engine.request import GuardedPrior

Scores = np.ndarray


def log_softmax(logits: Scores) -> Scores:
    shifted = logits - logits.max()
    return shifted - np.log(np.exp(shifted).sum())


class Only:
    """Prior with most of the mass on the tokens of a known answer."""

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


def test_empty_prior_changes_nothing(engine, words):
    class Silent:
        def mix(self, generated: Sequence[int], logits: Scores) -> Scores:
            return log_softmax(logits)

        def draft(self, generated: Sequence[int], most: int) -> Sequence[int]:
            return ()

    plain = list(engine.complete(Request(prompt=words(30), max_tokens=12)))
    mixed = list(engine.complete(Request(prompt=words(30), max_tokens=12, prior=Silent())))
    assert [step.token for step in plain] == [step.token for step in mixed]
    assert [step.logprob for step in plain] == pytest.approx([step.logprob for step in mixed], abs=1e-4)


def test_healing_applies_to_the_prior_too(engine, words):
    prior = Only(engine.tokenizer.encode("something else"))
    steps = list(engine.complete(Request(prompt=words(10), forced=b"return", prior=prior, max_tokens=8)))
    assert b"".join(step.data for step in steps).startswith(b"return")


def test_a_prior_without_numbers_is_an_error(engine, words):
    prior = Only([3], sure=float("nan"))
    with pytest.raises(RequestError, match="no finite numbers"):
        list(engine.complete(Request(prompt=words(10), prior=prior)))


class Failing(Only):
    """Prior that raises or returns invalid results after a number of tokens."""

    def __init__(self, answer: Sequence[int], after: int, how: str) -> None:
        super().__init__(answer)
        self.after = after
        self.how = how

    def mix(self, generated: Sequence[int], logits: Scores) -> Scores:
        if len(generated) < self.after or "draft" in self.how:
            return super().mix(generated, logits)
        if self.how == "raises":
            raise KeyError("the repository's own text")
        return {"no numbers": logits * np.nan, "no distribution": logits[:3], "nothing": None}[self.how]

    def draft(self, generated: Sequence[int], most: int) -> Sequence[int]:
        if len(generated) < self.after or "draft" not in self.how:
            return super().draft(generated, most)
        if self.how == "draft raises":
            raise KeyError("the repository's own text")
        return [10**6]


WAYS = ["raises", "no numbers", "no distribution", "nothing", "draft raises", "draft of no token"]


@pytest.mark.parametrize("after", [0, 3])
@pytest.mark.parametrize("how", WAYS)
def test_a_failed_guarded_prior_is_ignored_for_the_rest_of_the_answer(engine, words, how, after):
    written = engine.tokenizer.encode("the prior's own words")[:5]
    prior = Failing(written, after, how)
    guarded = GuardedPrior(prior, engine.tokenizer.special.vocab_size)
    steps = list(engine.complete(Request(prompt=words(30), prior=guarded, max_tokens=8)))
    assert guarded.failure is not None
    assert len(steps) == 8 or engine.last.ended == "stop token"
    assert [step.token for step in steps][:after] == written[:after]
    assert all(step.logprob <= 0 for step in steps)


@pytest.mark.parametrize("after", [0, 1, 4])
def test_the_next_answer_is_right_after_a_prior_raised_in_the_decode_loop(engine, words, uncached, after):
    request = Request(prompt=words(40), max_tokens=12)
    prior = Failing(engine.tokenizer.encode("the prior's own words"), after, "raises")
    with pytest.raises(KeyError):
        list(engine.complete(Request(prompt=words(40), prior=prior, max_tokens=12)))
    with pytest.raises(KeyError):
        engine.candidates(Request(prompt=words(40), prior=prior, max_tokens=12), 2)
    assert list(engine.complete(request)) == uncached(request)
    assert list(engine.complete(request)) == uncached(request)


def test_the_next_answer_is_right_after_a_callback_raised(engine, words, uncached):
    def fails(_: object) -> bool:
        raise KeyError("a rule's")

    request = Request(prompt=words(40), max_tokens=12)
    with pytest.raises(KeyError):
        engine.candidates(Request(prompt=words(40), temperature=0.8), 3, is_complete=fails)
    assert list(engine.complete(request)) == uncached(request)
