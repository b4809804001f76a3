"""Models shared by all tests: small, random, made here."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from cg2_quantize import ConversionOptions, convert
from cg2_quantize.checkpoint.synthetic import write_random_checkpoint
from cg2ls.models.codegen2 import CodeGenConfig

settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("local", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")
"""CI must give the same result twice; elsewhere every run tries other examples."""

TINY = CodeGenConfig(
    n_layer=2, n_embd=64, n_head=4, rotary_dim=16, n_positions=256, vocab_size=512, n_inner=256, qkv_groups=4
)


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random checkpoint of the shape TINY."""
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    write_random_checkpoint(folder, TINY, seed=1)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint as a float32 model folder."""
    folder = tmp_path_factory.mktemp("model") / "tiny"
    convert(tiny_checkpoint, folder, ConversionOptions(precision="fp32", name="tiny"))
    return folder


@pytest.fixture(scope="session", autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Servers that tests start store their counts in a folder of the tests, not in the user's."""
    before = os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
    yield
    os.environ.pop("XDG_STATE_HOME")
    if before is not None:
        os.environ["XDG_STATE_HOME"] = before


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """A command run inside the test's process sets up logging; the next test must not find it."""
    root = logging.getLogger()
    before, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    yield
    root.handlers[:], logging.raiseExceptions = before, raising
    root.setLevel(level)
