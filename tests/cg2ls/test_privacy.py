"""Telemetry of libraries is disabled before any of them is imported, with any settings of the user."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from cg2ls.engine.onnx_session import import_onnxruntime
from cg2ls.privacy import VARIABLES, hub_kernels_refused, keep_compiled_code

ROOT = Path(__file__).parents[2]
OURS = {"cg2ls", "cg2_quantize", "cg2_training"}
TALKATIVE = {
    *("bitsandbytes", "datatrove", "hf_xet", "huggingface_hub", "magika", "onnxruntime", "onnxruntime_genai"),
    *("optimum", "transformers"),
}
"""Libraries that read one of the variables, or import one that does."""

ENTRIES = {
    "the server": ("cg2ls.cli.main", "serve", "--help"),
    "a command": ("cg2ls.cli.main", "models", "list"),
    "the server as a module": ("cg2ls.__main__", "doctor", "--model", "none"),
    "memory's process": ("cg2ls.retrieval.memory.index_worker",),
    "a bench's engine": ("cg2ls.evaluation.runtimes.cg2ls_worker",),
    "a conversion": ("cg2_quantize.cli", "--help"),
    "measuring a conversion": ("cg2_quantize.verification.speed",),
    "another runtime": ("cg2_runtimes.optimum_runtime",),
    "training": ("cg2_training.cli.main", "--help"),
}
WATCH = f"""
import importlib, os, sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in {TALKATIVE!r}:
            print("found", name, all(os.environ.get(key) == value for key, value in {VARIABLES!r}.items()))

sys.meta_path.insert(0, Watch())
module = importlib.import_module(sys.argv[1])
if len(sys.argv) > 2:
    sys.argv[:2] = ["command"]
    try:
        module.main()
    except SystemExit:
        pass
print("found", "ended", {{key: os.environ.get(key) for key in {sorted(VARIABLES)!r}}} == {VARIABLES!r})
"""


def watched(tmp_path: Path, *words: str) -> list[list[str]]:
    """Return the libraries that a module imports, each with whether telemetry was off; "ended" is the end."""
    users = {**os.environ, **dict.fromkeys(VARIABLES, "wished"), "ORT_DISABLE_TELEMETRY": "0"}
    users["CG2LS_HOME"] = str(tmp_path)
    ran = subprocess.run(
        [sys.executable, "-c", WATCH, *words],
        env=users,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return [line.split()[1:] for line in ran.stdout.splitlines() if line.startswith("found ")]


@pytest.mark.parametrize("words", ENTRIES.values(), ids=ENTRIES)
def test_telemetry_is_off_before_a_library_is_imported(words: tuple[str, ...], tmp_path: Path) -> None:
    told = watched(tmp_path, *words)
    assert told[-1] == ["ended", "True"]
    assert {off for _, off in told} == {"True"}


def test_an_import_before_ours_would_be_noticed(tmp_path: Path) -> None:
    assert watched(tmp_path, "huggingface_hub") == [["huggingface_hub", "False"], ["ended", "False"]]


def test_child_process_gets_the_setting_too() -> None:
    code = f"import os; print({{key: os.environ.get(key) for key in {sorted(VARIABLES)!r}}})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ast.literal_eval(ran.stdout) == VARIABLES


@pytest.mark.parametrize("path", sorted((ROOT / "tools").glob("*.py")), ids=lambda path: path.name)
def test_a_tool_imports_ours_before_a_library_that_reports(path: Path) -> None:
    names: list[str] = []
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Import):
            names += [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module.split(".")[0])
    reports = [names.index(name) for name in TALKATIVE & set(names)]
    ours = [names.index(name) for name in OURS & set(names)]
    assert not reports or (ours and min(ours) < min(reports))


def test_telemetry_is_disabled_by_the_runtimes_own_call_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds for Windows apps and components read no variable."""
    calls: list[str] = []
    runtime = SimpleNamespace(
        disable_telemetry_events=lambda: calls.append("telemetry off"),
        set_default_logger_severity=lambda severity: calls.append("silent"),
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
    assert import_onnxruntime() is runtime
    assert calls[0] == "telemetry off"


def test_one_place_imports_the_runtime() -> None:
    """So that the call is made in every process of ours; optimum's quantizer opens no session by itself."""
    direct = re.compile(r"^\s*(import onnxruntime\b(?!_)|from onnxruntime\b(?!_))", re.MULTILINE)
    folders = (ROOT / "cg2ls", ROOT / "quantize", ROOT / "training", ROOT / "tools")
    found = {
        path.name
        for folder in folders
        for path in folder.rglob("*.py")
        if direct.search(path.read_text("utf-8"))
    }
    assert found == {"optimum_runtime.py"}


def test_bitsandbytes_cannot_fetch_code_from_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kernels.py").write_text("def get_kernel(*words, **more): raise SystemExit('fetched')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with hub_kernels_refused(), pytest.raises(ModuleNotFoundError):
        importlib.import_module("kernels")
    assert importlib.import_module("kernels").get_kernel, "afterwards the user's value is restored"
    with hub_kernels_refused():
        assert "kernels" in sys.modules, "what the user has imported stays"
    monkeypatch.delitem(sys.modules, "kernels")


def test_another_runtime_sends_the_hub_nothing() -> None:
    code = """
import os, runpy, sys
sys.argv[1:] = ["--help"]
try:
    runpy.run_module("cg2_runtimes", run_name="__main__")
except SystemExit:
    print("HF_HUB_OFFLINE", os.environ["HF_HUB_OFFLINE"])
"""
    environment = {**os.environ, "HF_HUB_OFFLINE": "0"}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.endswith("HF_HUB_OFFLINE 1\n")


def test_what_pytorch_compiles_is_kept_among_our_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    keep_compiled_code(Path("~/.cache"))
    assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ, "a user without a home has no folder of ours"
    keep_compiled_code(tmp_path)
    keep_compiled_code(tmp_path / "other")
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path), "a folder that was named stays"
