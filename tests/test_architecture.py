"""Allowed imports between packages: arrows point one way (docs/design/architecture.md)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODELS = {"cg2ls.models.folder", "cg2ls.models.codegen2"}
RETRIEVAL = {"cg2ls.retrieval.memory", "cg2ls.retrieval.context"}
PACKAGES: dict[str, set[str]] = {
    "cg2ls.models.codegen2": set(),
    "cg2ls.models.folder": {"cg2ls.models.codegen2"},
    "cg2ls.engine": MODELS,
    "cg2ls.workspace": set(),
    "cg2ls.retrieval.context": {"cg2ls.workspace"},
    "cg2ls.retrieval.memory": {"cg2ls.workspace", "cg2ls.engine", *MODELS},
    "cg2ls.completion": {"cg2ls.workspace", "cg2ls.engine", *MODELS},
    "cg2ls.server": {"cg2ls.completion", *RETRIEVAL, "cg2ls.workspace", "cg2ls.engine", *MODELS},
    "cg2ls.http": {"cg2ls.server", "cg2ls.completion", "cg2ls.workspace", "cg2ls.engine", *MODELS},
    "cg2ls.evaluation": {
        *("cg2ls.server", "cg2ls.completion", "cg2ls.workspace", "cg2ls.engine"),
        *(*RETRIEVAL, *MODELS),
    },
    "cg2ls.cli": {
        *("cg2ls.server", "cg2ls.http", "cg2ls.evaluation", "cg2ls.completion"),
        *("cg2ls.workspace", "cg2ls.engine"),
        *(*RETRIEVAL, *MODELS),
    },
    "cg2_quantize": {"cg2ls.engine", *MODELS},
    "cg2_runtimes": {"cg2_quantize", "cg2ls.evaluation", "cg2ls.engine", *MODELS},
    "cg2_training": {"cg2ls.workspace", *MODELS},
}
"""Packages that each package may import besides itself and the plain modules of `cg2ls`."""

ENDS_IN_A_MODEL_FOLDER = {
    "adapt.py": {"cg2_quantize"},
    "evaluate.py": {"cg2ls.cli"},
    "evaluation_target.py": {"cg2_quantize", "cg2ls.engine"},
    "grow.py": {"cg2_quantize"},
    "inputs.py": {"cg2_quantize"},
    "export.py": {"cg2_quantize"},
    "with_memory.py": {"cg2ls.engine", "cg2ls.evaluation", "cg2ls.workspace"},
}
"""Files of training that work on a finished model folder, and what else they may import."""

HEAVY = {
    "torch",
    "transformers",
    "onnx",
    "optimum",
    "ctranslate2",
    "gguf",
    "llama_cpp",
    "xllamacpp",
    "bitsandbytes",
    "datasets",
    "tqdm",
    "matplotlib",
}
NETWORK = {"aiohttp", "ftplib", "http", "httpx", "requests", "smtplib", "socket", "ssl", "urllib"}
CODE_IN_DATA = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
FOLDERS = {
    "cg2ls": ROOT,
    "cg2_quantize": ROOT / "quantize",
    "cg2_runtimes": ROOT / "quantize",
    "cg2_training": ROOT / "training",
}


def package_of(module: str) -> str | None:
    """Return the package that contains a dotted module name."""
    return next(
        (package for package in PACKAGES if module == package or module.startswith(f"{package}.")), None
    )


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute"
            assert node.module
            yield node.module


def files_of(package: str) -> list[Path]:
    folder = FOLDERS[package.split(".")[0]] / Path(*package.split("."))
    return sorted(folder.rglob("*.py")) or [path for path in [folder.with_suffix(".py")] if path.is_file()]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_is_below_it(package: str) -> None:
    files = files_of(package)
    assert files, f"{package} has no files"
    for path in files:
        for module in imports_of(path):
            other = package_of(module)
            known = PACKAGES[package] | ENDS_IN_A_MODEL_FOLDER.get(path.name, set())
            allowed = other is None or other == package or other in known
            assert allowed, f"{path.relative_to(ROOT)} imports {module}, which {package} must not import"


def test_the_server_imports_no_heavy_package() -> None:
    bars = ROOT / "cg2ls" / "evaluation" / "progress.py"
    for path in sorted((ROOT / "cg2ls").rglob("*.py")):
        for module in imports_of(path):
            if path == bars and module == "tqdm":  # of the commands, which the server does not import
                continue
            assert module.split(".")[0] not in HEAVY | {"cg2_quantize", "cg2_training"}, (
                f"{path} imports {module}"
            )


def test_only_the_fit_of_a_gate_imports_scikit_learn() -> None:
    fit = ROOT / "cg2ls" / "evaluation" / "quality" / "fit_gate.py"
    for folder in FOLDERS:
        for path in files_of(folder):
            known = any(module.split(".")[0] == "sklearn" for module in imports_of(path))
            assert known == (path == fit), path


def test_the_server_never_reaches_for_the_network() -> None:
    listener = ROOT / "cg2ls" / "http" / "listener.py"
    for path in sorted((ROOT / "cg2ls").rglob("*.py")):
        found = NETWORK & {module.split(".")[0] for module in imports_of(path)}
        assert found == ({"socket"} if path == listener else set()), path


def test_weights_are_never_read_by_loaders_that_run_code() -> None:
    for folder in FOLDERS:
        for path in files_of(folder):
            assert not CODE_IN_DATA & {module.split(".")[0] for module in imports_of(path)}, path
            loads = path.read_text("utf-8").count("torch.load(")
            assert loads == (path.name == "pickled.py"), f"{path}: one adapter reads .bin files"


def test_pickled_weights_are_read_by_the_weights_only_loader() -> None:
    tree = ast.parse((ROOT / "quantize" / "cg2_quantize" / "checkpoint" / "pickled.py").read_text("utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    loads = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "load"]
    assert [keyword.value.value for keyword in loads[0].keywords if keyword.arg == "weights_only"] == [True]  # type: ignore[attr-defined]


def test_the_training_core_is_free_of_transformers_and_onnx() -> None:
    hf_trainer = FOLDERS["cg2_training"] / "cg2_training" / "bench" / "hf_trainer.py"
    for path in files_of("cg2_training"):
        for module in imports_of(path):
            allowed = path == hf_trainer and module == "transformers"
            assert allowed or module.split(".")[0] not in {"transformers", "onnx", "onnxruntime"}, (
                f"{path} imports {module}"
            )


def test_no_file_is_long() -> None:
    for folder in FOLDERS:
        for path in files_of(folder):
            lines = len(path.read_text("utf-8").splitlines())
            assert lines <= 350, f"{path.relative_to(ROOT)} has {lines} lines; is it still one idea?"
