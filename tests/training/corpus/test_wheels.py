import shutil
import subprocess
from pathlib import Path

import pytest

from cg2_training.corpus.manifest import load_manifest
from cg2_training.corpus.wheels import fetch_wheels, pin_packages, pip_target_options
from cg2_training.errors import FetchError
from tests.training.corpus.corpus_samples import make_manifest, make_wheel, module, pinned


@pytest.fixture
def index(tmp_path, monkeypatch):
    """Replace pip by a copy from a folder; return the folder and the list of pip's commands."""
    folder = tmp_path / "index"
    commands = []

    def run(command, **options):
        commands.append(command)
        name = command[-1].split("==")[0]
        into = Path(command[command.index("--dest") + 1])
        found = list(folder.glob(f"{name}-*.whl"))
        for wheel in found:
            shutil.copy(wheel, into)
        return subprocess.CompletedProcess(
            command, 0 if found else 1, "", "" if found else "ERROR: not found"
        )

    monkeypatch.setattr("cg2_training.corpus.wheels.subprocess.run", run)
    return folder, commands


def test_missing_wheels_are_fetched_once_and_never_built(tmp_path, index):
    folder, commands = index
    wheel = make_wheel(folder, "alpha", {"alpha/core.py": module("core")})
    packages = load_manifest(make_manifest(tmp_path / "m.toml", pinned(wheel))).packages
    for _ in range(2):
        paths = fetch_wheels(packages, tmp_path / "cache")
    assert paths == {"alpha": tmp_path / "cache" / wheel.name}
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [wheel.name]
    (command,) = commands
    assert {"--no-deps", "--only-binary=:all:", "alpha==1.0"} <= set(command)


def test_a_failing_download_names_the_package(tmp_path, index):
    wheel = make_wheel(tmp_path / "elsewhere", "alpha", {"alpha/core.py": module("core")})
    packages = load_manifest(make_manifest(tmp_path / "m.toml", pinned(wheel))).packages
    with pytest.raises(FetchError, match=r"wheel of alpha==1\.0: ERROR: not found"):
        fetch_wheels(packages, tmp_path / "cache")


def test_pinned_tables_are_a_manifest(tmp_path, index):
    folder, _ = index
    for name in ("alpha", "beta"):
        make_wheel(folder, name, {f"{name}/core.py": module(name)})
    text = pin_packages(["beta", "alpha"])
    packages = load_manifest(make_manifest(tmp_path / "m.toml", text)).packages
    assert [(p.label, p.licence, p.split) for p in packages] == [
        ("alpha==1.0", "MIT", "train"),
        ("beta==1.0", "MIT", "train"),
    ]


def test_a_cached_file_that_is_no_wheel_is_named(tmp_path, index):
    folder, _ = index
    make_wheel(folder, "alpha", {}).write_bytes(b"no zip")
    with pytest.raises(FetchError, match="is not a readable wheel"):
        pin_packages(["alpha"])


def test_tags_choose_the_pinned_wheel_on_any_interpreter():
    compiled = pip_target_options("x-1-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl")
    assert compiled[:2] == ["--abi", "cp311"]
    assert compiled[compiled.index("--python-version") + 1] == "3.11"
    assert compiled[-4:] == ["--platform", "manylinux_2_27_x86_64", "--platform", "manylinux_2_28_x86_64"]
    assert "--python-version" not in pip_target_options("x-1-py3-none-any.whl")
