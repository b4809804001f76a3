"""Models on this machine: the shipped one and those the user added; and which of them to open."""

from __future__ import annotations

import re
import shutil
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cg2ls.errors import Cg2Error
from cg2ls.files import check_replaceable, replacing_folder, take_folders_place
from cg2ls.models.folder import locations
from cg2ls.models.folder.choice import (
    DEFAULT_NAME,
    Choice,
    LastingChoices,
    UnreadableChoicesError,
    choose,
    read_lasting,
)
from cg2ls.models.folder.description import DESCRIPTION, ModelDescription, ModelFolderError
from cg2ls.models.folder.draft_pair import PAIR
from cg2ls.models.folder.locations import NoUserFolderError, choices_file, warn_once
from cg2ls.models.folder.verify import readable, verify_folder
from cg2ls.system import expand_home

if TYPE_CHECKING:
    from pathlib import Path

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""Valid names of models, which are also the names of their folders."""

COMPANIONS = ("README.md", "report.json", "report.html", "loss.png")
LICENCES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE", "NOTICE.txt")
"""Files of a model folder that model.json does not list: the card, measurements, terms of the licence."""


def list_companions(folder: Path) -> list[str]:
    """Return the names of a folder's companions that are plain files, not links."""
    names = (*COMPANIONS, *LICENCES)
    return [name for name in names if (folder / name).is_file() and not (folder / name).is_symlink()]


@dataclass(frozen=True, slots=True)
class StoredModel:
    """One model of the store.

    Attributes:
        name: name for `cg2ls models use`.
        folder: folder of the model.
        description: content of model.json; None if it cannot be read.
        problem: reason why it cannot be read, "" otherwise.
        is_shipped: whether it is the one that came with the installation.
    """

    name: str
    folder: Path
    description: ModelDescription | None
    problem: str = ""
    is_shipped: bool = False

    @property
    def size(self) -> int:
        """Bytes of the model's files, as model.json lists them."""
        return sum(entry.bytes for entry in self.description.files.values()) if self.description else 0


class ModelStore:
    """The folder of added models, and the shipped default.

    Args:
        root: folder with one folder per model; need not exist. None for the user's own folder, if there is one.
        shipped: folder of the shipped default; need not exist. None for that of the installation.

    Attributes:
        root: folder of the added models; None where the user has no folder and only the shipped model exists.
    """

    def __init__(self, root: Path | None = None, shipped: Path | None = None) -> None:
        self.root = root or _users_own()
        self.shipped = shipped or locations.SHIPPED_DEFAULT

    def models(self) -> list[StoredModel]:
        """List the shipped default and the added models by name, damaged ones included."""
        found: list[Path] = []
        if self.root is not None:
            with readable(self.root):
                found = sorted(path.parent for path in self.root.glob(f"[!.]*/{DESCRIPTION}"))
        models = [_stored(folder.name, folder) for folder in found]
        if _has_description(self.shipped):
            shipped = _stored(self.shipped_name, self.shipped)
            models.insert(0, replace(shipped, is_shipped=True))
        return models

    @property
    def shipped_name(self) -> str:
        """Name of the shipped model, as in its model.json; "default" always means it too.

        It is "default" where it cannot be read, or where an added model has that name.
        """
        if not _has_description(self.shipped):
            return DEFAULT_NAME
        stored = _stored(DEFAULT_NAME, self.shipped)
        own = stored.description.name if stored.description else DEFAULT_NAME
        return own if self._added(own) is None else DEFAULT_NAME

    def locate(self, model: str) -> Path:
        """Return the folder of a model, given by name or by path.

        Raises:
            ModelFolderError: there is no such model, or the folder cannot be read.
        """
        if (added := self._added(model)) is not None:
            return added
        if model in (DEFAULT_NAME, self.shipped_name):
            if not _has_description(self.shipped):
                raise ModelFolderError(
                    f"This installation has no default model ({self.shipped} is empty);"
                    " add one with `cg2ls models add FOLDER` and choose it with `cg2ls models use NAME`."
                )
            return self.shipped
        folder = expand_home(model) or Path(model)
        if _has_description(folder):
            return _absolute(folder)
        names = ", ".join(stored.name for stored in self.models()) or "none"
        raise ModelFolderError(f"There is no model {model!r}, by name or as a folder; there are: {names}.")

    def is_name(self, model: str) -> bool:
        """Return whether this is the name of a model in the store rather than a path."""
        return self._added(model) is not None or model in (DEFAULT_NAME, self.shipped_name)

    def _added(self, model: str) -> Path | None:
        """Return the folder of an added model; None if there is no model of this name."""
        if self.root is None or not NAME.fullmatch(model):
            return None
        return self.root / model if _has_description(self.root / model) else None

    def resolve(self, choice: Choice) -> Path:
        """Return the folder of a chosen model; the error message names the reason of the choice.

        Raises:
            ModelFolderError: there is no such model.
        """
        try:
            return self.locate(choice.model)
        except ModelFolderError as missing:
            if choice.model == DEFAULT_NAME:
                raise
            raise ModelFolderError(f"{missing} (The model was {choice.reason}.)") from None

    def add(self, folder: Path) -> StoredModel:
        """Verify a model folder and copy it into the store, under the name in its model.json.

        A model of that name is replaced. The copy appears complete or not at all.

        Raises:
            ModelFolderError: the folder is not a valid model folder, or its name is not a valid folder name.
            NoUserFolderError: there is no store.
        """
        model = verify_folder(folder)
        target = self.place_of(model.name)
        if folder.resolve() != target.resolve():
            try:
                with replacing_folder(target, proof=DESCRIPTION) as new:
                    for name in (*model.files, DESCRIPTION, *list_companions(folder)):
                        shutil.copyfile(folder / name, new / name)
                    if (folder / PAIR).is_file():
                        shutil.copyfile(folder / PAIR, new / PAIR)
                    verify_folder(new)
            except OSError as error:
                raise ModelFolderError(
                    f"{folder} could not be copied to {target}: {error.strerror}."
                ) from None
        return StoredModel(model.name, target, model)

    def place_of(self, name: str) -> Path:
        """Return the folder that a model of this name has in the store, whether it exists or not.

        Raises:
            ModelFolderError: this cannot be a model's name.
            NoUserFolderError: there is no store.
        """
        if not NAME.fullmatch(name) or name == DEFAULT_NAME:
            raise ModelFolderError(
                f"The name {name!r} cannot be used for a model;"
                " choose one of letters, digits, '.', '_' and '-' other than 'default'."
            )
        return (self.root or locations.models_folder()) / name

    def adopt(self, folder: Path) -> StoredModel:
        """Verify a model folder on the store's disk and move it into the store, without a second copy.

        A model of that name is replaced.

        Raises:
            ModelFolderError: see `add`.
            NoUserFolderError: there is no store.
        """
        model = verify_folder(folder)
        target = self.place_of(model.name)
        check_replaceable(target, DESCRIPTION)
        try:
            take_folders_place(folder, target)
        except OSError as error:
            raise ModelFolderError(f"{folder} could not be moved to {target}: {error.strerror}.") from None
        return StoredModel(model.name, target, model)

    def remove(self, name: str) -> None:
        """Delete an added model.

        Raises:
            ModelFolderError: the model is not in the store.
        """
        if name in (DEFAULT_NAME, self.shipped_name):
            raise ModelFolderError("The default model belongs to the installation and is not removed.")
        folder = self._added(name)
        if folder is None:
            added = ", ".join(stored.name for stored in self.models() if not stored.is_shipped)
            raise ModelFolderError(f"There is no added model {name!r}; added are: {added or 'none'}.")
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise ModelFolderError(f"{folder} could not be removed: {error.strerror}.") from None


def _has_description(folder: Path) -> bool:
    try:
        return stat.S_ISREG((folder / DESCRIPTION).stat().st_mode)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # the last for a name with a null character
        return False
    except OSError as error:
        raise ModelFolderError(f"{folder} cannot be read ({error.strerror}).") from None


def _users_own() -> Path | None:
    try:
        return locations.models_folder()
    except locations.NoUserFolderError:
        return None


def _absolute(folder: Path) -> Path:
    try:
        return folder.absolute()
    except OSError:
        raise ModelFolderError(
            f"{folder} cannot be found, since the working directory is gone; give the full path."
        ) from None


def _stored(name: str, folder: Path) -> StoredModel:
    try:
        return StoredModel(name, folder, ModelDescription.read(folder))
    except Cg2Error as error:
        return StoredModel(name, folder, None, str(error))


@dataclass(frozen=True, slots=True)
class Located:
    """A model folder to open.

    Attributes:
        folder: folder of the model.
        name: name or path by which it was chosen; of the shipped model, its own name.
        reason: reason for the choice, as text for the user.
    """

    folder: Path
    name: str
    reason: str


def locate_model(
    *, flag: str | None = None, setting: str | None = None, language: str | None = None
) -> Located:
    """Find the model that answers, by the rule of `choose`, in this user's store.

    Args:
        flag: name or path from the command line.
        setting: name or path from the editor.
        language: LSP language id of the document.

    Raises:
        ModelFolderError: the chosen model does not exist.
    """
    choice = choose(flag=flag, setting=setting, lasting=known_choices(), language=language)
    store = ModelStore()
    folder = store.resolve(choice)
    return Located(
        folder, store.shipped_name if choice.model == DEFAULT_NAME else choice.model, choice.reason
    )


def known_choices() -> LastingChoices:
    """Read this user's choices; log a warning once and return none where they cannot be read.

    Raises:
        ModelFolderError: the file of choices is damaged.
    """
    try:
        return read_lasting(choices_file())
    except (NoUserFolderError, UnreadableChoicesError) as error:
        warn_once(str(error))
        return LastingChoices()
