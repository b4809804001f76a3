"""A small repository and a small model to adapt to it."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest

from cg2_quantize import ConversionOptions, convert
from cg2_quantize.checkpoint.synthetic import write_random_checkpoint
from cg2_training.data.tokenizer import train_tokenizer
from cg2ls.models.codegen2 import CodeGenConfig
from cg2ls.models.folder.facts import Facts

STDLIB_MODULES = ("abc", "bisect", "calendar", "cmd", "colorsys", "copy", "fnmatch", "glob", "heapq", "shlex")


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten modules in a package, and files next to it that must not be read."""
    folder = tmp_path_factory.mktemp("repository") / "My Project"
    library = Path(sysconfig.get_paths()["stdlib"])
    (folder / "package").mkdir(parents=True)
    for module in STDLIB_MODULES:
        (folder / "package" / f"{module}.py").write_bytes((library / f"{module}.py").read_bytes())
    (folder / "package" / "copy_of_glob.py").write_bytes((library / "glob.py").read_bytes())
    (folder / "package" / "empty.py").write_text("\n")
    (folder / "package" / "keys.py").write_text("ID = 'AKIAIOSFODNN7EXAMPLE'\n")
    (folder / ".gitignore").write_text("build/\n")
    (folder / "build").mkdir()
    (folder / "build" / "made.py").write_text("made = True\n" * 50)
    (folder / "notes.md").write_text("# Notes\n")
    return folder


@pytest.fixture(scope="session")
def base(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model with its own tokenizer, as a model folder."""
    texts = [path.read_text("utf-8") for path in sorted((repository / "package").glob("*.py"))]
    tokenizer = train_tokenizer(texts, vocab_size=512, n_masks=20)
    checkpoint = tmp_path_factory.mktemp("base") / "checkpoint"
    config = CodeGenConfig(
        n_layer=1, n_embd=64, n_head=4, rotary_dim=16, n_positions=64, vocab_size=512, n_inner=256
    )
    write_random_checkpoint(checkpoint, config, seed=1)
    (checkpoint / "tokenizer.json").write_text(tokenizer.to_json(), encoding="utf-8")
    Facts(name="base").write(checkpoint)
    folder = checkpoint.with_name("folder")
    convert(checkpoint, folder, ConversionOptions(precision="fp32", untrained=True))
    return folder
