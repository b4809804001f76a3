"""Teacher forcing: probabilities of the true tokens by model and memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cg2ls.engine import Engine
from cg2ls.evaluation.quality.positions import sample_positions
from cg2ls.evaluation.quality.teacher_forcing import (
    TokenObservation,
    make_examples,
    observe_tokens,
    summarize,
)
from cg2ls.evaluation.simulation.replay_retrieval import ReplayMemory
from cg2ls.evaluation.simulation.sources import collect_sources
from cg2ls.models.folder.locations import SHIPPED_DEFAULT
from cg2ls.retrieval.memory.fit_mixture import bits_per_token
from cg2ls.retrieval.memory.vote_mixture import shipped
from cg2ls.workspace.languages import LANGUAGES

MODULE = """\
import os


class Shelf:
    def __init__(self, name, width):
        self.name = name
        self.width_in_centimetres = width

    def fits_on_shelf(self, book):
        return book.width_in_centimetres < self.width_in_centimetres

    def describe_the_shelf(self):
        return f"{self.name}: {self.width_in_centimetres}"
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine.open(SHIPPED_DEFAULT, verify=False) as opened:
        yield opened


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "shelf.py").write_text(MODULE)
    (tmp_path / "rack.py").write_text(MODULE.replace("helf", "ack"))
    (tmp_path / "twin.py").write_text(MODULE)
    return tmp_path


def taught(engine: Engine, repository: Path, scope: str) -> list[TokenObservation]:
    sources = collect_sources([repository], LANGUAGES)
    memories = ReplayMemory([repository], sources, engine.tokenizer, scope)
    observations = observe_tokens(engine, memories, sample_positions(sources, 6, seed=1))
    memories.close()
    return observations


def test_cost_of_teacher_forcing_equals_the_mixtures_loss(engine: Engine, repository: Path) -> None:
    observations = taught(engine, repository, "on")
    assert len(observations) > 10
    table = make_examples(observations)
    assert bits_per_token(shipped(), table) == pytest.approx(
        [observation.bits for observation in observations], rel=1e-3, abs=1e-3
    )
    assert bits_per_token(None, table) == pytest.approx(-table.truth_logprob / np.log(2))


def test_without_memory_probabilities_are_the_models(engine: Engine, repository: Path) -> None:
    observations = taught(engine, repository, "off")
    assert all(observation.votes is None for observation in observations)
    assert [observation.bits for observation in observations] == pytest.approx(
        [-observation.truth_logprob / np.log(2) for observation in observations], abs=1e-5
    )


def test_summary_shows_the_gain_of_memory(engine: Engine, repository: Path) -> None:
    told = summarize(taught(engine, repository, "on"))
    assert told["bits_per_token"]["mean"] < told["bits_per_token_of_the_model"]["mean"]
    low, high = told["next_token_accuracy"]["spread"]
    assert 0 <= low <= told["next_token_accuracy"]["mean"] <= high <= 1


def test_copies_of_a_file_are_no_evidence(engine: Engine, repository: Path) -> None:
    sources = collect_sources([repository], LANGUAGES)
    memories = ReplayMemory([repository], sources, engine.tokenizer, "on")
    shelf = next(source for source in sources if source.path == "shelf.py")
    prior = memories.prior(shelf, "x = 1\n", 0)
    assert prior
    names = {prior.parts[1].file_name(n) for n in range(len(prior.parts[1].index.files))}
    assert names == {"rack.py"}
    memories.close()
