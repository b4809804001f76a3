"""The mixture is a distribution with the documented weights, and fitting finds them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.retrieval.memory.fit_mixture import (
    MIN_SOURCE_GAP,
    Examples,
    _gradient,
    bits_per_token,
    fit,
    flat_start,
    ordered,
)
from cg2ls.retrieval.memory.suffix_segment import DEPTH
from cg2ls.retrieval.memory.vote_mixture import (
    DOCUMENT,
    SHAPES,
    WORKSPACE,
    Mixture,
    MixtureError,
    Votes,
    shipped,
)
from tests.cg2ls.retrieval.memory.brute_force import mixed

VOCABULARY = 50


def votes(*each: tuple[int, int, int]) -> Votes:
    rows = np.array(sorted(each, key=lambda row: row[1]), np.int64).reshape(-1, 3)
    return Votes(rows[:, 0], rows[:, 1], rows[:, 2])


VOTES = st.lists(
    st.tuples(st.integers(0, VOCABULARY - 1), st.integers(1, DEPTH), st.integers(0, 3)), max_size=100
)


@given(found=VOTES, seed=st.integers(0, 99), scale=st.sampled_from([0.1, 3, 30]))
def test_the_mixture_is_a_distribution_and_its_formula(
    found: list[tuple[int, int, int]], seed: int, scale: float
) -> None:
    logits = np.random.default_rng(seed).normal(0, scale, VOCABULARY).astype(np.float32)
    answer = shipped().mix(votes(*found), logits)
    assert answer.dtype == np.float32
    assert np.exp(answer.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)
    assert answer == pytest.approx(np.log(mixed(shipped(), found, logits)), rel=2e-6, abs=2e-5)


def test_logits_are_not_changed() -> None:
    logits = np.zeros(VOCABULARY, np.float32)
    shipped().mix(votes((3, 9, DOCUMENT)), logits)
    assert not logits.any()


def test_longer_and_more_matches_weigh_more() -> None:
    logits = np.zeros(VOCABULARY, np.float32)
    mixture = shipped()

    def share(*found: tuple[int, int, int]) -> float:
        return float(np.exp(mixture.mix(votes(*found), logits)[3]))

    assert share((3, 2, WORKSPACE)) < share((3, 8, WORKSPACE)) < share((3, 20, WORKSPACE))
    assert share((3, 8, WORKSPACE)) < share((3, 8, WORKSPACE), (3, 8, WORKSPACE))
    assert share((3, 8, WORKSPACE)) < share((3, 8, DOCUMENT))
    assert share((3, 8, DOCUMENT), (4, 8, DOCUMENT)) < share((3, 8, DOCUMENT))


def examples(count: int, reliable: float, seed: int = 0) -> Examples:
    """Positions at which long matches are right this often, and short ones never."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, VOCABULARY, count)
    lengths = random.choice([1, 12], (count, 3))
    right = (random.random((count, 3)) < reliable) & (lengths == 12)
    tokens = np.where(right, truth[:, None], random.integers(0, VOCABULARY, (count, 3)))
    even = np.full(count, -np.log(VOCABULARY))
    return Examples(
        tokens=tokens,
        lengths=lengths,
        sources=random.integers(0, 3, (count, 3)),
        logprobs=np.full((count, 3), -np.log(VOCABULARY)),
        many=random.random((count, 3)),
        kinds=random.random((count, 3)),
        truth=truth,
        truth_logprob=even,
        entropy=-even,
        likeliest=np.exp(even),
        file=np.arange(count) % 7,
    )


def test_fitting_weights_reliable_sources_more() -> None:
    mixture = fit(examples(2000, reliable=0.9))
    held_out = examples(500, reliable=0.9, seed=1)
    assert bits_per_token(mixture, held_out).mean() < 0.6 * bits_per_token(None, held_out).mean()
    assert bits_per_token(mixture, held_out).mean() < bits_per_token(flat_start(), held_out).mean()


def test_fitting_does_no_harm_without_useful_evidence() -> None:
    held_out = examples(500, reliable=0.0, seed=1)
    mixture = fit(examples(2000, reliable=0.0), epochs=60)
    assert bits_per_token(mixture, held_out).mean() < 1.05 * bits_per_token(None, held_out).mean()


def test_nearer_text_weighs_more_for_any_examples() -> None:
    for mixture in (shipped(), fit(examples(200, reliable=0.5), epochs=3)):
        assert (np.diff(mixture.near, axis=0) <= -MIN_SOURCE_GAP + 2e-3).all()
    near = flat_start().near.copy()
    near[:, 4], near[:, 5] = (1, 2, 3), (3, 2, 1)
    sorted_out = ordered(replace(flat_start(), near=near)).near
    assert sorted_out[:, 4] == pytest.approx([2 + MIN_SOURCE_GAP, 2, 2 - MIN_SOURCE_GAP])
    assert sorted_out[:, 5].tolist() == [3, 2, 1]


@pytest.mark.parametrize("name", SHAPES)
def test_slopes_are_those_of_the_cost(name: str) -> None:
    data = examples(40, reliable=0.5)
    mixture = fit(data, epochs=1)
    slope = _gradient(mixture, data)[name]

    def cost(values: np.ndarray) -> float:
        changed = replace(mixture, **{name: values})
        pull = sum(
            1e-4 * float((np.diff(getattr(changed, each), axis=-1) ** 2).sum())
            for each in SHAPES
            if each not in ("model", "many")
        )
        return float(bits_per_token(changed, data).mean()) * float(np.log(2)) + pull

    for at in np.ndindex(slope.shape):
        step = np.zeros(slope.shape)
        step[at] = 1e-5
        values = getattr(mixture, name)
        assert slope[at] == pytest.approx((cost(values + step) - cost(values - step)) / 2e-5, abs=1e-6)


def test_weights_survive_a_file(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(shipped().to_json())
    again = Mixture.read(tmp_path / "m.json")
    for name in SHAPES:
        assert np.array_equal(getattr(again, name), getattr(shipped(), name))


@pytest.mark.parametrize(
    "content", [None, "{", "[]", '{"format": 1}', '{"format": 2}', '{"format": 1, "near": [[1]]}']
)
def test_a_file_without_weights_is_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "m.json").write_text(content)
    with pytest.raises(MixtureError, match="cg2ls memory tune"):
        Mixture.read(tmp_path / "m.json")


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    text = shipped().to_json().replace('"gap": [', '"gap": [ 0.5,')
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(MixtureError, match="gap"):
        Mixture.read(tmp_path / "m.json")
