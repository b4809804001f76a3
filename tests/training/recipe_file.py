"""A recipe as a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_recipe(recipe: dict[str, Any], path: Path) -> Path:
    """Writes a recipe as TOML and returns its path."""
    lines = [f'name = "{recipe["name"]}"']
    for section in ("model", "optimizer", "objective", "run"):
        lines.append(f"[{section}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in recipe[section].items()]
    path.write_text("\n".join(lines))
    return path
