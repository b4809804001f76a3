"""`cg2ls models`: list, add, choose, verify, fit, remove, pull and push models.

cg2_quantize pulls and pushes in a separate process: this package has no code for the network and imports nothing that
has.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cg2ls.cli import fit_choice
from cg2ls.commandline import add_command_group, aligned
from cg2ls.models.folder.choice import DEFAULT_NAME, LastingChoices, note_lasting, read_lasting, write_lasting
from cg2ls.models.folder.description import ModelDescription
from cg2ls.models.folder.locations import choices_file
from cg2ls.models.folder.store import ModelStore, StoredModel, known_choices, locate_model
from cg2ls.models.folder.verify import verify_folder

SINGLE_LINE = "humaneval-infilling-single exact by request"
"""Score of `cg2ls evaluate --record` that the list shows: exact lines of HumanEval-Infilling."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its subcommands."""
    parser = subparsers.add_parser(
        "models", help="list, add, choose, verify, fit, remove, pull and push models"
    )
    commands = add_command_group(parser)

    listing = commands.add_parser("list", help="show the models on this machine")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(run=run_list)

    add = commands.add_parser("add", help="verify a model folder and copy it to this user's models")
    add.add_argument("folder", type=Path, metavar="FOLDER", help="folder with a model.json")
    add.set_defaults(run=run_add)

    use = commands.add_parser(
        "use", help="choose the model for everything that no flag or editor setting decides"
    )
    use.add_argument("name", metavar="NAME", help="name of a model, path of a model folder, or default")
    use.add_argument(
        "--language", metavar="L", help="only for documents of this LSP language id, e.g. python"
    )
    use.set_defaults(run=run_use)

    verify = commands.add_parser("verify", help="compare a model's files with its model.json")
    verify.add_argument("name", metavar="NAME", nargs="?", help="name or path (default: the model in use)")
    verify.set_defaults(run=run_verify)

    remove = commands.add_parser("remove", help="delete an added model")
    remove.add_argument("name", metavar="NAME", help="name of the model")
    remove.set_defaults(run=run_remove)

    fit_choice.add_parser(commands)
    add_hub_parsers(commands)


def run_list(args: argparse.Namespace) -> int:
    """Print the models as a table or JSON; return 1 if there is none."""
    models = ModelStore().models()
    choices = known_choices()
    if args.json:
        print(json.dumps([_describe(model, choices) for model in models], indent=2))
    elif not models:
        print("There are no models; add one with: cg2ls models add FOLDER")
    else:
        head = ("name", "precision", "MB", "context", "single line", "languages", "in use for")
        print(aligned([head, *(_format_row(model, choices) for model in models)], right={2, 3, 4}))
    return 0 if models else 1


def run_add(args: argparse.Namespace) -> int:
    """Copy a folder into the store."""
    stored = ModelStore().add(args.folder)
    print(
        f"Added {stored.name} ({_format_megabytes(stored)} MB). Use it with: cg2ls models use {stored.name}"
    )
    return 0


def run_use(args: argparse.Namespace) -> int:
    """Note a lasting choice."""
    store, file = ModelStore(), choices_file()
    folder = store.locate(args.name)
    model = ModelDescription.read(folder)
    name = args.name if store.is_name(args.name) else str(folder)
    note_lasting(file, name, language=args.language)
    if args.language:
        print(f"{name} now answers in {args.language} documents.")
        if model.languages and args.language not in model.languages:
            print(f"Note: it was trained on {', '.join(model.languages)} only.")
    else:
        print(f"{name} is now used for every language for which no other model is chosen.")
    return 0


def run_verify(args: argparse.Namespace) -> int:
    """Verify one model; errors name the difference."""
    located = locate_model(flag=args.name)
    model = verify_folder(located.folder)
    print(f"{model.name} is whole and unchanged ({len(model.files)} files in {located.folder}).")
    return 0


def run_remove(args: argparse.Namespace) -> int:
    """Delete an added model and every lasting choice of it."""
    ModelStore().remove(args.name)
    file = choices_file()
    choices = read_lasting(file)
    kept = LastingChoices(
        general=None if choices.general == args.name else choices.general,
        by_language={key: name for key, name in choices.by_language.items() if name != args.name},
    )
    if kept != choices:
        write_lasting(file, kept)
    print(f"Removed {args.name}.")
    return 0


def _list_uses(model: StoredModel, choices: LastingChoices) -> list[str]:
    """Return what the model answers for: `all` (where no other model is chosen) and language ids."""
    known = {model.name, str(model.folder), *([DEFAULT_NAME] if model.is_shipped else [])}
    general = choices.general or DEFAULT_NAME
    languages = sorted(key for key, name in choices.by_language.items() if name in known)
    return (["all"] if general in known else []) + languages


def _format_row(model: StoredModel, choices: LastingChoices) -> tuple[str, ...]:
    uses = ", ".join(_list_uses(model, choices))
    if model.description is None:
        return (model.name, "damaged", "", "", "", model.problem, uses)
    about = model.description
    languages = ", ".join(about.languages) or "any"
    score = about.quality.get(SINGLE_LINE)
    return (
        model.name,
        about.precision,
        _format_megabytes(model),
        str(about.context_length),
        "" if score is None else f"{score:.3f}",
        languages,
        uses,
    )


def _describe(model: StoredModel, choices: LastingChoices) -> dict[str, Any]:
    about = model.description
    known: dict[str, Any] = {}
    if about is not None:
        known = {
            "precision": about.precision,
            "bytes": model.size,
            "context_length": about.context_length,
            "languages": list(about.languages),
            "license": about.license,
            "quality": dict(about.quality),
        }
    uses = _list_uses(model, choices)
    return {
        "name": model.name,
        "folder": str(model.folder),
        "problem": model.problem,
        "shipped": model.is_shipped,
        "in_use_for": uses,
    } | known


def _format_megabytes(model: StoredModel) -> str:
    return f"{model.size / 1e6:.1f}"


HUB_MODULE = "cg2_quantize.hub_commands"

PULL_EXAMPLE = """\
example:
  cg2ls models pull --list
      shows checkpoints that are known to convert, their sizes, and what this machine can run
  cg2ls models pull Salesforce/codegen2-1B_P
      downloads the checkpoint, converts it to the best format that fits, and adds the model
  cg2ls models pull someone/their-model@v1 --use
      downloads a model folder (model.json, model.onnx), adds it, and uses it
  cg2ls models pull Salesforce/codegen2-7B_P --convert "--qkv-groups 4 --kv int8"
      gives more options of cg2-quantize
A download that was interrupted goes on where it ended.
"""

PUSH_EXAMPLE = """\
example:
  cg2ls models push models/my-model someone/my-model
      creates the private repository someone/my-model where there is none, and uploads the model,
      its report and its model card in one commit; needs `hf auth login` once
  cg2ls models push my-model someone/my-model --public
      a model of `cg2ls models list`, to a repository that everyone may read
"""


def add_hub_parsers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add both commands."""
    shape = argparse.RawDescriptionHelpFormatter
    purpose = "download a model from the Hugging Face hub and add it"
    pull = commands.add_parser("pull", help=purpose, epilog=PULL_EXAMPLE, formatter_class=shape)
    add = pull.add_argument
    add("model", nargs="?", metavar="OWNER/NAME[@REVISION]", help="a checkpoint or a model folder on the hub")
    add("--list", action="store_true", help="show checkpoints that are known to convert; asks no server")
    add("--format", default="auto", metavar="F", help="format of a conversion (default: auto)")
    add("--proof", choices=("none", "quick", "full"), default="quick", help="proof of a conversion")
    add("--convert", default="", metavar="OPTIONS", help="more options of cg2-quantize, as one argument")
    add("--name", metavar="NAME", help="the model's name here (default: its own)")
    add("--use", action="store_true", help="let the server use it")
    add("--force", action="store_true", help="replace a model of the same name")
    add(
        "--discard", action="store_true", help="remove the checkpoint from the hub's cache after a conversion"
    )
    add("--dry-run", action="store_true", help="show size, licence and card, and download no weights")
    add("--json", action="store_true", help="with --list: print JSON")
    pull.set_defaults(run=run_hub, hub_command="pull")

    purpose = "upload a model folder to the Hugging Face hub"
    push = commands.add_parser("push", help=purpose, epilog=PUSH_EXAMPLE, formatter_class=shape)
    add = push.add_argument
    add("folder", metavar="FOLDER", help="a model folder, or the name of a model on this machine")
    add("name", metavar="OWNER/NAME", help="repository on the hub")
    add("--public", action="store_true", help="make a new repository public (default: private)")
    add("--message", default="", metavar="TEXT", help="message of the commit")
    add("--dry-run", action="store_true", help="show what would be uploaded, and contact no server")
    push.set_defaults(run=run_hub, hub_command="push")


def run_hub(args: argparse.Namespace) -> int:
    """Run the command of cg2_quantize and return its exit status."""
    given = {name: value for name, value in vars(args).items() if name not in ("run", "hub_command")}
    words = [sys.executable, "-m", HUB_MODULE, args.hub_command, json.dumps(given)]
    with subprocess.Popen(words) as child:
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:  # the child was interrupted too, and says what it kept
                continue
