"""Which ONNX Runtime execution provider runs a model, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.engine.request import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFILL_CHUNK = 128
"""Prompt tokens per call of the graph, on processors. A chunk's attention skips what comes after it, so chunks beat
one long call (docs/design/engine.md says why), and a cancelled request ends within one."""

INSTALL = "pip install onnxruntime (for NVIDIA: pip install 'onnxruntime-gpu[cuda,cudnn]')"


@dataclass(frozen=True, slots=True)
class Provider:
    """One way to run a model.

    Attributes:
        title: its name for people.
        onnxruntime: ONNX Runtime's name of it.
        memory: ONNX Runtime's name of the memory that keys and values lie in.
        kv_dtypes: those its GroupQueryAttention takes; others would run on the processor, node by node.
        behind: ONNX Runtime's names of the providers that take the nodes this one does not.
        automatic: whether `auto` tries it. The others take few of this graph's nodes, as far as is known, and
            are there to be measured.
        package: the onnxruntime package that has it, as pip names it.
        prefill_chunk: prompt tokens per call of the graph.
    """

    title: str
    onnxruntime: str
    memory: str = "cpu"
    kv_dtypes: frozenset[str] = frozenset({"float32", "float16"})
    behind: tuple[str, ...] = ("CPUExecutionProvider",)
    automatic: bool = False
    package: str = "onnxruntime"
    prefill_chunk: int = PREFILL_CHUNK


HALF = frozenset({"float16"})
LONG_CHUNK = 512
"""Where a call costs launches more than arithmetic: on an H100, 512 tokens take a third of the time of four calls."""

CUDA = "CUDAExecutionProvider"
NVIDIA = "onnxruntime-gpu[cuda,cudnn]"

PROVIDERS = {
    "cuda": Provider(
        "CUDA", CUDA, memory="cuda", kv_dtypes=HALF, automatic=True, package=NVIDIA, prefill_chunk=LONG_CHUNK
    ),
    "tensorrt": Provider(
        "TensorRT",
        "TensorrtExecutionProvider",
        memory="cuda",
        kv_dtypes=HALF,
        behind=(CUDA, "CPUExecutionProvider"),
        package=NVIDIA,
        prefill_chunk=LONG_CHUNK,
    ),
    "directml": Provider(
        "DirectML", "DmlExecutionProvider", memory="dml", kv_dtypes=HALF, package="onnxruntime-directml"
    ),
    "coreml": Provider("CoreML", "CoreMLExecutionProvider"),
    "openvino": Provider("OpenVINO", "OpenVINOExecutionProvider", package="onnxruntime-openvino"),
    "cpu": Provider("the processor", "CPUExecutionProvider", behind=(), automatic=True),
}
"""Providers by the name our options use, in the order `auto` tries them. All compute on this machine."""


def usable(offered: Sequence[str]) -> list[str]:
    """Names in `PROVIDERS` of what the installed package has; what it has beside them, such as Azure's, is never used.

    Args:
        offered: ONNX Runtime's names of the providers in the installed package.
    """
    return [name for name, provider in PROVIDERS.items() if provider.onnxruntime in offered]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A provider worth trying.

    Attributes:
        name: in `PROVIDERS`.
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
            f"provider {wanted} was asked for, but the installed onnxruntime has no {provider.title};"
            f" replace it: pip uninstall onnxruntime, then pip install '{provider.package}'"
        )
    return [Candidate(wanted, "asked for")]


def _automatic(offered: Sequence[str], kv_dtype: str) -> list[Candidate]:
    tried: list[Candidate] = []
    passed: list[str] = []
    for name, provider in PROVIDERS.items():
        if not provider.automatic or name == "cpu":
            continue
        if provider.onnxruntime not in offered:
            passed.append(f"the installed onnxruntime has no {provider.title}")
        elif kv_dtype not in provider.kv_dtypes:
            passed.append(f"the model's {kv_dtype} attention does not run on {provider.title}")
        else:
            tried.append(Candidate(name, "the installed onnxruntime offers it"))
            passed.append(f"{provider.title} did not open")
    return [*tried, Candidate("cpu", "; ".join(passed))]
