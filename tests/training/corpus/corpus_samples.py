"""Small wheels and manifests for the corpus tests."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

from cg2_training.corpus.wheels import pin_wheel, to_toml

MIT = "License-Expression: MIT"


def module(seed: str, count: int = 12) -> str:
    """Return Python source whose length and words depend on the arguments."""
    functions = (
        f"\ndef {seed}_step_{number}(value_{seed}, other_{number}):\n"
        f"    result_{seed}_{number} = value_{seed} + other_{number} * {number}\n"
        f"    return result_{seed}_{number}\n"
        for number in range(count)
    )
    return f'"""Module {seed}."""\n' + "".join(functions)


def make_wheel(
    folder: Path, name: str, files: Mapping[str, str | bytes], metadata: str = MIT, licence_text: str = ""
) -> Path:
    """Write a wheel with the given files."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in files.items():
            archive.writestr(zipfile.ZipInfo(inner), text)
        info = f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{metadata}\n"
        archive.writestr(zipfile.ZipInfo(f"{name}-1.0.dist-info/METADATA"), info)
        if licence_text:
            archive.writestr(zipfile.ZipInfo(f"{name}-1.0.dist-info/licenses/LICENSE"), licence_text)
    return path


def make_manifest(path: Path, *entries: str, head: str = "") -> Path:
    """Write a manifest of the given tables."""
    path.write_text("\n".join([head, *entries]), encoding="utf-8")
    return path


def pinned(wheel: Path, **changes: str) -> str:
    """Return the manifest table of a wheel with some values changed."""
    lines = to_toml(pin_wheel(wheel, "train")).splitlines()
    kept = [line for line in lines if line.split(" = ")[0] not in changes]
    return "\n".join([*kept, *(f"{key} = {json.dumps(value)}" for key, value in changes.items()), ""])


def read_lines(path: Path) -> list[dict[str, str]]:
    """Return the documents of a corpus file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
