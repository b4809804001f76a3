"""Names that a document imports from elsewhere."""

from __future__ import annotations

import re

_PYTHON = re.compile(r"^[ \t]*from[ \t]+[.\w]+[ \t]+import[ \t]+(\([^)]*\)|[^\n#]+)", re.MULTILINE)
_BRACES = re.compile(r"^[ \t]*(?:import|use)\b[^\n{;]*\{([^}]*)\}", re.MULTILINE)
_NAME = re.compile(r"(\w+)(?:[ \t]+as[ \t]+\w+)?")


def imported_names(text: str) -> list[str]:
    """Names in `from a import b`, `import {b} from "a"` and `use a::{b}`, in their order, none twice."""
    groups = [*_PYTHON.finditer(text), *_BRACES.finditer(text)]
    return list(dict.fromkeys(name for group in groups for name in _NAME.findall(group.group(1))))
