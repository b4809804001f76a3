"""Which providers are tried, in which order."""

from __future__ import annotations

import re

import pytest

from cg2ls.engine import EngineError
from cg2ls.engine.providers import PROVIDERS, list_candidates

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@pytest.mark.parametrize(
    ("wanted", "offered", "kv_dtype", "tried"),
    [
        ("auto", [CPU], "float32", ["cpu"]),
        ("auto", [CPU], "float16", ["cpu"]),
        ("auto", [CUDA, CPU], "float32", ["cpu"]),
        ("auto", [CUDA, CPU], "float16", ["cuda", "cpu"]),
        ("cpu", [CUDA, CPU], "float16", ["cpu"]),
        ("cuda", [CUDA, CPU], "float16", ["cuda"]),
        ("cuda", [CUDA, CPU], "float32", ["cuda"]),
    ],
)
def test_candidates(wanted, offered, kv_dtype, tried):
    assert [candidate.name for candidate in list_candidates(wanted, offered, kv_dtype)] == tried


@pytest.mark.parametrize("name", [name for name in PROVIDERS if name != "cpu"])
def test_every_provider_can_be_requested_and_a_missing_package_is_named(name):
    provider = PROVIDERS[name]
    assert [found.name for found in list_candidates(name, [provider.onnxruntime, CPU], "float32")] == [name]
    with pytest.raises(EngineError, match=re.escape(f"pip install '{provider.package}'")):
        list_candidates(name, [CPU], "float32")


def test_auto_skips_unmeasured_providers():
    offered = [provider.onnxruntime for provider in PROVIDERS.values()]
    assert [found.name for found in list_candidates("auto", offered, "float16")] == ["cuda", "cpu"]


def test_every_candidate_has_a_reason():
    assert all(candidate.reason for candidate in list_candidates("auto", [CUDA, CPU], "float16"))


def test_an_unknown_provider_is_named():
    with pytest.raises(EngineError, match=r"provider 'tpu' is unknown; use auto, cuda, .* or cpu"):
        list_candidates("tpu", [CPU], "float32")
