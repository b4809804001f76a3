"""Where models and choices lie on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path, user_config_path, user_data_path

HOME_VARIABLE = "CG2LS_HOME"
"""Environment variable naming one folder for models and choices, in place of the platform's own."""

SHIPPED_DEFAULT = Path(__file__).resolve().parents[1] / "default"
"""The model folder that comes with the package."""


def models_folder() -> Path:
    """The folder of the models that were added, one folder each."""
    return (_home() or user_data_path("cg2ls", appauthor=False)) / "models"


def choices_file() -> Path:
    """The JSON file in which `cg2ls models use` notes its choices."""
    return (_home() or user_config_path("cg2ls", appauthor=False)) / "models.json"


def cache_folder() -> Path:
    """The folder of what can be made again, such as the indexes of repository memory."""
    home = _home()
    return home / "cache" if home else user_cache_path("cg2ls", appauthor=False)


def _home() -> Path | None:
    home = os.environ.get(HOME_VARIABLE)
    return Path(home).expanduser() if home else None
