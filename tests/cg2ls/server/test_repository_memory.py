"""A server with repository memory: names from other files in their current state on disk."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

LEDGER = """\
class OrderLedger:
    def settle_outstanding_balance(self, customer, currency):
        return customer.balance


def close_month(ledger, customer):
    return ledger.settle_outstanding_balance(customer, "EUR")
"""
TEXT = "from ledger import OrderLedger\n\n\ndef close(ledger, customer):\n    return ledger.settle_\n"
LINE, COLUMN = 4, len("    return ledger.settle_")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CG2LS_HOME", str(tmp_path / "home"))
    root = tmp_path / "project"
    root.mkdir()
    (root / "ledger.py").write_text(LEDGER)
    (root / "main.py").write_text(TEXT)
    return root


def opened(client: object, root: Path, **options: object) -> str:
    """A server with the shipped model, with main.py open in it."""
    folder = {"uri": root.as_uri(), "name": root.name}
    client.initialize(
        {"window": {"workDoneProgress": True}, "textDocument": {"inlineCompletion": {}}},
        workspaceFolders=[folder],
        initializationOptions=options or None,
    )
    uri = (root / "main.py").as_uri()
    client.open(uri, TEXT)
    client.wait_for("window/logMessage", "is ready")
    client.inline(uri, LINE, COLUMN)
    return uri


def shown(client: object, uri: str) -> str:
    items = client.inline(uri, LINE, COLUMN, trigger=1)[
        "items"
    ]  # an invoked request, so that the confidence gate hides nothing
    return items[0]["insertText"] if items else ""


def test_a_name_from_another_file_is_completed(start, workspace):
    client = start()
    uri = opened(client, workspace)
    client.wait_for("window/logMessage", "Memory of")
    client.open(uri, TEXT + "\n")
    assert "outstanding_balance" in shown(client, uri)


def test_an_answer_from_before_the_workspace_was_read_is_not_kept(start, workspace):
    for number in range(40):
        (workspace / f"other{number}.py").write_text(f"rate_{number} = {number}\n" * 400)
    client = start()
    uri = opened(client, workspace)
    shown(client, uri)  # usually before the forty files were read
    client.wait_for("window/logMessage", "Memory of")
    assert "outstanding_balance" in shown(client, uri)


def test_without_memory_the_model_does_not_know_it(start, workspace):
    client = start()
    uri = opened(client, workspace, repositoryMemory=False)
    assert "outstanding_balance" not in shown(client, uri)


def test_a_saved_file_counts_as_it_is_now(start, workspace):
    client = start()
    uri = opened(client, workspace)
    client.wait_for("window/logMessage", "Memory of")
    (workspace / "ledger.py").write_text(LEDGER.replace("outstanding_balance", "overdue_invoices"))
    client.notify("textDocument/didSave", {"textDocument": {"uri": (workspace / "ledger.py").as_uri()}})
    deadline = time.monotonic() + 300
    text, asked = "", 0
    while "overdue_invoices" not in text and time.monotonic() < deadline:
        asked += 1
        client.open(uri, f"{TEXT}# {asked}\n")  # another text each time, since answers are kept
        text = shown(client, uri)
    assert "overdue_invoices" in text


def test_excluded_files_are_not_read(start, workspace):
    client = start()
    uri = opened(client, workspace, exclude=["ledger.py"])
    client.wait_for("window/logMessage", "Memory of")
    client.open(uri, TEXT + "\n")
    assert "outstanding_balance" not in shown(client, uri)


PRIVATE = {
    "exclude": {"exclude": ["/ledger.py"]},
    "a pattern for a link": {"exclude": ["/link.py"]},
    "folders": {"folders": {"ledger.py": {"enable": False}}},
    "memory off in a folder": {"folders": {"link.py": {"repositoryMemory": False}}},
}


@pytest.mark.parametrize("root", ["project", "alias"])
@pytest.mark.parametrize("options", PRIVATE.values(), ids=PRIVATE)
def test_a_private_file_is_excluded_by_any_spelling_of_its_path(start, workspace, root, options):
    """The folder through a link and the document by its real path, or the reverse."""
    spelled = "alias" if root == "project" else "project"
    (workspace.parent / "alias").symlink_to("project")
    (workspace / "link.py").symlink_to("ledger.py")
    client = start()
    opened(client, workspace.parent / root, **options)
    client.wait_for("window/logMessage", "Memory of")
    for name in ("ledger.py", "link.py"):
        private = (workspace.parent / spelled / name).as_uri()
        client.open(private, LEDGER)
        items = client.inline(private, 5, 4, trigger=1)
        assert "repositoryMemory" in str(options) or not (items and items["items"])
    uri = (workspace.parent / spelled / "main.py").as_uri()
    client.open(uri, TEXT + "\n")
    assert "outstanding_balance" not in shown(client, uri)


@pytest.mark.parametrize(
    ("root", "spelled"), [("project", "alias"), ("alias", "project"), ("alias", "alias")]
)
def test_memory_recognizes_the_workspace_by_any_spelling_of_its_path(start, workspace, root, spelled):
    (workspace.parent / "alias").symlink_to("project")
    client = start()
    opened(client, workspace.parent / root)
    client.wait_for("window/logMessage", f"Memory of {workspace} is ready")
    uri = (workspace.parent / spelled / "main.py").as_uri()
    client.open(uri, TEXT + "\n")
    assert "outstanding_balance" in shown(client, uri)


def test_unsaved_text_of_another_document_counts_at_once(start, workspace):
    client = start()
    uri = opened(client, workspace)
    client.wait_for("window/logMessage", "Memory of")
    unsaved = LEDGER.replace("outstanding_balance", "overdue_invoices")
    client.open((workspace / "ledger.py").as_uri(), unsaved)
    client.open(uri, TEXT + "\n")
    assert "overdue_invoices" in shown(client, uri)
    client.notify("textDocument/didClose", {"textDocument": {"uri": (workspace / "ledger.py").as_uri()}})
    client.open(uri, TEXT + "\n\n")
    assert "outstanding_balance" in shown(client, uri)


def test_installed_packages_are_used_if_enabled(start, workspace):
    place = workspace / ".venv/lib/python3.12/site-packages"
    place.mkdir(parents=True)
    (workspace / ".venv/pyvenv.cfg").write_text("home = /usr/bin\n")
    (workspace / "ledger.py").rename(place / "ledger.py")
    for wished in (True, False):
        client = start()
        uri = opened(client, workspace, repositoryMemoryDependencies=wished)
        said = client.wait_for("window/logMessage", "Memory of")
        assert ("of installed packages" in said["message"]) == wished
        client.open(uri, TEXT + "\n")
        assert ("outstanding_balance" in shown(client, uri)) == wished


def readers(server: int) -> list[Path]:
    """The index processes of a server, from Linux's /proc."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            of_memory = b"cg2ls.retrieval.memory.index_worker" in (process / "cmdline").read_bytes()
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if of_memory and int(parent) == server:
            found.append(process)
    return found


def within(seconds: float, true: Callable[[], object]) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(true())


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("leaves", [True, False])
def test_the_process_that_reads_ends_with_the_server(start, workspace, leaves):
    for number in range(300):
        (workspace / f"module{number}.py").write_text(LEDGER * 100)
    client = start()
    opened(client, workspace)
    server = client.process.pid
    assert within(300, lambda: readers(server))
    (reader,) = readers(server)
    if leaves:
        client.leave()
    else:
        client.process.kill()
    assert within(300, lambda: not reader.exists() or "Z" in (reader / "stat").read_text())
