"""Classifier-free guidance: logits are led away from a lesser prompt's, in a context of its own."""

from __future__ import annotations

import numpy as np
import pytest

from cg2ls.engine import Engine, EngineError, EngineOptions, Guidance, Request


class Logits:
    """A prior that changes nothing and keeps the logits it saw."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def mix(self, generated, logits):
        self.seen.append(logits.copy())
        shifted = logits - logits.max()
        return shifted - np.log(np.exp(shifted).sum())

    def draft(self, generated, most):
        return ()


def logits_after(engine: Engine, prompt: list[int]) -> np.ndarray:
    prior = Logits()
    list(engine.complete(Request(prompt=prompt, max_tokens=1, prior=prior)))
    return prior.seen[0]


@pytest.mark.parametrize("scale", [0.0, 1.0, 2.5])
def test_the_logits_are_those_of_the_formula_at_every_step(engine, words, scale):
    toward, away = words(40), words(40)[20:]
    prior = Logits()
    request = Request(
        prompt=toward, prior=prior, guidance=Guidance(prompt=away, scale=scale), max_tokens=4, past_end=True
    )
    answer = [step.token for step in engine.complete(request)]
    for place, seen in enumerate(prior.seen[:4]):
        a = logits_after(engine, toward + answer[:place])
        b = logits_after(engine, away + answer[:place])
        assert np.allclose(seen, b + scale * (a - b), atol=1e-3)


def test_a_scale_of_one_is_no_guidance_and_drafts_serve_it(engine, words, uncached):
    request = Request(prompt=words(40), max_tokens=10, past_end=True)
    guided = Request(
        prompt=words(40), max_tokens=10, past_end=True, guidance=Guidance(prompt=words(3), scale=1.0)
    )
    expected = [step.token for step in uncached(request)]
    engine._policy.length = lambda source: 6
    assert [step.token for step in engine.complete(guided)] == expected


def test_it_needs_two_contexts(tiny_model, words):
    with (
        Engine.open(tiny_model, threads=1, options=EngineOptions(contexts=1)) as engine,
        pytest.raises(EngineError, match="needs more than the 1 contexts"),
    ):
        list(engine.complete(Request(prompt=words(9), guidance=Guidance(prompt=words(3)))))


def test_senseless_guidance_is_refused():
    with pytest.raises(EngineError, match="prompt of the guidance is empty"):
        Guidance(prompt=[])
    with pytest.raises(EngineError, match="scale of the guidance is -1"):
        Guidance(prompt=[1], scale=-1)


def test_the_longer_prompt_limits_the_answer(engine, words):
    long = words(engine.context_length - 3)
    request = Request(prompt=words(4), guidance=Guidance(prompt=long), max_tokens=20, past_end=True)
    assert len(list(engine.complete(request))) == 3
    assert engine.last.ended == "context full"
