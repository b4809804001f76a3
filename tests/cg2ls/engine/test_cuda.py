"""The engine on an NVIDIA card, with the shipped default in every form that is made for one."""

from __future__ import annotations

import math
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest

from cg2_quantize import ConversionOptions, convert, dequantize
from cg2ls.cli.nvidia import find_nvidia
from cg2ls.engine import Engine, EngineOptions, Request
from cg2ls.engine.providers import CUDA
from cg2ls.models.folder.locations import SHIPPED_DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    CUDA not in onnxruntime.get_available_providers() or not find_nvidia().cards,
    reason="needs an NVIDIA GPU and onnxruntime-gpu, and this machine lacks one of them",
)

PRECISIONS = ["fp16", "int8", "int4", "nf4"]

TEXTS = [
    "import os\n\n\ndef read_lines(path):\n    with open(path) as file:\n        return ",
    "class Stack:\n    def __init__(self):\n        self.items = []\n\n    def push(self, item):\n        self.",
    "for index, line in enumerate(lines):\n    if line.startswith('#'):\n        ",
    "def mean(values):\n    total = sum(values)\n    return total / ",
    "try:\n    value = int(text)\nexcept ValueError as error:\n    raise ",
    "import argparse\n\nparser = argparse.ArgumentParser()\nparser.add_argument('--verbose', action=",
]

DRIFT = 0.08
"""Nats by which a token's log-probability may differ from what the processor computes in float32: half precision's
rounding, several times over."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the shipped default computes with, as a checkpoint."""
    folder = tmp_path_factory.mktemp("default") / "checkpoint"
    dequantize(SHIPPED_DEFAULT, folder)
    return folder


@pytest.fixture(scope="module")
def made(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The default as a model folder for CUDA, by precision; converted once."""
    folders: dict[str, Path] = {}

    def make(precision: str) -> Path:
        if precision not in folders:
            folders[precision] = tmp_path_factory.mktemp("cuda") / precision
            convert(weights, folders[precision], ConversionOptions(precision=precision, target="cuda"))
        return folders[precision]

    return make


@pytest.fixture(scope="module")
def expected(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> list[list[tuple[int, float]]]:
    """The processor's float32 answers: tokens and their log-probabilities."""
    folder = tmp_path_factory.mktemp("cpu") / "fp32"
    convert(weights, folder, ConversionOptions(precision="fp32"))
    with Engine.open(folder, provider="cpu") as engine:
        return [answer(engine, text) for text in TEXTS]


def answer(engine: Engine, text: str, count: int = 24) -> list[tuple[int, float]]:
    request = Request(prompt=engine.tokenizer.encode(text), max_tokens=count, ignore_stop_tokens=True)
    return [(step.token, step.logprob) for step in engine.complete(request)]


def same(one: list[tuple[int, float]], other: list[tuple[int, float]]) -> int:
    """Leading tokens that two answers share."""
    pairs = zip(one, other, strict=True)
    return next((at for at, (a, b) in enumerate(pairs) if a[0] != b[0]), len(one))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_gpu_computes_what_the_cpu_does(made, expected, precision):
    if precision == "nf4":
        pytest.importorskip("bitsandbytes")
    with Engine.open(made(precision)) as engine:
        assert engine.provider == "cuda", engine.provider_reason
        found = [answer(engine, text) for text in TEXTS]
    assert all(math.isfinite(logprob) for steps in found for _, logprob in steps)
    if precision not in ("fp16", "int4"):
        return  # rounded differently from the default, so it is another model
    shared = [same(a, b) for a, b in zip(found, expected, strict=True)]
    assert sum(shared) >= 0.6 * sum(len(steps) for steps in expected)
    drifts = [
        abs(a[at][1] - b[at][1])
        for a, b, count in zip(found, expected, shared, strict=True)
        for at in range(count)
    ]
    assert np.quantile(drifts, 0.95) < DRIFT


@pytest.mark.parametrize("precision", ["fp16", "int4"])
def test_a_recorded_decode_step_gives_the_result_of_a_launched_one(made, precision):
    with Engine.open(made(precision), options=EngineOptions(cuda_graph=False, drafts=False)) as engine:
        launched = [answer(engine, text) for text in TEXTS]
    with Engine.open(made(precision), options=EngineOptions(cuda_graph=True, drafts=False)) as engine:
        recorded = [answer(engine, text) for text in TEXTS]
        again = [answer(engine, text) for text in TEXTS]
    assert [[token for token, _ in steps] for steps in recorded] == [
        [token for token, _ in steps] for steps in launched
    ]
    assert [[token for token, _ in steps] for steps in again] == [
        [token for token, _ in steps] for steps in launched
    ]


@pytest.mark.parametrize("graph", [False, True])
def test_typing_reads_only_new_tokens(made, graph):
    typed = TEXTS[0] + "file"
    with Engine.open(made("fp16"), options=EngineOptions(cuda_graph=graph)) as engine:
        answer(engine, TEXTS[0])
        after = answer(engine, typed)
        assert engine.last.reused_tokens > len(engine.tokenizer.encode(TEXTS[0])) - 4
    with Engine.open(made("fp16"), options=EngineOptions(cuda_graph=graph)) as engine:
        fresh = answer(engine, typed)
    assert same(after, fresh) >= len(fresh) // 2


def test_unloading_frees_the_gpus_memory(made):
    with Engine.open(made("fp16")) as engine:
        answer(engine, TEXTS[0])
        loaded = memory_used()
        engine.unload()
        freed = loaded - memory_used()
        weights = sum(file.stat().st_size for file in made("fp16").iterdir())
        assert freed >= 0.9 * weights / 1e6
        answer(engine, TEXTS[0])
        assert engine.provider == "cuda"


def memory_used() -> float:
    """MiB of the first card that are taken."""
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0])
