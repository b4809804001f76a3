"""Search has no time limit, so that results do not depend on the machine's speed."""

from __future__ import annotations

import math

import pytest

from cg2ls.retrieval.context import snippet_selection


@pytest.fixture(autouse=True)
def _without_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snippet_selection, "LIMIT_S", math.inf)
