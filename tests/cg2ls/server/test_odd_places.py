"""With missing, full or removed folders completion continues, and one sentence names the problem."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cg2ls.models.folder.locations import SHIPPED_DEFAULT

ROOT = Path(__file__).parents[3]
HOMELESS = Path(__file__).with_name("homeless.py")
FILE = ROOT / "cg2ls" / "errors.py"
COMMANDS = {
    "complete": (("complete", str(FILE), "--at", "9:1"), 0),
    "complete with JSON": (("complete", str(FILE), "--at", "9:1", "--json"), 0),
    "doctor": (("doctor",), 0),
    "models list": (("models", "list"), 0),
    "models verify": (("models", "verify"), 0),
    "models use": (("models", "use", "default"), 1),
    "models add": (("models", "add", str(SHIPPED_DEFAULT)), 1),
    "models remove": (("models", "remove", "mine"), 1),
    "stats": (("stats",), 1),
    "stats clear": (("stats", "clear"), 1),
    "memory status": (("memory", "status", "--root", str(FILE.parent / "retrieval")), 0),
    "memory build": (("memory", "build", "--root", str(FILE.parent / "retrieval")), 0),
    "memory clear": (("memory", "clear", "--root", str(FILE.parent / "retrieval")), 0),
    "serve on a socket": (("serve", "--unix", "~/socket"), 1),
    "memory explain": (
        ("memory", "explain", str(FILE), "--at", "9:1", "--root", str(FILE.parent / "retrieval")),
        0,
    ),
}
"""Commands, and the exit status of each for a user without folders."""


def environment(**more: str) -> dict[str, str]:
    """Return variables without the user's folders. KEEP_USER is set if other users cannot read the package."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    ends = FILE.parent, Path(sys.prefix), Path(sys.base_prefix)
    others_may = all(folder.stat().st_mode & 0o005 == 0o005 for end in ends for folder in (end, *end.parents))
    found = {"PYTHONPATH": str(ROOT), "ORT_DISABLE_TELEMETRY": "1"}
    return kept | found | ({} if others_may else {"KEEP_USER": "1"}) | more


@pytest.mark.parametrize(("command", "status"), COMMANDS.values(), ids=COMMANDS)
def test_without_a_home_folder_every_command_works_or_prints_one_sentence(
    command: tuple[str, ...], status: int, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, str(HOMELESS), *command], capture_output=True, text=True, env=environment(), cwd="/"
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    if status:
        assert done.stderr.startswith("cg2ls: ")
    else:
        assert "This user has no home folder" in done.stderr
        assert done.stdout


def conversation(
    client: Any, root: Path, meanwhile: Callable[[], object] = lambda: None
) -> tuple[list[str], str]:
    """Return the completion in an open document, and everything on stderr."""
    uri = (root / "b.py").as_uri()
    client.initialize(rootUri=root.as_uri())
    client.open(uri, "from a import compute_total\n\nx = comp")
    client.wait_for("window/logMessage", "is ready")
    client.wait_for("window/logMessage", "Memory of")
    meanwhile()
    found = client.inline(uri, 2, 8, 1)
    client.request("workspace/executeCommand", {"command": "cg2ls.server.models"})
    assert client.leave() == 0
    return [item["insertText"] for item in found["items"]][:1], client.process.stderr.read().decode()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace that everybody may read."""
    made = tmp_path / "ws"
    made.mkdir()
    (made / "a.py").write_text("def compute_total(order):\n    return order.total\n")
    return made


@pytest.fixture
def converse(lsp: Any, root: Path) -> Callable[..., tuple[list[str], str]]:
    """Connects to a server that a shell starts; `$0` is its command line."""

    def start(
        *command: str, meanwhile: Callable[[], object] = lambda: None, env: dict[str, str] | None = None
    ) -> tuple[list[str], str]:
        with lsp.LspClient(command, env=env or environment()) as client:
            return conversation(client, root, meanwhile)

    return start


def test_without_a_home_folder_the_server_completes_with_one_message(
    converse: Callable[..., tuple[list[str], str]],
) -> None:
    texts, said = converse(sys.executable, str(HOMELESS), "--stdio")
    assert texts == ["ute_total"]
    assert "This user has no home folder" in said
    assert len(said.splitlines()) == 1


SERVER = f'"{sys.executable}" -m cg2ls --stdio'
ODD = {
    "a file where the folder would be": (
        SERVER,
        "CG2LS_HOME",
        ("models.json cannot be read", "cannot be written"),
    ),
    "no space": (
        f"ulimit -f 0; exec {SERVER}",
        "",
        ("cannot be written", "memory lasts for this session only"),
    ),
    "no working directory": (f'cd "$1" && rmdir "$1" && exec {SERVER}', "", ()),
    "closed stderr": (f"exec {SERVER} 2>&-", "", ()),
}


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell starts the server")
@pytest.mark.parametrize(("script", "variable", "expected"), ODD.values(), ids=ODD)
def test_in_odd_places_the_server_completes(
    converse: Callable[..., tuple[list[str], str]],
    script: str,
    variable: str,
    expected: tuple[str, ...],
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "gone").mkdir()
    home = tmp_path / ("file" if variable else "home")
    texts, said = converse(
        "/bin/sh", "-c", script, "sh", str(tmp_path / "gone"), env=environment(CG2LS_HOME=str(home))
    )
    assert texts == ["ute_total"]
    assert all(sentence in said for sentence in expected), said
    assert "Traceback" not in said
    assert len(said.splitlines()) == len(set(said.splitlines())), "no message is sent twice"
    if not expected:
        assert not said


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a file that is open")
@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_model_may_be_removed_or_replaced_while_it_is_open(
    converse: Callable[..., tuple[list[str], str]], how: str, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(SHIPPED_DEFAULT, model)

    def change() -> None:
        if how == "removed":
            shutil.rmtree(model)
        else:
            shutil.copytree(model, tmp_path / "new")
            (tmp_path / "new" / "model.json").write_text("{}")
            model.rename(tmp_path / "old")
            (tmp_path / "new").rename(model)

    texts, said = converse(
        *(sys.executable, "-m", "cg2ls", "--stdio", "--model", str(model)),
        meanwhile=change,
        env=environment(CG2LS_HOME=str(tmp_path / "home")),
    )
    assert (texts, said) == (["ute_total"], "")


def test_doctor_prints_the_file_of_choices() -> None:
    done = subprocess.run(
        [sys.executable, str(HOMELESS), "doctor", "--json"],
        capture_output=True,
        text=True,
        env=environment(),
        cwd="/",
    )
    assert json.loads(done.stdout)["facts"]["folders"]["choices"].startswith(
        "none: This user has no home folder"
    )
