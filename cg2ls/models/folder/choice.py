"""Which model answers: a rule, and the user's lasting choices it reads."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cg2ls.files import write_atomically
from cg2ls.models.folder.description import ModelFolderError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DEFAULT_NAME = "default"
"""Name of the model that is shipped with the package."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A model by name or path, and who chose it (in words for a person)."""

    model: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class LastingChoices:
    """What `cg2ls models use` was told.

    Attributes:
        general: the model for every language; None if never set.
        by_language: models by LSP language id; each goes before the general one.
    """

    general: str | None = None
    by_language: Mapping[str, str] = field(default_factory=dict)


class UnreadableChoicesError(ModelFolderError):
    """A file of choices that the system lets nobody read."""


def choose(
    *,
    flag: str | None = None,
    setting: str | None = None,
    lasting: LastingChoices | None = None,
    language: str | None = None,
) -> Choice:
    """The first that is set of: command line, editor, `use` for the language, `use`, the shipped default.

    Args:
        flag: from the command line.
        setting: from the editor.
        lasting: what `cg2ls models use` was told.
        language: LSP language id of the document; None where it is not known.
    """
    lasting = lasting or LastingChoices()
    if flag:
        return Choice(flag, "given on the command line")
    if setting:
        return Choice(setting, "set in the editor")
    if language and (model := lasting.by_language.get(language)):
        return Choice(model, f"chosen for {language} with `cg2ls models use`")
    if lasting.general:
        return Choice(lasting.general, "chosen with `cg2ls models use`")
    return Choice(DEFAULT_NAME, "shipped with cg2ls")


def read_lasting(file: Path) -> LastingChoices:
    """Reads the choices; a file that is not there means none.

    Raises:
        ModelFolderError: the file is damaged.
        UnreadableChoicesError: it cannot be read.
    """
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        general, by_language = raw.get("general"), dict(raw.get("languages", {}))
        if not all(isinstance(name, str) for name in (general or "", *by_language.values())):
            raise TypeError("a model's name must be a string")
    except FileNotFoundError:
        return LastingChoices()
    except OSError as error:
        raise UnreadableChoicesError(f"{file} cannot be read ({error.strerror}).") from None
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ModelFolderError(f"{file} is damaged ({error}); delete it and choose again.") from None
    return LastingChoices(general=general, by_language=by_language)


def write_lasting(file: Path, choices: LastingChoices) -> None:
    """Writes the choices atomically.

    Raises:
        ModelFolderError: the file cannot be written.
    """
    raw = {"general": choices.general, "languages": dict(sorted(choices.by_language.items()))}
    try:
        write_atomically(file, json.dumps(raw, indent=2) + "\n")
    except OSError as error:
        raise ModelFolderError(f"{file} cannot be written ({error.strerror}).") from None


def note_lasting(file: Path, model: str, *, language: str | None = None) -> None:
    """Notes that a model answers from now on, in one language or wherever none is chosen for the language.

    Raises:
        ModelFolderError: the file is damaged or cannot be written.
    """
    lasting = read_lasting(file)
    if language:
        chosen = replace(lasting, by_language={**lasting.by_language, language: model})
    else:
        chosen = replace(lasting, general=model)
    write_lasting(file, chosen)
