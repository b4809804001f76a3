"""An ONNX Runtime session of a model folder's graph."""

from __future__ import annotations

import importlib
import itertools
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cg2ls.engine.providers import INSTALL, PROVIDERS, ProviderCandidate, provider_candidates
from cg2ls.engine.request import EngineError
from cg2ls.models.folder.description import GRAPH, ModelDescription
from cg2ls.models.graph_io import CALL_INPUTS, LOGITS, PAST, all_past_names, all_present_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

LOG_SEVERITY_FATAL = 4
"""ONNX Runtime's severity `fatal`: what it would print is raised as an error too, and a language server's
streams are not its to write to."""

ARITHMETIC = {
    # Without VNNI, x86-64 processors add pairs of int8 products in 16 bits, which overflows. There the runtime
    # then holds the weights as uint8 and adds in 32 bits; on other processors this changes nothing.
    "session.x64quantprecision": "1",
}
"""What any session over a quantized graph needs to compute what the graph says."""

SESSION_CONFIG = ARITHMETIC | {
    # Threads spin between the nodes of a run and between an answer's tokens, where waking them would cost more, but
    # sleep some 3 ms after the last one: an idle editor must not use a core. Older runtimes spin for 40 ms.
    "session.intra_op.spin_duration_us": "1000",
}


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session and where it runs.

    Attributes:
        ort: the onnxruntime module.
        session: its InferenceSession.
        provider: its name in `PROVIDERS`.
        reason: why that one, in words for a person.
        threads: threads inside one operator.
        cuda_graph: whether it replays recorded calls.
        graph_ids: numbers of calls to record, which are the session's: under a number that two contexts shared, one
            would replay what the other recorded.
    """

    ort: Any
    session: Any
    provider: str
    reason: str
    threads: int
    cuda_graph: bool = False
    graph_ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))


def import_onnxruntime() -> Any:
    """The onnxruntime module, which starts in about 0.1 s and is therefore imported when first needed.

    Its telemetry is off: `cg2ls.privacy` says so to the builds that read a variable, and this call to those for
    Windows apps and components, which do not.

    Raises:
        EngineError: it is not installed, or does not load.
    """
    try:
        ort = importlib.import_module("onnxruntime")
        ort.disable_telemetry_events()
        ort.set_default_logger_severity(LOG_SEVERITY_FATAL)
    except (ImportError, AttributeError) as missing:
        why = "is not installed" if isinstance(missing, ModuleNotFoundError) else f"does not load ({missing})"
        raise EngineError(f"onnxruntime {why}; install it with: {INSTALL}") from None
    return ort


def open_session(
    folder: Path, model: ModelDescription, *, provider: str, threads: int, cuda_graph: bool = False
) -> OpenSession:
    """Opens the graph on the best provider that works.

    Args:
        folder: a model folder that was verified.
        model: its description.
        provider: `auto`, or a name in `PROVIDERS`.
        threads: threads inside one operator.
        cuda_graph: whether CUDA is to replay recorded calls where it can.

    Raises:
        EngineError: no provider could open it, or it is not the graph that model.json describes.
    """
    ort = import_onnxruntime()
    reasons: list[str] = []
    for candidate, graphs in _attempts(
        provider_candidates(provider, ort.get_available_providers(), model.kv_dtype), cuda_graph=cuda_graph
    ):
        try:
            session = _open(ort, folder / GRAPH, candidate.name, threads, cuda_graph=graphs)
        except Exception as error:  # the runtime raises its own, undocumented classes
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
    """Each candidate, and whether it is to replay recorded calls; CUDA refuses to where it leaves nodes to the host."""
    for candidate in tried:
        if cuda_graph and candidate.name == "cuda":
            yield candidate, True
        yield candidate, False


def _open(ort: Any, graph: Path, name: str, threads: int, *, cuda_graph: bool) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = LOG_SEVERITY_FATAL
    for key, value in SESSION_CONFIG.items():
        options.add_session_config_entry(key, value)
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
    """Compares the graph's inputs and outputs with what model.json says.

    Raises:
        EngineError: an input or output is missing, or has another type or width.
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
        if (heads, head_dim) != (model.architecture.n_head, model.architecture.head_dim):
            raise EngineError(_misfit(folder, f"{name} has {heads} heads of {head_dim}"))
    if found_outputs[LOGITS].shape[-1] != model.architecture.vocab_size:
        raise EngineError(_misfit(folder, f"logits have {found_outputs[LOGITS].shape[-1]} columns"))


def _misfit(folder: Path, what: str) -> str:
    return f"{folder / GRAPH} does not fit its model.json ({what}); convert the model again."


def first_line(error: BaseException) -> str:
    """The first line of an error's text, without the runtime's status prefix."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].split(" : ")[-1].rstrip(".") + "."


MAX_DEFAULT_THREADS = 8
"""Decoding is bound by memory bandwidth, which a few cores use up; the rest stays with the user's editor."""

CPU_TOPOLOGY = Path("/sys/devices/system/cpu")
CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


MIN_FAST_SPEED_SHARE = 0.8
"""A CPU whose top speed is below this share of the fastest one's is an efficiency core. Every operator waits for its
slowest thread, so one of these costs more than it brings."""


def default_threads() -> int:
    """Fast physical cores this process may use, within its cgroup's quota, at most `MAX_DEFAULT_THREADS`."""
    cores = physical_cores(fast_cpus(usable_cpus(), CPU_TOPOLOGY), CPU_TOPOLOGY)
    quota = cgroup_cpus(CGROUP_QUOTA)
    return max(1, min(cores, MAX_DEFAULT_THREADS, cores if quota is None else quota))


def usable_cpus() -> set[int]:
    """Numbers of the logical CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def fast_cpus(cpus: Iterable[int], topology: Path) -> set[int]:
    """Those of the logical CPUs that are no efficiency cores; all where the kernel does not say.

    Args:
        cpus: numbers of logical CPUs.
        topology: the folder of `cpu0/cpu_capacity` (ARM) or `cpu0/cpufreq/cpuinfo_max_freq` and its likes.
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


def physical_cores(cpus: Iterable[int], topology: Path) -> int:
    """How many cores these logical CPUs belong to; each counts as one where the kernel does not say.

    Args:
        cpus: numbers of logical CPUs.
        topology: the folder of `cpu0/topology/thread_siblings_list` and its likes.
    """
    cores = set()
    for cpu in cpus:
        try:
            cores.add((topology / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text().strip())
        except OSError:
            cores.add(f"cpu{cpu}")
    return len(cores)


def cgroup_cpus(file: Path) -> int | None:
    """CPUs' worth of time the cgroup (version 2) may use, rounded up; None if it is not limited."""
    try:
        quota, period = file.read_text().split()
        return max(1, -(-int(quota) // int(period)))
    except (OSError, ValueError, ZeroDivisionError):
        return None
