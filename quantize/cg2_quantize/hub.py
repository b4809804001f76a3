"""The Hugging Face hub through huggingface_hub: look up a repository, and explain a failure in one sentence."""

from __future__ import annotations

import importlib
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cg2_quantize.errors import QuantizeError
from cg2ls.models.folder.description import DESCRIPTION, GRAPH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NAME_ON_HUB = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")

LOG_IN_ADVICE = "log in with `hf auth login`"


def import_hub() -> Any:
    """Return the module huggingface_hub, with transfers over plain HTTP.

    Its second way of transfer (hf-xet) keeps chunks on disk beside the files, and is used only where the user sets
    HF_HUB_DISABLE_XET=0.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    hub = importlib.import_module("huggingface_hub")
    for part in ("constants", "errors"):
        importlib.import_module(f"huggingface_hub.{part}")
    return hub


def is_offline() -> bool:
    """Return whether HF_HUB_OFFLINE forbids asking the hub."""
    return bool(import_hub().constants.HF_HUB_OFFLINE)


@dataclass(frozen=True)
class Repository:
    """A model repository at one commit.

    Attributes:
        name: "owner/name", as the hub calls it now.
        commit: full hash.
        sizes: bytes of every file, by its path.
        license: licence in its metadata, as the hub spells it; "" if it states none.
    """

    name: str
    commit: str
    sizes: Mapping[str, int] = field(default_factory=dict)
    license: str = ""

    @property
    def is_model_folder(self) -> bool:
        """Whether it holds a converted model rather than a checkpoint."""
        return DESCRIPTION in self.sizes and GRAPH in self.sizes

    def total(self, files: list[str]) -> int:
        """Sum the sizes of some files, bytes."""
        return sum(self.sizes[name] for name in files)


def look_up(name: str, revision: str | None, on_notice: Callable[[str], object]) -> Repository:
    """Ask the hub for a repository's commit, files and licence.

    Args:
        name: "owner/name".
        revision: commit, branch or tag; None for the newest.
        on_notice: called with a sentence if the repository has another name now.

    Raises:
        QuantizeError: the hub is forbidden, or does not show the repository.
    """
    hub = import_hub()
    if is_offline():
        raise QuantizeError(f"HF_HUB_OFFLINE forbids asking the hub for {name}; unset it to download.")
    try:
        about = hub.HfApi().model_info(name, revision=revision, files_metadata=True)
    except Exception as error:  # the library raises its HTTP client's classes too
        raise QuantizeError(describe_hub_error(name, revision, error)) from None
    if about.id and about.id != name:
        on_notice(f"{name} is called {about.id} on the hub now.")
    sizes = {file.rfilename: int(file.size or 0) for file in about.siblings or []}
    stated = getattr(about.card_data, "license", None)
    return Repository(about.id or name, about.sha or "", sizes, stated if isinstance(stated, str) else "")


def describe_hub_error(name: str, revision: str | None, error: Exception) -> str:
    """Return a sentence with the reason why a download failed, and what to do."""
    errors, status = import_hub().errors, status_of(error)
    has_token = bool(os.environ.get("HF_TOKEN"))
    if isinstance(error, errors.GatedRepoError):
        return f"{name} is gated: accept its conditions on its page on the hub, then {LOG_IN_ADVICE}."
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{name} has no revision {revision}: name a commit, branch or tag that it has."
    if status == 401:
        known = "HF_TOKEN is not accepted for it" if has_token else LOG_IN_ADVICE
        return f"{name} is not shown by the hub (401): the name is wrong or the model private; check it, or {known}."
    if status == 403:
        return (
            f"{name} may not be read with this account (403): ask its owner for access, or {LOG_IN_ADVICE}"
            " as another user."
        )
    if status == 404 or isinstance(error, errors.RepositoryNotFoundError):
        return f"{name} is neither a local folder nor a model on the hub (404): check the name."
    if status == 429:
        return f"The hub answers {name} with too many requests (429): wait some minutes and run the command again."
    if status is not None:
        return f"The hub cannot give {name} now (status {status}): run the command again later."
    return (
        f"{name} cannot be downloaded ({_reason(error)}); the part downloaded so far is kept, so run the command"
        " again."
    )


def describe_push_error(name: str, error: Exception) -> str:
    """Return a sentence with the reason why an upload failed, and what to do."""
    errors, status = import_hub().errors, status_of(error)
    if status == 401 or isinstance(error, errors.LocalTokenNotFoundError):
        return (
            f"The hub does not accept this account for uploading {name} (401): {LOG_IN_ADVICE} and a token that may"
            " write."
        )
    if status == 403:
        return f"{name} may not be written with this token (403): use an owner or a token that may write it."
    if status == 404:
        return f"The hub has no place for {name} (404): check the owner's name."
    if status == 413:
        return f"The hub refuses {name} as too large (413): your storage there is used up."
    if status is not None:
        return f"The hub cannot take {name} now (status {status}); nothing was published, so run the command again."
    return f"{name} cannot be uploaded ({_reason(error)}); nothing was published, so run the command again."


def status_of(error: Exception) -> int | None:
    """Return the HTTP status of an answer; None if there was no answer."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _reason(error: Exception) -> str:
    said = str(error).strip()
    return said.splitlines()[0].rstrip(".") if said else type(error).__name__
