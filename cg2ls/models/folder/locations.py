"""Where this user's models, choices, counts and caches lie on this machine, if there is a place for them.

A process may have none: HOME is not set and the user has no entry in the user database, as in many containers. Then
each function here raises `NoUserFolderError`, whose sentence commands print; whoever can go on without catches it.
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
"""Environment variable naming one folder for models and choices, in place of the platform's own."""

SHIPPED_DEFAULT = Path(__file__).resolve().parents[2] / "default"
"""The model folder that comes with the package."""


class NoUserFolderError(Cg2Error):
    """This user has no folder on this machine."""


def models_folder() -> Path:
    """The folder of the models that were added, one folder each.

    Raises:
        NoUserFolderError: the user has no folder.
    """
    return (_home() or _platform_folder(user_data_path)) / "models"


def choices_file() -> Path:
    """The JSON file in which `cg2ls models use` notes its choices.

    Raises:
        NoUserFolderError: the user has no folder.
    """
    return (_home() or _platform_folder(user_config_path)) / "models.json"


def cache_folder() -> Path:
    """The folder of what can be made again, such as the indexes of repository memory.

    Raises:
        NoUserFolderError: the user has no folder.
    """
    home = _home()
    return home / "cache" if home else _platform_folder(user_cache_path)


def state_folder() -> Path:
    """The folder of the counts that `cg2ls stats` shows.

    Raises:
        NoUserFolderError: the user has no folder.
    """
    return _home() or _platform_folder(user_state_path)


def describe() -> dict[str, str]:
    """Say where models, choices, caches and counts lie, or that there is no place for them."""
    try:
        return {
            "models": str(models_folder()),
            "choices": str(choices_file()),
            "memory": str(cache_folder()),
            "counts": str(state_folder()),
        }
    except NoUserFolderError as error:
        return {"models": "only the one that is shipped", "choices, memory, counts": f"none: {error}"}


@lru_cache
def warn_once(sentence: str) -> None:
    """Write a sentence to the log, the first time that it is said."""
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
    if not folder.is_absolute():  # older versions of platformdirs leave the `~` in front
        raise NoUserFolderError(
            "This user has no home folder (HOME is not set), so no models, choices, counts or indexes of memory are"
            f" kept or read; set {HOME_VARIABLE} to a folder for them."
        )
    return folder
