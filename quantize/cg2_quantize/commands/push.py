"""`cg2ls models push FOLDER OWNER/NAME`: a model folder to the hub, in one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cg2_quantize.errors import QuantizeError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


def run(options: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    from cg2_quantize.hub import NAME_ON_HUB
    from cg2ls.models.folder.store import ModelStore
    from cg2ls.models.folder.verify import verify_folder

    if not NAME_ON_HUB.fullmatch(options.name):
        raise QuantizeError(f"{options.name} is not a name on the hub, which is OWNER/NAME.")
    folder = ModelStore().locate(options.folder)
    model = verify_folder(folder)
    contents = collect_contents(folder)
    size = sum(len(part) if isinstance(part, bytes) else part.stat().st_size for part in contents.values())
    print(f"{model.name} to {options.name}: {size / 1e6:.1f} MB in {len(contents)} files")
    print(f"licence: {model.license or 'not stated; convert with --license to state one'}")
    for name, part in contents.items():
        print(f"    {name}{' (made now)' if isinstance(part, bytes) else ''}")
    if options.dry_run:
        return 0
    message = options.message or f"{model.name} in {model.precision}"
    print(f"Published: {publish(options.name, contents, message, public=options.public)}")
    return 0


def collect_contents(folder: Path) -> dict[str, Path | bytes]:
    """Return what is uploaded of a model folder, by its name on the hub: a file, or the text of a new model card.

    Raises:
        ModelFolderError: model.json cannot be read.
    """
    from cg2_quantize.model_card import CARD, render_metadata, render_model_card
    from cg2ls.models.folder.description import DESCRIPTION, ModelDescription
    from cg2ls.models.folder.store import list_companions

    model = ModelDescription.read(folder)
    companions = list_companions(folder)
    contents: dict[str, Path | bytes] = {
        name: folder / name for name in (*model.files, DESCRIPTION, *companions)
    }
    if CARD not in companions:
        contents[CARD] = render_model_card(folder).encode()
    elif not (text := (folder / CARD).read_text(encoding="utf-8")).startswith("---\n"):
        contents[CARD] = (render_metadata(model) + text).encode()
    return contents


def publish(name: str, contents: dict[str, Path | bytes], message: str, *, public: bool) -> str:
    """Upload files in one commit, so that no one sees a part of them; return the commit's address.

    Args:
        name: "owner/name"; the repository is made where there is none.
        contents: files or texts by their names on the hub.
        message: message of the commit.
        public: whether a new repository is public.

    Raises:
        QuantizeError: the hub refuses it or cannot be reached; nothing is published then.
    """
    from cg2_quantize.hub import describe_push_error, import_hub, is_offline

    hub = import_hub()
    if is_offline():
        raise QuantizeError(f"HF_HUB_OFFLINE forbids uploading {name}; unset it.")
    additions: list[Any] = [
        hub.CommitOperationAdd(
            path_in_repo=path, path_or_fileobj=part if isinstance(part, bytes) else str(part)
        )
        for path, part in contents.items()
    ]
    try:
        api = hub.HfApi()
        api.create_repo(name, private=not public, exist_ok=True)
        return str(api.create_commit(name, additions, commit_message=message).commit_url)
    except Exception as error:  # the library raises its HTTP client's classes too
        raise QuantizeError(describe_push_error(name, error)) from None
