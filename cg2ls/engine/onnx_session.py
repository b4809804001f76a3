"""ONNX Runtime session of a model folder's graph, its checks and its number of threads."""

from __future__ import annotations

import functools
import importlib
import itertools
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cg2ls.engine.providers import PROVIDERS, ProviderCandidate, describe_installation, list_candidates
from cg2ls.engine.request import EngineError
from cg2ls.machine import read_cpu
from cg2ls.models.folder.description import GRAPH, ModelDescription
from cg2ls.models.graph_io import CALL_INPUTS, LOGITS, PAST, all_past_names, all_present_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

LOG_SEVERITY_FATAL = 4
"""ONNX Runtime's severity `fatal`. Its errors are raised as exceptions too, and it must not write to the streams of
a language server."""

EXACT_SUMS = {"session.x64quantprecision": "1"}
"""Options without which a session over a quantized graph may compute wrong sums.

x86-64 processors without VNNI add pairs of int8 products in 16 bits, which overflows. With this option ONNX Runtime
stores the weights as uint8 and adds in 32 bits."""

VNNI = frozenset({"avx512_vnni", "avx_vnni"})
"""Instruction sets that add int8 products in 32 bits."""


def has_vnni() -> bool:
    """Return whether this processor is known to have one of `VNNI`."""
    return not VNNI.isdisjoint(read_cpu()[1])


@functools.cache
def arithmetic() -> dict[str, str]:
    """Return the options with which a quantized graph computes exact sums on this processor.

    With `EXACT_SUMS`, ONNX Runtime gives up its kernels for VNNI and AMX too, although they are exact. So the option
    is set only where the processor is not known to have VNNI.
    """
    return {} if has_vnni() else dict(EXACT_SUMS)


SPIN_DURATION = "session.intra_op.spin_duration_us"

SESSION_CONFIG = {
    # Threads spin between the nodes of a run, where waking them would cost more, and no longer: on a machine with other
    # load they would take the processor from the thread that they wait for (docs/design/engine.md has the times).
    SPIN_DURATION: "50",
}


@dataclass(frozen=True, slots=True)
class OpenSession:
    """An open session and its provider.

    Attributes:
        ort: the onnxruntime module.
        session: the InferenceSession.
        provider: name of the provider, a key of `PROVIDERS`.
        reason: reason for this provider, as text for the user.
        threads: threads inside one operator.
        cuda_graph: whether recorded calls are replayed.
        graph_ids: ids of calls to record, unique in the session: with a shared id, one context would replay what
            another context recorded.
        weights: values that the session reads from memory; they live as long as the session.
    """

    ort: Any
    session: Any
    provider: str
    reason: str
    threads: int
    cuda_graph: bool = False
    graph_ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    weights: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def import_onnxruntime() -> Any:
    """Import onnxruntime on first use, since the import takes about 0.1 s, and turn its telemetry off.

    `cg2ls.privacy` turns telemetry off in builds that read an environment variable. The call here does so in the
    builds for Windows apps and components, which do not read it.

    Raises:
        EngineError: onnxruntime is not installed or does not load.
    """
    try:
        ort = importlib.import_module("onnxruntime")
        ort.disable_telemetry_events()
        ort.set_default_logger_severity(LOG_SEVERITY_FATAL)
    except (ImportError, AttributeError) as missing:
        why = "is not installed" if isinstance(missing, ModuleNotFoundError) else f"does not load ({missing})"
        raise EngineError(f"onnxruntime {why}; install it with: {describe_installation()}") from None
    return ort


def open_session(
    folder: Path, model: ModelDescription, *, provider: str, threads: int, cuda_graph: bool = False
) -> OpenSession:
    """Open the graph on the best provider that works.

    Args:
        folder: a verified model folder.
        model: description of the model.
        provider: `auto`, or a name in `PROVIDERS`.
        threads: threads inside one operator.
        cuda_graph: whether CUDA should replay recorded calls where it can.

    Raises:
        EngineError: no provider could open the graph, or it is not the graph that model.json describes.
    """
    ort = import_onnxruntime()
    reasons: list[str] = []
    for candidate, graphs in _attempts(
        list_candidates(provider, ort.get_available_providers(), model.kv_dtype), cuda_graph=cuda_graph
    ):
        try:
            session = new_session(ort, folder / GRAPH, candidate.name, threads, cuda_graph=graphs)
        except Exception as error:  # ONNX Runtime raises its own, undocumented classes
            reasons.append(f"{candidate.name}: {first_line(error)}")
            continue
        check_signature(session, model, folder)
        return OpenSession(
            ort, session, candidate.name, "; ".join([candidate.reason, *reasons]), threads, graphs
        )
    raise EngineError(f"{folder / GRAPH} could not be opened ({'; '.join(reasons)})")


def _attempts(
    tried: list[ProviderCandidate], *, cuda_graph: bool
) -> Iterator[tuple[ProviderCandidate, bool]]:
    """Yield each candidate with and without recorded calls; CUDA refuses to record where nodes run on the CPU."""
    for candidate in tried:
        if cuda_graph and candidate.name == "cuda":
            yield candidate, True
        yield candidate, False


def new_session(
    ort: Any,
    graph: Path,
    name: str,
    threads: int,
    *,
    cuda_graph: bool = False,
    weights: Mapping[str, NDArray[Any]] | None = None,
) -> Any:
    """Open a graph on one provider, without trying others, and return the session.

    Args:
        ort: the onnxruntime module.
        graph: the file.
        name: name of the provider.
        threads: threads inside one operator.
        cuda_graph: whether CUDA should replay recorded calls.
        weights: values of tensors that the graph names and no file has; they must live as long as the session.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = LOG_SEVERITY_FATAL
    for key, value in (arithmetic() | SESSION_CONFIG).items():
        options.add_session_config_entry(key, value)
    if weights:
        values = [ort.OrtValue.ortvalue_from_numpy(value) for value in weights.values()]
        options.add_external_initializers(list(weights), values)
    provider = PROVIDERS[name]
    if provider.memory == "cuda" and hasattr(ort, "preload_dlls"):
        ort.preload_dlls()
    first: Any = (provider.onnxruntime, {"enable_cuda_graph": "1"}) if cuda_graph else provider.onnxruntime
    session = ort.InferenceSession(str(graph), options, providers=[first, *provider.fallbacks])
    if session.get_providers()[0] != provider.onnxruntime:
        raise EngineError(
            f"onnxruntime offers {provider.onnxruntime} but could not start it (is the driver installed?)"
        )
    return session


def check_signature(session: Any, model: ModelDescription, folder: Path) -> None:
    """Compare the graph's inputs and outputs with model.json.

    Raises:
        EngineError: an input or output is missing, unknown, or has another type or width.
    """
    given = sum(entry.name.startswith(f"{PAST}.") for entry in session.get_inputs())
    if given != 2 * model.architecture.n_layer:
        raise EngineError(_misfit(folder, f"it has {given // 2} layers, not {model.architecture.n_layer}"))
    past_names = all_past_names(model.architecture.n_layer)
    inputs = {*CALL_INPUTS, *past_names}
    outputs = {LOGITS, *all_present_names(model.architecture.n_layer)}
    found_inputs = {entry.name: entry for entry in session.get_inputs()}
    found_outputs = {entry.name: entry for entry in session.get_outputs()}
    if found_inputs.keys() != inputs or found_outputs.keys() != outputs:
        odd = sorted((found_inputs.keys() ^ inputs) | (found_outputs.keys() ^ outputs))
        raise EngineError(_misfit(folder, f"{odd[0]} is missing or not expected"))
    kv_type = f"tensor({model.kv_dtype.replace('float32', 'float')})"
    for name in sorted(past_names):
        heads, head_dim = found_inputs[name].shape[1], found_inputs[name].shape[3]
        if found_inputs[name].type != kv_type:
            raise EngineError(_misfit(folder, f"{name} is {found_inputs[name].type}, not {kv_type}"))
        if (heads, head_dim) != (model.architecture.kv_heads, model.architecture.head_dim):
            raise EngineError(_misfit(folder, f"{name} has {heads} heads of {head_dim}"))
    if found_outputs[LOGITS].shape[-1] != model.architecture.vocab_size:
        raise EngineError(_misfit(folder, f"logits have {found_outputs[LOGITS].shape[-1]} columns"))


def _misfit(folder: Path, what: str) -> str:
    return f"{folder / GRAPH} does not fit its model.json ({what}); convert the model again."


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, without ONNX Runtime's status prefix."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].split(" : ")[-1].rstrip(".") + "."


MAX_DEFAULT_THREADS = 8
"""Decoding is bound by memory bandwidth, which a few cores use up; other cores stay free for the editor."""

CPU_TOPOLOGY = Path("/sys/devices/system/cpu")
CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


MIN_FAST_SPEED_SHARE = 0.8
"""A CPU with less than this share of the fastest one's top speed is an efficiency core. Every operator waits for its
slowest thread, so such a core costs more time than it saves."""


def default_threads() -> int:
    """Count the fast physical cores this process may use, within its cgroup's quota and `MAX_DEFAULT_THREADS`."""
    cores = count_physical_cores(find_fast_cpus(usable_cpus(), CPU_TOPOLOGY), CPU_TOPOLOGY)
    return choose_threads(cores, read_cgroup_cpus(CGROUP_QUOTA))


def choose_threads(fast_cores: int, quota: int | None) -> int:
    """Return the number of threads for a machine.

    Args:
        fast_cores: physical cores that are not efficiency cores.
        quota: processors that the cgroup allows; None for no limit.
    """
    return max(1, min(fast_cores, MAX_DEFAULT_THREADS, fast_cores if quota is None else quota))


def usable_cpus() -> set[int]:
    """Return the numbers of the logical CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def find_fast_cpus(cpus: Iterable[int], topology: Path) -> set[int]:
    """Return the logical CPUs that are not efficiency cores; all of them where the kernel gives no speeds.

    Args:
        cpus: numbers of logical CPUs.
        topology: folder with `cpuN/cpu_capacity` (ARM) or `cpuN/cpufreq/cpuinfo_max_freq`.
    """
    cpus = set(cpus)
    for file in (Path("cpu_capacity"), Path("cpufreq") / "cpuinfo_max_freq"):
        speeds = {cpu: _number(topology / f"cpu{cpu}" / file) for cpu in cpus}
        if all(speeds.values()):
            fastest = max(speeds.values(), default=0)
            return {cpu for cpu, speed in speeds.items() if speed >= MIN_FAST_SPEED_SHARE * fastest}
    return cpus


def _number(file: Path) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return 0


def count_physical_cores(cpus: Iterable[int], topology: Path) -> int:
    """Count the cores of these logical CPUs; each CPU counts as one where the kernel gives no topology.

    Args:
        cpus: numbers of logical CPUs.
        topology: folder with `cpuN/topology/thread_siblings_list`.
    """
    cores = set()
    for cpu in cpus:
        try:
            cores.add((topology / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text().strip())
        except OSError:
            cores.add(f"cpu{cpu}")
    return len(cores)


def read_cgroup_cpus(file: Path) -> int | None:
    """Return the CPUs that the cgroup (version 2) may use, rounded up; None without a limit."""
    try:
        quota, period = file.read_text().split()
        return max(1, -(-int(quota) // int(period)))
    except (OSError, ValueError, ZeroDivisionError):
        return None
