"""Checks of a model folder: complete, unchanged, and without links to other files."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from cg2ls.files import sha256_of
from cg2ls.models.codegen2.files import problem_of
from cg2ls.models.folder.description import (
    DESCRIPTION,
    GRAPH,
    PREFILL_GRAPH,
    FileEntry,
    ModelDescription,
    ModelFolderError,
)
from cg2ls.models.folder.external_data import MalformedGraphError, find_external_locations
from cg2ls.models.graph_io import PREFILL_LOCATION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def verify_folder(folder: Path) -> ModelDescription:
    """Check everything that can be checked without running the model.

    Raises:
        ModelFolderError: see `ModelDescription.read`, `check_structure` and `check_integrity`.
    """
    model = ModelDescription.read(folder)
    check_structure(folder, model)
    check_integrity(folder, model)
    return model


def check_structure(folder: Path, model: ModelDescription) -> None:
    """Check that every listed file exists with its size, and that the graph reads no other file.

    Raises:
        ModelFolderError: a file is missing, is a link out of the folder, has another size or cannot be read;
            or the graph is damaged or names a file that model.json does not list.
    """
    for name, entry in model.files.items():
        with readable(folder / name) as path:
            if not path.is_file():
                raise ModelFolderError(f"{path} is missing; convert or add the model again.")
            if path.resolve().parent != folder.resolve():
                raise ModelFolderError(f"{path} is a link out of its folder; put the file itself there.")
            if (size := path.stat().st_size) != entry.bytes:
                raise ModelFolderError(
                    (problem_of(path) if size else "")
                    or f"{path} has {size} bytes, but {DESCRIPTION} says {entry.bytes};"
                    " convert or add the model again."
                )
    for name in [GRAPH, *({PREFILL_GRAPH} & model.files.keys())]:
        try:
            with readable(folder / name) as graph:
                locations = find_external_locations(graph.read_bytes())
        except MalformedGraphError as error:
            raise ModelFolderError(
                f"{folder / name} is not an ONNX model ({error}); convert or add the model again."
            ) from None
        known = model.files.keys() | ({PREFILL_LOCATION} if name == PREFILL_GRAPH else set())
        if foreign := sorted(locations - known):
            raise ModelFolderError(
                f"{folder / name} wants to read {foreign[0]!r}, which {DESCRIPTION} does not list;"
                " do not use this model unless you know who made it."
            )


def describe_file(path: Path) -> FileEntry:
    """Return the entry of a file in model.json."""
    return FileEntry(sha256_of(path), path.stat().st_size)


@contextmanager
def readable(path: Path) -> Iterator[Path]:
    """Turn the system's error about a file into one sentence.

    Raises:
        ModelFolderError: an operation in the block failed.
    """
    try:
        yield path
    except OSError as error:
        raise ModelFolderError(f"{path} cannot be read ({error.strerror}); check its permissions.") from None


def check_integrity(folder: Path, model: ModelDescription) -> None:
    """Compare the SHA-256 of every listed file with model.json.

    Raises:
        ModelFolderError: a file was changed, or cannot be read.
    """
    for name, entry in model.files.items():
        with readable(folder / name) as path:
            found = sha256_of(path)
        if found != entry.sha256:
            raise ModelFolderError(
                f"{folder / name} is not the file that {DESCRIPTION} describes (SHA-256 differs);"
                " convert or add the model again."
            )
