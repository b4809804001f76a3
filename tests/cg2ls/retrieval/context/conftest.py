"""No test of what is found depends on how fast this machine finds it."""

from __future__ import annotations

import math

import pytest

from cg2ls.retrieval.context import snippet_selection


@pytest.fixture(autouse=True)
def _without_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snippet_selection, "LIMIT_S", math.inf)
