"""`cg2ls models pull` and `push`: their arguments; cg2_quantize does the work in a separate process.

This package has no code for the network and imports nothing that has.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

MODULE = "cg2_quantize.hub_commands"

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


def add_parsers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    pull.set_defaults(run=run, hub_command="pull")

    purpose = "upload a model folder to the Hugging Face hub"
    push = commands.add_parser("push", help=purpose, epilog=PUSH_EXAMPLE, formatter_class=shape)
    add = push.add_argument
    add("folder", metavar="FOLDER", help="a model folder, or the name of a model on this machine")
    add("name", metavar="OWNER/NAME", help="repository on the hub")
    add("--public", action="store_true", help="make a new repository public (default: private)")
    add("--message", default="", metavar="TEXT", help="message of the commit")
    add("--dry-run", action="store_true", help="show what would be uploaded, and contact no server")
    push.set_defaults(run=run, hub_command="push")


def run(args: argparse.Namespace) -> int:
    """Run the command of cg2_quantize and return its exit status."""
    given = {name: value for name, value in vars(args).items() if name not in ("run", "hub_command")}
    words = [sys.executable, "-m", MODULE, args.hub_command, json.dumps(given)]
    with subprocess.Popen(words) as child:
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:  # the child was interrupted too, and says what it kept
                continue
