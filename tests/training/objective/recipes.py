"""The shipped recipes."""

from __future__ import annotations

from pathlib import Path

from cg2_training.run.recipe import Recipe

ROOT = Path(__file__).parents[3]
RECIPES = {path.stem: Recipe.load(path) for path in sorted((ROOT / "training" / "recipes").glob("*.toml"))}
