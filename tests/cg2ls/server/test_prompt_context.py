"""Text of other files before the prompt, and files that are never in it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

TEXT = "from ledger import Ledger\n\n# which files are known here\nsettle_balance(Ledger, customer, \n"
LINE, COLUMN = 3, len("settle_balance(Ledger, customer, ")
KEY = "AKIA" + "A" * 16

FILES = {
    "ledger.py": "class Ledger:\n    def settle(self, payer):\n        return payer.balance\n",
    "similar.py": "def other(customer, drawer):\n    settle_balance(drawer, customer, coins)\n",
    "ignored.py": "def ignored(customer):\n    settle_balance(customer, ignored, one)\n",
    "excluded.py": "def excluded(customer):\n    settle_balance(customer, excluded, two)\n",
    "keys.py": f'def keys(customer):\n    settle_balance(customer, keys, "{KEY}")\n',
    ".env": "settle_balance=customer\n",
    ".gitignore": "ignored.py\n",
}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / ".git").mkdir(parents=True)
    for name, text in FILES.items():
        (root / name).write_text(text)
    return root


def known(slow, root: Path, wanted: str, **options: object) -> str:
    """Return the files whose text is in the prompt, once they are `wanted` or time is over."""
    client = slow(workspaceFolders=[{"uri": root.as_uri(), "name": "project"}], initializationOptions=options)
    uri = (root / "main.py").as_uri()
    ends = time.monotonic() + 300
    while True:
        client.open(uri, TEXT)  # opened again, so that no earlier answer is reused
        items = client.inline(uri, LINE, COLUMN, trigger=2)["items"]
        shown = items[0]["insertText"] if items else ""
        if shown == wanted or time.monotonic() > ends:
            return shown
        time.sleep(0.05)


def test_prompt_has_imported_and_similar_code_but_no_excluded_files(slow, workspace):
    wanted = "ledger_similar"
    assert known(slow, workspace, wanted, contextTokens=400, exclude=["excluded.py"]) == wanted


def test_without_the_option_the_prompt_has_no_other_files(slow, workspace):
    assert known(slow, workspace, "none") == "none"
