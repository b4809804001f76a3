"""Find the value of each option that is in force in a document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path, PurePath
from typing import Any

from cg2ls.renamed import NEW_OPTIONS
from cg2ls.server.options import OptionEntry, Options, table
from cg2ls.server.uris import folder_named, named_path
from cg2ls.workspace import ReadingRules, unreadable_pattern
from cg2ls.workspace.paths import Place, innermost

LANGUAGES, FOLDERS = "languages", "folders"
"""Names of the groups that have their own options: by LSP language id, and by folder."""

EVERYTHING = ("*",)
"""Patterns instead of unreadable ones. Their purpose may have been privacy, so everything is excluded."""

FILE = "file"
"""A file name that represents any file of a folder."""

Values = Mapping[str, Any]
"""Checked values by field of `Options`."""


@dataclass(frozen=True)
class Layer:
    """Checked values of one source.

    Attributes:
        values: for every document.
        languages: by LSP language id.
        folders: by folder: absolute, from `~`, a file URI, or relative to a workspace folder.
    """

    values: Values = field(default_factory=dict)
    languages: Mapping[str, Values] = field(default_factory=dict)
    folders: Mapping[str, Values] = field(default_factory=dict)


class Settings:
    """Options from the command line, the editor and the user's commands, merged for each document.

    In falling precedence: a command of the session (`switchModel`), the command line, the folder, the language, the
    editor's configuration, `initializationOptions`, the default. The editor's configuration is that of the document's
    workspace folder, else the general one.

    Args:
        flags: values by field from the command line; None and "" mean no value.

    Attributes:
        roots: URIs of the workspace folders.
    """

    def __init__(self, flags: Values | None = None) -> None:
        self.roots: Sequence[str] = ()
        self.flags = {name: value for name, value in (flags or {}).items() if value not in (None, "")}
        self._session: dict[str, Any] = {}
        self._start = Layer()
        self._editor = Layer()
        self._scoped: dict[str, Layer] = {}
        self._known: dict[tuple[str, str], Options] = {}
        self._rules: dict[tuple[Path, str], ReadingRules] = {}

    def move_to(self, roots: Iterable[str]) -> None:
        """Set the workspace folders."""
        self.roots = tuple(roots)
        self._forget()

    def at_start(self, raw: object) -> list[str]:
        """Take in `initializationOptions`; return one sentence for every value left out."""
        self._start, problems = read_layer(raw, "initializationOptions")
        self._forget()
        return problems

    def from_editor(self, raw: object, scope: str | None = None) -> list[str]:
        """Take in the editor's configuration, of one workspace folder's URI or the general one.

        Returns:
            One sentence for every value left out.
        """
        layer, problems = read_layer(raw, "The configuration of cg2ls")
        if scope is None:
            self._editor, self._scoped = layer, {}
        else:
            self._scoped[scope] = layer
        self._forget()
        return problems

    def for_session(self, **values: Any) -> None:
        """Set values that are in force until the server ends; None removes one."""
        for name, value in values.items():
            self._session.pop(name, None)
            if value is not None:
                self._session[name] = value
        self._forget()

    def of(self, uri: str = "", language: str = "") -> Options:
        """Return the options in force in a document, or for the server if no document is given."""
        key = uri, language
        if key not in self._known:
            if len(self._known) > 1000:  # documents that were closed long ago
                self._known.clear()
            self._known[key] = self._found(uri, language)
        return self._known[key]

    def reading_rules(self, root: Path, language: str) -> ReadingRules:
        """Return which files of a folder may be read to complete other files.

        Files that a folder's own options exclude are not read. No file is read if they turn completion or memory off.

        Args:
            root: of the workspace.
            language: LSP id of the files.
        """
        key = root, language
        if key not in self._rules:
            if len(self._rules) > 1000:
                self._rules.clear()
            self._rules[key] = self._found_rules(Place(root), language)
        return self._rules[key]

    def _found_rules(self, root: Place, language: str) -> ReadingRules:
        said = [name for layer in self._layers(root) for name in layer.folders]
        folders = [each for name in said for each in self._absolute(name)]
        folders += [path for scope in self._scoped if (path := named_path(scope)) is not None]
        names = {name for folder in folders for name in Place(folder).names_in(root) if name}
        everywhere = self._merged(Place(root.real / FILE), language).exclude
        inside: list[tuple[str, tuple[str, ...]]] = []
        for name in sorted(names):
            options = self._merged(Place(root.real / name / FILE), language)
            inside.append(
                (name, options.exclude if options.enable and options.repository_memory else EVERYTHING)
            )
        return ReadingRules(exclude=everywhere, folders=tuple(inside))

    def _forget(self) -> None:
        """Drop cached results, since a source changed."""
        self._known.clear()
        self._rules.clear()

    def _found(self, uri: str, language: str) -> Options:
        path = named_path(uri)
        return self._merged(None if path is None else Place(path), language)

    def _layers(self, place: Place | None) -> tuple[Layer, Layer]:
        """Return the layers that apply at a place, the weakest first."""
        scoped = None if place is None else self._scope_of(place)
        return self._start, self._editor if scoped is None else self._scoped[scoped]

    def _merged(self, place: Place | None, language: str) -> Options:
        layers = self._layers(place)
        merged: dict[str, Any] = {}
        for layer in layers:
            merged |= layer.values
        for layer in layers:
            merged |= layer.languages.get(language, {})
        for layer in layers:
            for _, values in sorted(self._folders_of(layer, place), key=lambda pair: -pair[0]):
                merged |= values
        return replace(Options(), **(merged | self.flags | self._session))

    def _scope_of(self, place: Place) -> str | None:
        """Return the innermost workspace folder of a document that has its own configuration."""
        folders = {Place(folder): root for root in self._scoped if (folder := named_path(root)) is not None}
        inside = innermost(place, folders)
        return None if inside is None else folders[inside]

    def _folders_of(self, layer: Layer, place: Place | None) -> Iterable[tuple[int, Values]]:
        """Yield a layer's values for folders that contain a document, each with the document's depth."""
        for name, values in layer.folders.items():
            for folder in self._absolute(name):
                depth = None if place is None else place.depth_in(Place(folder))
                if depth is not None:
                    yield depth, values

    def _absolute(self, folder: str) -> Iterable[PurePath]:
        path = folder_named(folder)
        if path.is_absolute():
            yield path
            return
        for root in map(named_path, self.roots):
            if root is not None:
                yield root / path


def read_layer(raw: object, where: str) -> tuple[Layer, list[str]]:
    """Check one source's object.

    Returns:
        The valid values, and one sentence for every value left out. Names that resemble no option are the
        editor's own and are ignored.
    """
    if raw is None:
        return Layer(), []
    if not isinstance(raw, Mapping):
        return Layer(), [f"{where} must be an object; the defaults are used."]
    problems: list[str] = []
    values = _values(raw, "", problems)
    languages = _group(raw, LANGUAGES, problems)
    folders = _group(raw, FOLDERS, problems)
    return Layer(values, languages, folders), problems


def _group(raw: Mapping[str, Any], group: str, problems: list[str]) -> dict[str, Values]:
    given = raw.get(group)
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        problems.append(f"The option `{group}` must be an object; it is left out.")
        return {}
    found: dict[str, Values] = {}
    for name, values in given.items():
        if isinstance(values, Mapping):
            found[str(name)] = _values(values, f"{group}.{name}.", problems)
        else:
            problems.append(f"The option `{group}.{name}` must be an object; it is left out.")
    return found


def _values(raw: Mapping[str, Any], inside: str, problems: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in raw.items():
        if name in NEW_OPTIONS and raw.get(NEW_OPTIONS[name]) is not None:
            problems.extend(_differing(name, raw, inside))
            continue
        entry = table().get(NEW_OPTIONS.get(name, name))
        if entry is None:
            problems.extend(_misspelt(name, inside))
        elif inside and entry.about.scope == "server":
            problems.append(f"The option `{inside}{name}` holds for the whole server; it is left out here.")
        elif value is None:
            continue  # an editor's way of saying "not set"; where null is a value it is the default
        elif (expected := _expected(value, entry)) is not None:
            problems.append(f"The option `{inside}{name}` must be {expected}; the default is used.")
        elif entry.about.patterns and (pattern := unreadable_pattern(value)) is not None:
            problems.append(
                f"The option `{inside}{name}` has the pattern `{pattern}`, which cannot be read; write it as in"
                " .gitignore. Until then every file is left alone."
            )
            found[entry.field] = EVERYTHING
        else:
            found[entry.field] = tuple(value) if entry.kind is list else value
    return found


def _differing(old: str, raw: Mapping[str, Any], inside: str) -> list[str]:
    """Return a sentence if an option has different values under its two names."""
    new = NEW_OPTIONS[old]
    if raw[old] is None or raw[old] == raw[new]:
        return []
    sentence = (
        f"The options `{inside}{new}` and `{inside}{old}` are one option and differ; `{inside}{new}` is used."
    )
    return [f"{sentence} Remove `{inside}{old}`, its old name."]


def _misspelt(name: str, inside: str) -> list[str]:
    if not inside and name in (LANGUAGES, FOLDERS):
        return []
    close = get_close_matches(name, [*table(), *NEW_OPTIONS], n=1, cutoff=0.8)
    return [
        f"`{inside}{name}` is not an option; did you mean `{NEW_OPTIONS.get(each, each)}`?" for each in close
    ]


def _expected(value: Any, entry: OptionEntry) -> str | None:
    """Return what the value must be, if it is not."""
    if entry.values:
        return None if value in entry.values else f"one of {', '.join(entry.values)}"
    if entry.kind is list:
        sound = isinstance(value, Sequence) and not isinstance(value, str)
        return None if sound and all(isinstance(each, str) for each in value) else "a list of strings"
    if entry.kind in (int, float):
        return _expected_number(value, entry)
    words = {bool: "true or false", str: "a string"}
    return None if isinstance(value, entry.kind) else words[entry.kind]


def _expected_number(value: Any, entry: OptionEntry) -> str | None:
    about, whole = entry.about, entry.kind is int
    said = "a whole number" if whole else "a number"
    if about.min_value is not None:
        said += (
            f" from {about.min_value:g} to {about.max_value:g}"
            if about.max_value is not None
            else f" of at least {about.min_value:g}"
        )
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        return said
    low, high = about.min_value, about.max_value
    return None if (low is None or value >= low) and (high is None or value <= high) else said
