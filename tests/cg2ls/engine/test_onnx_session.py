"""Opening a model: checks, messages of failures, silent streams, the number of threads."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from cg2ls.engine import Engine, EngineError, Request, onnx_session
from cg2ls.models.folder.description import ModelDescription, ModelFolderError


def test_the_model_the_provider_and_the_threads_are_known(tiny_model):
    with Engine.open(tiny_model, provider="cpu", threads=1) as engine:
        assert engine.model == ModelDescription.read(tiny_model)
        assert (engine.provider, engine.provider_reason, engine.threads) == ("cpu", "requested", 1)


def test_nothing_but_the_answer_touches_the_streams(tiny_model):
    code = (
        "import sys; from pathlib import Path; from cg2ls.engine import Engine, Request\n"
        "assert 'onnxruntime' not in sys.modules\n"
        "engine = Engine.open(Path(sys.argv[1]), threads=1)\n"
        "list(engine.complete(Request(prompt=[1, 2, 3], max_tokens=2)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tiny_model], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("error", "says"),
    [(ModuleNotFoundError("x"), "is not installed"), (ImportError("libfoo.so"), r"does not load \(libfoo")],
)
def test_a_missing_onnxruntime_is_reported_in_one_line_with_the_remedy(tiny_model, monkeypatch, error, says):
    def fail(name: str) -> None:
        raise error

    monkeypatch.setattr(onnx_session.importlib, "import_module", fail)
    with pytest.raises(
        EngineError, match=rf"{says}.*pip install onnxruntime \(.*'onnxruntime-gpu\[cuda,cudnn\]'"
    ):
        Engine.open(tiny_model)


def test_missing_cuda_is_refused_by_name(tiny_model):
    with pytest.raises(
        EngineError, match=r"has no CUDA; replace it: .* pip install 'onnxruntime-gpu\[cuda,cudnn\]'"
    ):
        Engine.open(tiny_model, provider="cuda")


def fake_runtime(monkeypatch, opens: dict[str, list[str]]):
    """An onnxruntime that offers CUDA; its sessions get these providers, or fail where there are none."""

    def inference_session(path: str, options: object, providers: list[Any]) -> object:
        recorded = isinstance(providers[0], tuple)
        got = opens[f"{providers[0][0]} recorded" if recorded else providers[0]]
        if not got:
            raise RuntimeError("[ONNXRuntimeError] : 1 : FAIL : no device\nmore")
        return SimpleNamespace(get_providers=lambda: got)

    ort = SimpleNamespace(
        SessionOptions=lambda: SimpleNamespace(add_session_config_entry=lambda key, value: None),
        InferenceSession=inference_session,
        get_available_providers=lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"],
    )
    monkeypatch.setattr(onnx_session, "import_onnxruntime", lambda: ort)
    monkeypatch.setattr(onnx_session, "check_signature", lambda *_: None)


def open_half(folder: Path, provider: str, *, cuda_graph: bool = False) -> onnx_session.OpenSession:
    model = dataclasses.replace(ModelDescription.read(folder), kv_dtype="float16")
    return onnx_session.open_session(folder, model, provider=provider, threads=1, cuda_graph=cuda_graph)


CUDA, CPU = ["CUDAExecutionProvider", "CPUExecutionProvider"], ["CPUExecutionProvider"]


def test_cuda_is_used_if_it_opens(tiny_model, monkeypatch):
    fake_runtime(monkeypatch, {CUDA[0]: CUDA})
    assert open_half(tiny_model, "auto").provider == "cuda"


def test_graph_that_cuda_cannot_record_is_launched_with_a_reason(tiny_model, monkeypatch):
    fake_runtime(monkeypatch, {f"{CUDA[0]} recorded": [], CUDA[0]: CUDA})
    opened = open_half(tiny_model, "cuda", cuda_graph=True)
    assert (opened.provider, opened.cuda_graph) == ("cuda", False)
    assert opened.reason == "requested; cuda: no device."
    fake_runtime(monkeypatch, {f"{CUDA[0]} recorded": CUDA})
    assert open_half(tiny_model, "cuda", cuda_graph=True).cuda_graph


@pytest.mark.parametrize(("got", "why"), [([], "no device"), (CPU, "could not start it")])
def test_cpu_is_used_with_a_reason_if_cuda_does_not_open(tiny_model, monkeypatch, got, why):
    fake_runtime(monkeypatch, {CUDA[0]: got, CPU[0]: CPU})
    opened = open_half(tiny_model, "auto")
    assert opened.provider == "cpu"
    assert why in opened.reason


def test_a_requested_provider_is_not_replaced(tiny_model, monkeypatch):
    fake_runtime(monkeypatch, {CUDA[0]: [], CPU[0]: CPU})
    with pytest.raises(EngineError, match=r"could not be opened \(cuda: no device"):
        open_half(tiny_model, "cuda")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"n_layer": 3}, "it has 2 layers, not 3"),
        ({"n_layer": 1}, "it has 2 layers, not 1"),
        ({"n_head": 2, "head_dim": 32}, "has 4 heads of 16"),
        ({"vocab_size": 500}, "tokenizer has 512 tokens, but the model 500"),
    ],
)
def test_a_graph_that_is_not_the_described_one_is_refused(tiny_model, monkeypatch, change, says):
    model = ModelDescription.read(tiny_model)
    other = dataclasses.replace(model, architecture=dataclasses.replace(model.architecture, **change))
    monkeypatch.setattr(ModelDescription, "read", lambda folder: other)
    with pytest.raises(EngineError, match=says):
        Engine.open(tiny_model, threads=1)


def test_a_graph_of_another_type_is_refused(tiny_model, monkeypatch):
    other = dataclasses.replace(ModelDescription.read(tiny_model), kv_dtype="float16")
    monkeypatch.setattr(ModelDescription, "read", lambda folder: other)
    with pytest.raises(EngineError, match=r"is tensor\(float\), not tensor\(float16\)"):
        Engine.open(tiny_model, threads=1)


def test_a_graph_the_runtime_rejects_is_reported_in_one_sentence(tiny_model, tmp_path, monkeypatch):
    for name in ("model.json", "model.onnx.data", "tokenizer.json"):
        (tmp_path / name).write_bytes((tiny_model / name).read_bytes())
    graph = (tiny_model / "model.onnx").read_bytes()
    (tmp_path / "model.onnx").write_bytes(graph.replace(b"GroupQueryAttention", b"GroupQueryAttentioN"))
    with pytest.raises(
        EngineError, match=r"model\.onnx could not be opened \(cpu: [^\n]*GroupQueryAttentioN"
    ):
        Engine.open(tmp_path, threads=1, verify=False)


def test_a_changed_file_is_refused_unless_verification_is_off(tiny_model, tmp_path):
    for path in tiny_model.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = bytearray((tmp_path / "model.onnx.data").read_bytes())
    weights[-1] ^= 1
    (tmp_path / "model.onnx.data").write_bytes(weights)
    with pytest.raises(ModelFolderError, match="SHA-256 differs"):
        Engine.open(tmp_path, threads=1)
    with Engine.open(tmp_path, threads=1, verify=False) as engine:
        list(engine.complete(Request(prompt=[1], max_tokens=1)))


def test_a_graph_that_reads_elsewhere_is_refused_before_the_runtime_sees_it(
    tiny_model, tmp_path, monkeypatch
):
    for path in tiny_model.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    graph = (tmp_path / "model.onnx").read_bytes()
    (tmp_path / "model.onnx").write_bytes(graph.replace(b"model.onnx.data", b"../../etc/passw"))
    monkeypatch.setattr(onnx_session, "import_onnxruntime", lambda: pytest.fail("the runtime was called"))
    with pytest.raises(ModelFolderError, match=r"wants to read '\.\./\.\./etc/passw'"):
        Engine.open(tmp_path, threads=1, verify=False)


def test_a_model_json_of_other_layers_is_refused_at_once(tiny_model, tmp_path):
    folder = edited(tiny_model, tmp_path, lambda raw: raw["architecture"].update(n_layer=10**7))
    with pytest.raises(EngineError, match="it has 2 layers, not 10000000"):
        Engine.open(folder)


def test_too_little_memory_for_a_context_is_reported_in_one_sentence(tiny_model, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise MemoryError("std::bad_alloc")

    monkeypatch.setattr("cg2ls.engine.model_runner.KVBuffers", full)
    with pytest.raises(EngineError, match="no memory for tiny's context of 256 tokens"):
        Engine.open(tiny_model, threads=1)


def test_special_tokens_that_the_tokenizer_contradicts_are_refused(tiny_model, tmp_path):
    folder = edited(tiny_model, tmp_path, lambda raw: raw["tokens"].update(sep=5))
    with pytest.raises(EngineError, match="disagree about the special tokens"):
        Engine.open(folder)


def edited(model: Path, tmp_path: Path, change) -> Path:
    """A copy of a model folder with another model.json."""
    folder = Path(shutil.copytree(model, tmp_path / "edited"))
    raw = json.loads((folder / "model.json").read_text())
    change(raw)
    (folder / "model.json").write_text(json.dumps(raw))
    return folder


@pytest.fixture
def topology(tmp_path):
    """Four logical CPUs on two cores."""
    for number, siblings in enumerate(["0,2", "1,3", "0,2", "1,3"]):
        folder = tmp_path / f"cpu{number}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings + "\n")
    return tmp_path


@pytest.mark.parametrize(("cpus", "cores"), [({0, 1, 2, 3}, 2), ({0, 2}, 1), ({0, 1}, 2), ({0, 7, 8}, 3)])
def test_sibling_threads_share_a_core(topology, cpus, cores):
    assert onnx_session.count_physical_cores(cpus, topology) == cores


@pytest.mark.parametrize(
    ("content", "cpus"),
    [("max 100000", None), ("150000 100000", 2), ("50000 100000", 1), ("damaged", None), ("1 0", None)],
)
def test_a_cgroup_quota_is_rounded_up(tmp_path, content, cpus):
    (tmp_path / "cpu.max").write_text(content)
    assert onnx_session.read_cgroup_cpus(tmp_path / "cpu.max") == cpus


def test_no_cgroup_is_no_limit(tmp_path):
    assert onnx_session.read_cgroup_cpus(tmp_path / "cpu.max") is None


@pytest.mark.parametrize(
    ("cores", "quota", "expected"),
    [
        (1, None, 1),
        (2, None, 2),
        (4, None, 4),
        (8, None, 8),
        (64, None, 8),
        (64, 3, 3),
        (1, 4, 1),
        (0, None, 1),
    ],
)
def test_the_default_is_the_least_of_cores_quota_and_bound(cores, quota, expected):
    assert onnx_session.choose_threads(cores, quota) == expected


def test_this_machine_has_at_least_one_thread():
    assert onnx_session.usable_cpus()
    assert onnx_session.default_threads() >= 1


def speeds(folder, file: str, *numbers: object) -> set[int]:
    for cpu, number in enumerate(numbers):
        path = folder / f"cpu{cpu}" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number}\n")
    return set(range(len(numbers)))


@pytest.mark.parametrize(
    ("file", "numbers", "fast"),
    [
        ("cpufreq/cpuinfo_max_freq", (5_400_000, 5_200_000, 4_000_000, 4_000_000), {0, 1}),
        ("cpufreq/cpuinfo_max_freq", (3_000_000, 3_000_000), {0, 1}),
        ("cpu_capacity", (1024, 768, 446, 446), {0}),
        ("cpu_capacity", (1024, "damaged"), {0, 1}),
    ],
)
def test_efficiency_cores_do_not_count(tmp_path, file, numbers, fast):
    assert onnx_session.find_fast_cpus(speeds(tmp_path, file, *numbers), tmp_path) == fast


def test_without_kernel_data_every_cpu_is_fast(tmp_path):
    assert onnx_session.find_fast_cpus({0, 3}, tmp_path) == {0, 3}


def test_only_the_cpus_this_process_may_use_are_compared(tmp_path):
    speeds(tmp_path, "cpu_capacity", 1024, 446, 446)
    assert onnx_session.find_fast_cpus({1, 2}, tmp_path) == {1, 2}


@pytest.mark.parametrize(
    ("features", "options"),
    [
        (["avx2"], onnx_session.EXACT_SUMS),
        (["avx2", "avx512f"], onnx_session.EXACT_SUMS),
        ([], onnx_session.EXACT_SUMS),
        (["avx2", "avx_vnni"], {}),
        (["avx512f", "avx512_vnni", "amx_int8"], {}),
    ],
)
def test_slow_exact_sums_are_chosen_only_where_fast_ones_overflow(monkeypatch, features, options):
    monkeypatch.setattr(onnx_session, "read_cpu", lambda: ("a processor", features))
    assert onnx_session.arithmetic.__wrapped__() == options


@pytest.mark.parametrize("rows", [1, 2, 8, 33, 128])
def test_sums_of_the_largest_products_are_exact(tmp_path, rows):
    columns, width = 48, 512
    weights = np.where(np.arange(width * columns).reshape(width, columns) % 3, 127, -127).astype(np.int8)
    levels = np.full((rows, width), 255, np.uint8)
    levels[:, ::7] = 0
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["x", "w", "zero"], ["y"])],
        "sums",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, ["rows", width])],
        [helper.make_tensor_value_info("y", TensorProto.INT32, ["rows", columns])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.uint8(128), "zero")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(model, tmp_path / "sums.onnx")
    session = onnx_session.new_session(onnx_session.import_onnxruntime(), tmp_path / "sums.onnx", "cpu", 2)
    expected = (levels.astype(np.int32) - 128) @ weights.astype(np.int32)
    assert np.array_equal(session.run(None, {"x": levels})[0], expected)
