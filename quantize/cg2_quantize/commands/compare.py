"""`cg2-quantize compare A B...`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cg2_quantize.commands import make_parser
from cg2ls.commandline import aligned
from cg2ls.jsontext import json_text

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLE = """\
example:
  cg2-quantize compare models/int8 models/int4 models/nf4
      prints a column for each folder: the figures of its report.json, and its distance from the
      first folder over the held-out code that comes with cg2-quantize
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    parser = make_parser("cg2-quantize compare", "Compare model folders.", EXAMPLE)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="model folders")
    parser.add_argument(
        "--tokens",
        type=int,
        default=2048,
        metavar="N",
        help="tokens to compare over; 0 for none (default: 2048)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per folder")
    options = parser.parse_args(arguments)

    from cg2_quantize.verification.comparison import compare_folders

    columns = compare_folders(options.folders, options.tokens)
    if options.json:
        print(json_text(columns, indent=2))
        return 0
    keys = list(dict.fromkeys(key for column in columns for key in column))
    rows = [(key, *(_cell(column.get(key)) for column in columns)) for key in keys]
    print(aligned(rows, right=range(1, len(columns) + 1)))
    return 0


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
