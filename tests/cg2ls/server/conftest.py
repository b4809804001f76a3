"""Server processes: one with a real tiny model, one whose engine a test can watch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cg2_quantize.checkpoint.synthetic import write_random_checkpoint
from cg2_quantize.convert import ConversionOptions, convert
from cg2ls.evaluation import lsp_client
from cg2ls.models.codegen2 import CodeGenConfig

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[3]
SHAPE = CodeGenConfig(
    n_layer=1, n_embd=32, n_head=2, rotary_dim=16, n_positions=256, vocab_size=512, n_inner=64, qkv_groups=2
)


@pytest.fixture(scope="session")
def lsp() -> ModuleType:
    """The client's module, `cg2ls/evaluation/lsp_client.py`."""
    return lsp_client


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with random weights."""
    root = tmp_path_factory.mktemp("server-model")
    write_random_checkpoint(root / "checkpoint", SHAPE)
    convert(root / "checkpoint", root / "model", ConversionOptions(precision="fp32"))
    return root / "model"


Start = Callable[..., object]


@pytest.fixture
def start(lsp: ModuleType) -> Iterator[Start]:
    """Starts `cg2ls` with the given arguments, and ends it with the test."""
    clients = []

    def launch(*arguments: str, script: Path | None = None) -> object:
        program = [str(script)] if script else ["-m", "cg2ls"]
        clients.append(lsp.LspClient([sys.executable, *program, *arguments], timeout=300))
        return clients[-1]

    yield launch
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def slow(start: Start) -> Callable[..., object]:
    """A server whose engine writes `x` every 20 ms, forever; initialized, with a document and the model open."""

    def launch(capabilities: dict | None = None, replies: dict | None = None, **more: object) -> object:
        client = start(script=Path(__file__).with_name("slow_server.py"))
        client.replies.update(replies or {})
        client.initialize(lsp_client.INLINE | (capabilities or {}), **more)
        client.open("file:///a.py", "a = \nb = \n")
        client.wait_for("window/logMessage", "ready")
        return client

    return launch


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    """Patch that is undone before other fixtures end."""
    with pytest.MonkeyPatch.context() as made:
        yield made
