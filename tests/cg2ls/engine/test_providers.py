"""Which providers are tried, in which order."""

from __future__ import annotations

import pytest

from cg2ls.engine import EngineError
from cg2ls.engine.providers import candidates

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
    assert [candidate.name for candidate in candidates(wanted, offered, kv_dtype)] == tried


def test_every_candidate_has_a_reason():
    assert all(candidate.reason for candidate in candidates("auto", [CUDA, CPU], "float16"))


def test_an_unknown_provider_is_named():
    with pytest.raises(EngineError, match="provider 'tpu' is unknown; use auto, cpu or cuda"):
        candidates("tpu", [CPU], "float32")
