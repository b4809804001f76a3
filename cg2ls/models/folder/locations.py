"""Folders of this user's models, choices, statistics and caches on this machine.

A user may have none: in many containers HOME is not set and the user has no entry in the user database. Then the
functions here raise `NoUserFolderError`. Commands print its message; code that works without a folder catches it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from platformdirs import user_cache_path, user_config_path, user_data_path, user_state_path

from cg2ls.errors import Cg2Error
from cg2ls.system import expand_home

log = logging.getLogger(__name__)

HOME_VARIABLE = "CG2LS_HOME"
"""Environment variable with one folder for models and choices, instead of the platform's folders."""

SHIPPED_DEFAULT = Path(__file__).resolve().parents[2] / "default"
"""Model folder of the default model in the package."""


class NoUserFolderError(Cg2Error):
    """A user without a home folder on this machine."""


def models_folder() -> Path:
    """Return the folder of the added models, one folder each.

    Raises:
        NoUserFolderError: the user has no folder.
    """
    return (_home() or _platform_folder(user_data_path)) / "models"


def choices_file() -> Path:
    """Return the JSON file with the choices of `cg2ls models use`.

    Raises:
        NoUserFolderError: the user has no folder.
    """
    return (_home() or _platform_folder(user_config_path)) / "models.json"


def cache_folder() -> Path:
    """Return the folder of data that can be rebuilt, such as the indexes of repository memory.

    Raises:
        NoUserFolderError: the user has no folder.
    """
    home = _home()
    return home / "cache" if home else _platform_folder(user_cache_path)


def state_folder() -> Path:
    """Return the folder of the statistics that `cg2ls stats` shows.

    Raises:
        NoUserFolderError: the user has no folder.
    """
    return _home() or _platform_folder(user_state_path)


def describe() -> dict[str, str]:
    """Return the places of models, choices, caches and statistics, or the reason why there are none."""
    try:
        return {
            "models": str(models_folder()),
            "choices": str(choices_file()),
            "memory": str(cache_folder()),
            "counts": str(state_folder()),
        }
    except NoUserFolderError as error:
        none = dict.fromkeys(("choices", "memory", "counts"), f"none: {error}")
        return {"models": "only the one that is shipped", **none}


@lru_cache
def warn_once(sentence: str) -> None:
    """Write a sentence to the log once per process."""
    log.warning("%s", sentence)


def _home() -> Path | None:
    named = os.environ.get(HOME_VARIABLE)
    if not named:
        return None
    home = expand_home(named)
    if home is None:
        raise NoUserFolderError(
            f"{HOME_VARIABLE} is {named}, but this user has no home folder; set {HOME_VARIABLE} to a full path."
        )
    return home


def _platform_folder(of_platform: Callable[..., Path]) -> Path:
    try:
        folder = of_platform("cg2ls", appauthor=False)
    except (RuntimeError, KeyError):
        folder = Path()
    if not folder.is_absolute():  # older versions of platformdirs keep a leading `~`
        raise NoUserFolderError(
            "This user has no home folder (HOME is not set), so no models, choices, counts or indexes of memory are"
            f" kept or read; set {HOME_VARIABLE} to a folder for them."
        )
    return folder
