"""Rule for choosing the model, and the file with the user's choices."""

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
    """A model by name or path, and the reason for it (as text for the user)."""

    model: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class LastingChoices:
    """Choices that `cg2ls models use` has stored.

    Attributes:
        general: the model for every language; None if never set.
        by_language: models by LSP language id; each takes precedence over the general one.
    """

    general: str | None = None
    by_language: Mapping[str, str] = field(default_factory=dict)


class UnreadableChoicesError(ModelFolderError):
    """A file of choices that the system does not allow to read."""


def choose(
    *,
    flag: str | None = None,
    setting: str | None = None,
    lasting: LastingChoices | None = None,
    language: str | None = None,
) -> Choice:
    """Choose the first of: command line, editor, `use` for the language, `use`, the shipped default.

    Args:
        flag: model from the command line.
        setting: model from the editor.
        lasting: choices stored by `cg2ls models use`.
        language: LSP language id of the document; None where it is unknown.
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
    """Read the choices; a missing file means none.

    Raises:
        ModelFolderError: the file is damaged.
        UnreadableChoicesError: the file cannot be read.
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
    """Write the choices atomically.

    Raises:
        ModelFolderError: the file cannot be written.
    """
    raw = {"general": choices.general, "languages": dict(sorted(choices.by_language.items()))}
    try:
        write_atomically(file, json.dumps(raw, indent=2) + "\n")
    except OSError as error:
        raise ModelFolderError(f"{file} cannot be written ({error.strerror}).") from None


def note_lasting(file: Path, model: str, *, language: str | None = None) -> None:
    """Store a model as the choice for one language, or for all languages without a choice.

    Raises:
        ModelFolderError: the file is damaged or cannot be written.
    """
    lasting = read_lasting(file)
    if language:
        chosen = replace(lasting, by_language={**lasting.by_language, language: model})
    else:
        chosen = replace(lasting, general=model)
    write_lasting(file, chosen)
