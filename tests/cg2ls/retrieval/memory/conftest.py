"""A tokenizer small enough to verify, and temporary workspaces."""

from __future__ import annotations

from pathlib import Path

import pytest

from cg2ls.models.codegen2.tokenizer import CodeTokenizer
from cg2ls.models.folder.locations import SHIPPED_DEFAULT


@pytest.fixture(scope="session")
def tokenizer() -> CodeTokenizer:
    return CodeTokenizer.load(SHIPPED_DEFAULT / "tokenizer.json")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A workspace of two small modules."""
    root = tmp_path / "repository"
    (root / "shop").mkdir(parents=True)
    (root / "shop/orders.py").write_text(
        "class OrderLedger:\n    def settle_outstanding_balance(self, customer):\n        return customer.balance\n"
    )
    (root / "shop/tax.py").write_text("def value_added_tax(amount):\n    return amount * 0.19\n")
    return root
