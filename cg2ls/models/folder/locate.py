"""From what a user said about models to the one folder to open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cg2ls.models.folder.choice import LastingChoices, UnreadableChoicesError, choose, read_lasting
from cg2ls.models.folder.locations import NoUserFolderError, choices_file, warn_once
from cg2ls.models.folder.store import ModelStore

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Located:
    """A model folder to open.

    Attributes:
        folder: where it lies.
        name: the name or path it was chosen by.
        reason: who chose it, in words for a person.
    """

    folder: Path
    name: str
    reason: str


def locate_model(
    *, flag: str | None = None, setting: str | None = None, language: str | None = None
) -> Located:
    """The model that answers, by the rule of `choose`, from this user's store.

    Args:
        flag: name or path from the command line.
        setting: name or path from the editor.
        language: LSP language id of the document.

    Raises:
        ModelFolderError: the chosen model is not there.
    """
    choice = choose(flag=flag, setting=setting, lasting=known_choices(), language=language)
    return Located(ModelStore().resolve(choice), choice.model, choice.reason)


def known_choices() -> LastingChoices:
    """This user's lasting choices; none where they have no place or cannot be read, which the log says once.

    Raises:
        ModelFolderError: the file of choices is damaged.
    """
    try:
        return read_lasting(choices_file())
    except (NoUserFolderError, UnreadableChoicesError) as error:
        warn_once(str(error))
        return LastingChoices()
