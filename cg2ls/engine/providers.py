"""Choice of the ONNX Runtime execution provider that runs a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.engine.request import EngineError
from cg2ls.installation import install_command, replace_runtime

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFILL_CHUNK = 128
"""Prompt tokens per call of the graph on CPUs. Chunks are faster than one long call, since attention skips
the tokens after a chunk (docs/design/engine.md). A cancelled request ends after the current chunk."""

GPU_PACKAGE = "'onnxruntime-gpu[cuda,cudnn]'"


@dataclass(frozen=True, slots=True)
class Provider:
    """One way to run a model.

    Attributes:
        title: name for the user.
        onnxruntime: name in ONNX Runtime.
        memory: ONNX Runtime's name of the memory for keys and values.
        kv_dtypes: element types that its GroupQueryAttention takes; nodes with others would run on the CPU.
        fallbacks: ONNX Runtime's names of the providers for the nodes that this one does not take.
        is_automatic: whether `auto` tries it. The others are for measurements; as far as is known, they take few of
            this graph's nodes.
        package: name of the onnxruntime package with this provider, as pip takes it.
        prefill_chunk: prompt tokens per call of the graph.
    """

    title: str
    onnxruntime: str
    memory: str = "cpu"
    kv_dtypes: frozenset[str] = frozenset({"float32", "float16"})
    fallbacks: tuple[str, ...] = ("CPUExecutionProvider",)
    is_automatic: bool = False
    package: str = "onnxruntime"
    prefill_chunk: int = PREFILL_CHUNK


FLOAT16_ONLY = frozenset({"float16"})
GPU_PREFILL_CHUNK = 512
"""On GPUs the launches of a call cost more than its arithmetic: an H100 reads 512 tokens in a third of four calls."""

CUDA = "CUDAExecutionProvider"
NVIDIA = "onnxruntime-gpu[cuda,cudnn]"

PROVIDERS = {
    "cuda": Provider(
        "CUDA",
        CUDA,
        memory="cuda",
        kv_dtypes=FLOAT16_ONLY,
        is_automatic=True,
        package=NVIDIA,
        prefill_chunk=GPU_PREFILL_CHUNK,
    ),
    "tensorrt": Provider(
        "TensorRT",
        "TensorrtExecutionProvider",
        memory="cuda",
        kv_dtypes=FLOAT16_ONLY,
        fallbacks=(CUDA, "CPUExecutionProvider"),
        package=NVIDIA,
        prefill_chunk=GPU_PREFILL_CHUNK,
    ),
    "directml": Provider(
        "DirectML",
        "DmlExecutionProvider",
        memory="dml",
        kv_dtypes=FLOAT16_ONLY,
        package="onnxruntime-directml",
    ),
    "coreml": Provider("CoreML", "CoreMLExecutionProvider"),
    "openvino": Provider("OpenVINO", "OpenVINOExecutionProvider", package="onnxruntime-openvino"),
    "cpu": Provider("the CPU", "CPUExecutionProvider", fallbacks=(), is_automatic=True),
}
"""Providers by their names in our options, in the order in which `auto` tries them. All compute on this machine."""


def usable_providers(offered: Sequence[str]) -> list[str]:
    """Return the names in `PROVIDERS` that the installed package has; others, such as Azure's, are never used.

    Args:
        offered: ONNX Runtime's names of the providers in the installed package.
    """
    return [name for name, provider in PROVIDERS.items() if provider.onnxruntime in offered]


@dataclass(frozen=True, slots=True)
class ProviderCandidate:
    """A provider to try.

    Attributes:
        name: key of `PROVIDERS`.
        reason: reason to try it, as text for the user.
    """

    name: str
    reason: str


def describe_installation() -> str:
    """Return how to install ONNX Runtime here, as text for the user."""
    return f"{install_command('onnxruntime')} (for NVIDIA: {install_command(GPU_PACKAGE)})"


def list_candidates(wanted: str, offered: Sequence[str], kv_dtype: str) -> list[ProviderCandidate]:
    """List the providers to try, best first; the failure of the last one is an error.

    Args:
        wanted: `auto`, or the one provider to use.
        offered: ONNX Runtime's names of the providers in the installed package.
        kv_dtype: the cache's element type in model.json.

    Raises:
        EngineError: the provider is unknown, or the installed package does not have it.
    """
    if wanted == "auto":
        return _automatic(offered, kv_dtype)
    if wanted not in PROVIDERS:
        names = list(PROVIDERS)
        raise EngineError(
            f"provider {wanted!r} is unknown; use auto, {', '.join(names[:-1])} or {names[-1]}."
        )
    provider = PROVIDERS[wanted]
    if provider.onnxruntime not in offered:
        raise EngineError(
            f"provider {wanted} was requested, but the installed onnxruntime has no {provider.title};"
            f" replace it: {replace_runtime(provider.package)}"
        )
    return [ProviderCandidate(wanted, "requested")]


def _automatic(offered: Sequence[str], kv_dtype: str) -> list[ProviderCandidate]:
    tried: list[ProviderCandidate] = []
    rejected: list[str] = []
    for name, provider in PROVIDERS.items():
        if not provider.is_automatic or name == "cpu":
            continue
        if provider.onnxruntime not in offered:
            rejected.append(f"the installed onnxruntime has no {provider.title}")
        elif kv_dtype not in provider.kv_dtypes:
            rejected.append(f"the model's {kv_dtype} attention does not run on {provider.title}")
        else:
            tried.append(ProviderCandidate(name, "the installed onnxruntime offers it"))
            rejected.append(f"{provider.title} did not open")
    return [*tried, ProviderCandidate("cpu", "; ".join(rejected))]
