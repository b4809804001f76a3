"""Published addresses of the project, which README, packages and editors repeat (tests/test_project.py)."""

from __future__ import annotations

REPOSITORY = ""
"""Address of the repository, such as `https://github.com/OWNER/NAME`; "" until there is a public one."""

IS_PUBLISHED = False
"""Whether `pip install cg2ls` finds this project in Python's package index."""
