"""`cg2ls models pull OWNER/NAME[@REV]`: a model folder or a checkpoint from the hub to this user's models."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cg2_quantize.errors import QuantizeError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from cg2_quantize.hub import Repository
    from cg2ls.models.folder.store import ModelStore

CARD_LINES = 8
"""Lines of a model card's text that are shown; the whole card is in the folder."""

OTHER_STORE = "set CG2LS_HOME to a folder on another disk"

CONVERSION_SPARE = 64 << 20
"""Bytes besides the weights of a converted model."""


def run(options: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    if options.list:
        from cg2_quantize.known_sources import print_sources

        print_sources(as_json=options.json)
        return 0
    if options.model is None:
        raise QuantizeError("Name a model on the hub as OWNER/NAME, or see the known ones with --list.")
    return pull(options, shlex.split(options.convert))


def pull(options: argparse.Namespace, passed_on: Sequence[str]) -> int:
    """Download one model and add it to the store.

    Args:
        options: arguments of the command.
        passed_on: more arguments for `cg2-quantize`.

    Raises:
        Cg2Error: the hub does not give it, the disk is too small, a file is damaged, or the conversion refuses it.
    """
    from cg2_quantize.hub import NAME_ON_HUB, look_up
    from cg2ls.models.folder.store import ModelStore

    name, _, revision = options.model.removeprefix("hf://").partition("@")
    if not NAME_ON_HUB.fullmatch(name):
        raise QuantizeError(
            f"{options.model} is not a name on the hub, which is OWNER/NAME or OWNER/NAME@REVISION."
        )
    repository = look_up(name, revision or None, _say)
    store = ModelStore()
    if repository.is_model_folder:
        if passed_on or options.format != "auto":
            raise QuantizeError(f"{name} holds a converted model; leave the options of a conversion out.")
        added = _pull_folder(repository, store, options)
    else:
        added = _pull_checkpoint(repository, store, options, passed_on)
    if added and options.use:
        from cg2ls.models.folder.choice import note_lasting
        from cg2ls.models.folder.locations import choices_file

        note_lasting(choices_file(), added)
        print(f"{added} now answers wherever no other model is chosen for the language.")
    elif added:
        print(f"Use it with: cg2ls models use {added}")
    return 0


def _pull_folder(repository: Repository, store: ModelStore, options: argparse.Namespace) -> str:
    """Download a model folder next to its place in the store, check it, and rename it; return its name."""
    from dataclasses import replace

    from cg2_quantize.planning.machine import check_space
    from cg2ls.models.folder.description import DESCRIPTION, ModelDescription
    from cg2ls.models.folder.store import COMPANIONS, LICENCES

    staging = store.place_of("x").parent / f".pull-{repository.name.replace('/', '--')}"
    companions = [name for name in (*COMPANIONS, *LICENCES) if name in repository.sizes]
    _fetch(repository, [DESCRIPTION, *companions], staging)
    model = ModelDescription.read(staging)
    files = [*model.files, DESCRIPTION, *companions]
    if absent := [name for name in model.files if name not in repository.sizes]:
        raise QuantizeError(f"{repository.name} lacks {absent[0]}, which its {DESCRIPTION} names.")
    name = options.name or model.name
    place = store.place_of(name)
    _introduce(repository, files, staging, model.license, f"a model folder in {model.precision}")
    if place.exists():
        if _has_same_files(place, model):
            shutil.rmtree(staging, ignore_errors=True)
            print(f"{name} is here already, with the same files.")
            return name
        _refuse_existing(place, options)
    if options.dry_run:
        return ""
    present = sum(path.stat().st_size for path in staging.iterdir() if path.is_file())
    check_space(place, max(0, repository.total(files) - present), other=OTHER_STORE)
    _fetch(repository, files, staging)
    _keep_only(staging, files)
    if name != model.name:
        replace(model, name=name).write(staging)
    store.adopt(staging)
    print(f"Added {name} ({repository.total(files) / 1e6:.1f} MB).")
    return name


def _pull_checkpoint(
    repository: Repository, store: ModelStore, options: argparse.Namespace, passed_on: Sequence[str]
) -> str:
    """Download a checkpoint to the hub's cache and convert it into the store; return the model's name."""
    from cg2_quantize.checkpoint.sources import WANTED, list_weight_files
    from cg2_quantize.commands import convert
    from cg2_quantize.known_sources import find_infill
    from cg2_quantize.planning.machine import check_space
    from cg2ls.models.codegen2.config import CodeGenConfig
    from cg2ls.models.codegen2.files import read_json

    if "config.json" not in repository.sizes:
        raise QuantizeError(
            f"{repository.name} holds neither a checkpoint (config.json) nor a model folder (model.json)."
        )
    files = [name for name in WANTED if name in repository.sizes]
    files += list_weight_files(repository.name, repository.sizes, lambda file: _fetch_one(repository, file))
    folder = _fetch_one(repository, "config.json").parent
    if "README.md" in files:
        _fetch_one(repository, "README.md")
    config = CodeGenConfig.from_dict(read_json(folder / "config.json"))
    name = options.name or repository.name.rpartition("/")[2]
    place = store.place_of(name)
    largest = _largest_result(config, options.format)
    _introduce(
        repository,
        files,
        folder,
        repository.license,
        f"a checkpoint of {config.n_parameters:,} parameters; converted, at most {largest / 1e9:.2f} GB",
        missing=_missing_bytes(repository, files),
    )
    if place.exists():
        _refuse_existing(place, options)
    if options.dry_run:
        return ""
    check_space(folder, _missing_bytes(repository, files), other="set HF_HOME to a folder on another disk")
    check_space(place, largest, other=OTHER_STORE)
    _fetch(repository, files, None)
    words = [f"hf://{repository.name}", "--revision", repository.commit, "-o", str(place), "--name", name]
    layout = find_infill(repository.name)
    passed_on = passed_on if "--infill" in passed_on or not layout else ["--infill", layout, *passed_on]
    words += ["--format", options.format, "--proof", options.proof, *passed_on]
    convert.run([*words, "--force"] if options.force else words)
    print(f"Added {name}.")
    if options.discard:
        _discard(repository)
    else:
        size = repository.total(files) / 1e9
        print(f"The checkpoint ({size:.2f} GB) stays in the hub's cache; --discard would remove it.")
    return name


def _introduce(
    repository: Repository,
    files: list[str],
    folder: Path,
    stated: str,
    kind: str,
    *,
    missing: int | None = None,
) -> None:
    """Print what is to be downloaded, its licence, and the beginning of its model card."""
    total = repository.total(files)
    left = total if missing is None else missing
    here = f" ({(total - left) / 1e6:.1f} MB of it are here)" if left < total else ""
    print(f"{repository.name} at {repository.commit[:12]}: {kind}")
    print(f"download: {total / 1e6:.1f} MB in {len(files)} files{here}")
    print(f"licence: {stated or repository.license or 'not stated'}")
    print(f"model card: {_card_excerpt(folder / 'README.md')}")


def _card_excerpt(card: Path) -> str:
    try:
        text = card.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "none"
    if text.startswith("---"):
        text = text[3:].partition("\n---")[2]
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    shown = [line.translate(PRINTABLE)[:110] for line in lines[:CARD_LINES]]
    return "".join(f"\n    {line}" for line in shown) + ("\n    ..." if len(lines) > CARD_LINES else "")


PRINTABLE = dict.fromkeys((*range(32), *range(127, 160)))
"""A stranger's text must not control the terminal."""


def _largest_result(config: Any, precision: str) -> int:
    """Return an upper bound of the converted model's bytes."""
    from cg2_quantize.convert import max_bytes
    from cg2_quantize.formats import select_format
    from cg2_quantize.planning.machine import inspect_machine
    from cg2_quantize.planning.plan import PlanRequest, make_plan

    if precision == "auto":
        return make_plan(config, inspect_machine(), PlanRequest()).weights + CONVERSION_SPARE
    return max_bytes(config, select_format(precision)) + CONVERSION_SPARE


def _fetch_one(repository: Repository, name: str) -> Path:
    """Download one file to the hub's cache, where it is not there yet."""
    from cg2_quantize.hub import describe_hub_error, import_hub

    try:
        return Path(import_hub().hf_hub_download(repository.name, name, revision=repository.commit))
    except Exception as error:  # the library raises its HTTP client's classes too
        raise QuantizeError(describe_hub_error(repository.name, repository.commit, error)) from None


def _fetch(repository: Repository, files: list[str], folder: Path | None) -> None:
    """Download files to a folder, or to the hub's cache; complete ones are not fetched again, parts go on."""
    from cg2_quantize.hub import describe_hub_error, import_hub

    try:
        there = import_hub().snapshot_download(
            repository.name, revision=repository.commit, allow_patterns=files, local_dir=folder
        )
    except Exception as error:  # the library raises its HTTP client's classes too
        raise QuantizeError(describe_hub_error(repository.name, repository.commit, error)) from None
    if absent := [
        name for name in files if not (Path(there) / name).is_file()
    ]:  # the library may keep silent
        raise QuantizeError(f"{absent[0]} of {repository.name} did not arrive; run the command again.")


def _missing_bytes(repository: Repository, files: list[str]) -> int:
    """Return the bytes of a checkpoint's files that are not in the hub's cache."""
    from cg2_quantize.hub import import_hub

    find = import_hub().try_to_load_from_cache
    absent = [
        name for name in files if not isinstance(find(repository.name, name, revision=repository.commit), str)
    ]
    return repository.total(absent)


def _discard(repository: Repository) -> None:
    """Remove a checkpoint from the hub's cache."""
    from cg2_quantize.hub import import_hub

    removal = import_hub().scan_cache_dir().delete_revisions(repository.commit)
    removal.execute()
    print(f"Removed the checkpoint from the hub's cache ({removal.expected_freed_size / 1e9:.2f} GB).")


def _has_same_files(place: Path, model: Any) -> bool:
    from cg2ls.models.folder.description import ModelDescription, ModelFolderError

    try:
        return dict(ModelDescription.read(place).files) == dict(model.files)
    except ModelFolderError:
        return False


def _refuse_existing(place: Path, options: argparse.Namespace) -> None:
    if not options.force:
        raise QuantizeError(
            f"There is a model {place.name} already; replace it with --force, or choose another name with --name."
        )


def _keep_only(folder: Path, files: list[str]) -> None:
    """Remove what the download left besides the files."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name not in files:
            path.unlink()


def _say(text: str) -> None:
    print(text, file=sys.stderr)
