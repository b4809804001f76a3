"""Which ONNX Runtime execution provider runs a model, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.engine.request import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence

ONNXRUNTIME_NAMES = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
"""Providers by the name our options use. Each name is also that of the provider's memory."""

CUDA_KV_DTYPES = frozenset({"float16"})
"""CUDA's GroupQueryAttention takes no float32; a float32 graph would run its attention on the host, which is
slower than running all of it there."""

INSTALL = "pip install onnxruntime (for NVIDIA: pip install 'onnxruntime-gpu[cuda,cudnn]')"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A provider worth trying.

    Attributes:
        name: `cpu` or `cuda`.
        reason: why it is tried, in words for a person.
    """

    name: str
    reason: str


def candidates(wanted: str, offered: Sequence[str], kv_dtype: str) -> list[Candidate]:
    """Providers to try, best first; the last one's failure is an error.

    Args:
        wanted: `auto`, or the one provider to use.
        offered: ONNX Runtime's names of the providers in the installed package.
        kv_dtype: the model's, from model.json.

    Raises:
        EngineError: an unknown provider, or one that the installed package does not have.
    """
    if wanted != "auto" and wanted not in ONNXRUNTIME_NAMES:
        raise EngineError(f"provider {wanted!r} is unknown; use auto, {' or '.join(ONNXRUNTIME_NAMES)}.")
    has_cuda = ONNXRUNTIME_NAMES["cuda"] in offered
    if wanted == "cpu":
        return [Candidate("cpu", "asked for")]
    if wanted == "cuda":
        if not has_cuda:
            raise EngineError(
                "provider cuda was asked for, but the installed onnxruntime has no CUDA;"
                " replace it: pip uninstall onnxruntime, then pip install 'onnxruntime-gpu[cuda,cudnn]'"
            )
        return [Candidate("cuda", "asked for")]
    if not has_cuda:
        return [Candidate("cpu", "the installed onnxruntime has no CUDA")]
    if kv_dtype not in CUDA_KV_DTYPES:
        return [Candidate("cpu", f"the model's {kv_dtype} attention does not run on CUDA")]
    return [Candidate("cuda", "the installed onnxruntime offers it"), Candidate("cpu", "CUDA did not open")]
