"""Where the project is published. README, packages and editors repeat these values; tests/test_project.py compares."""

from __future__ import annotations

REPOSITORY = ""
"""Address of the repository, such as `https://github.com/OWNER/NAME`; "" until there is a public one."""

IS_PUBLISHED = False
"""Whether `pip install cg2ls` finds this project in Python's package index."""
