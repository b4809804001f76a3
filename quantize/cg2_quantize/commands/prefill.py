"""`cg2-quantize prefill FOLDER`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cg2_quantize.commands import make_parser

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLE = """\
example:
  cg2-quantize prefill models/my-model
      adds prefill.onnx to a folder that was converted before it was part of every int4 model: on
      processors with VNNI or AMX, prompts are then read in about half the time
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    about = "Add the graph that reads prompts with int8 products to an int4 model folder."
    parser = make_parser("cg2-quantize prefill", about, EXAMPLE)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a model folder")
    options = parser.parse_args(arguments)

    from cg2_quantize.graph.prefill import add_prefill_graph
    from cg2ls.models.folder.description import PREFILL_GRAPH

    print(f"{options.folder / PREFILL_GRAPH}: {add_prefill_graph(options.folder)} bytes")
    return 0
