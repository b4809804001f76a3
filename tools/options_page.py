"""Write docs/reference/options.md from the table of options, or print the settings for a VS Code manifest.

python tools/options_page.py            writes docs/reference/options.md
python tools/options_page.py --settings prints `contributes.configuration` as JSON
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cg2ls.renamed import NEW_OPTIONS, OLD_OPTIONS
from cg2ls.server.options import table

if TYPE_CHECKING:
    from cg2ls.server.options import OptionEntry

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "options.md"

HEAD = """\
# Options

<!-- Written by tools/options_page.py from cg2ls/server/options.py; a test compares them. -->

The value of an option comes from the first of these that sets it:

1. a command of this session (`cg2ls.server.switchModel`)
2. the command line (`--model`)
3. `folders`, the innermost folder first
4. `languages`
5. the editor's configuration: section `cg2ls` of `workspace/configuration`, requested for each workspace folder, or the
   content of `workspace/didChangeConfiguration`, with or without `cg2ls` around it
6. `initializationOptions`
7. the default below

A change takes effect at once, without a restart. One message names an invalid value, and its default is used; the
other values apply. It also names unknown options that resemble a known one. `null` means "not set". An old name
("formerly") is accepted too. If both names have different values, one message says so and the value of the new name
is used.
"""

TAIL = """\
## One language, one folder

`languages` and `folders` contain options by LSP language id and by folder. Folders are absolute, begin with `~`, or are
relative to each workspace folder. A folder has priority over a language: what is off in a folder is off. If `enable` or
`repositoryMemory` is off in a folder, its files are not read to complete other files either.

`exclude` and `folders` apply to every spelling of a path, also through `..` and through links to a file, its folder
or the workspace. Unicode normalization and the form of a URI make no difference, nor do capitals if the file system
ignores case (`tests/cg2ls/workspace/test_paths.py`, `tests/cg2ls/server/test_uris.py`). If a pattern without
wildcards names a link, it also applies to the link's target. Two names of one file without a link between them (hard
links) count as two files.

```json
{
  "maxLines": 5,
  "languages": {
    "markdown": {"automatic": false},
    "lua": {"model": "lua-small", "unknownLanguages": true}
  },
  "folders": {
    "vendor": {"enable": false},
    "~/secret": {"enable": false, "repositoryMemory": false}
  }
}
```
"""


def page() -> str:
    """Return the whole page."""
    entries = list(table().values())
    here = _rows([entry for entry in entries if entry.about.scope == "document"])
    everywhere = _rows([entry for entry in entries if entry.about.scope == "server"])
    return "\n".join(
        [
            HEAD,
            "## For every document, language and folder\n",
            here,
            "## For the whole server\n",
            everywhere,
            TAIL,
        ]
    )


def _rows(entries: list[OptionEntry]) -> str:
    lines = ["| option | type | default | |", "|---|---|---|---|"]
    lines += [
        f"| `{entry.name}` | {_kind(entry)} | `{json.dumps(entry.default)}` | {_doc(entry)} |"
        for entry in entries
    ]
    return "\n".join(lines) + "\n"


def _doc(entry: OptionEntry) -> str:
    old = OLD_OPTIONS.get(entry.name)
    return entry.about.doc + (f" Formerly `{old}`." if old else "")


def _kind(entry: OptionEntry) -> str:
    low, high = entry.about.min_value, entry.about.max_value
    span = f", {low:g} to {high:g}" if high is not None else f", at least {low:g}" if low is not None else ""
    return entry.type_name + span


def settings() -> dict[str, Any]:
    """Return the options as VS Code's manifest describes settings, with `cg2ls.` before each name."""
    found: dict[str, Any] = {}
    for entry in table().values():
        kind = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}[entry.kind]
        found[f"cg2ls.{entry.name}"] = {
            "type": [kind, "null"] if entry.nullable else kind,
            "default": entry.default,
            "markdownDescription": entry.about.doc,
            "scope": "language-overridable" if entry.about.scope == "document" else "window",
        }
        more = {
            "minimum": entry.about.min_value,
            "maximum": entry.about.max_value,
            "enum": list(entry.values) or None,
        }
        found[f"cg2ls.{entry.name}"] |= {key: value for key, value in more.items() if value is not None}
        if entry.kind is list:
            found[f"cg2ls.{entry.name}"]["items"] = {"type": "string"}
    for old, new in NEW_OPTIONS.items():
        kinds = found[f"cg2ls.{new}"]["type"]
        found[f"cg2ls.{old}"] = found[f"cg2ls.{new}"] | {
            "type": kinds if isinstance(kinds, list) else [kinds, "null"],
            "default": None,
            "markdownDescription": f"Old name of `#cg2ls.{new}#`.",
            "markdownDeprecationMessage": f"This setting was renamed: use `#cg2ls.{new}#`.",
        }
    for group, by, example in (
        ("languages", "language id", '{"lua": {"maxLines": 1}}'),
        ("folders", "folder", '{"vendor": {"enable": false}}'),
    ):
        found[f"cg2ls.{group}"] = {
            "type": "object",
            "default": {},
            "additionalProperties": {"type": "object"},
            "markdownDescription": f"Options by {by}, such as `{example}`.",
            "scope": "resource",
        }
    return found


GROUPS = {
    "What is shown": (
        *("enable", "automatic", "comments", "unknownLanguages", "maxLines", "eagerness"),
        *("minConfidence", "candidates", "choose", "delayMs", "lineTokens", "blockTokens", "speculate"),
    ),
    "Context and privacy": (
        *("repositoryMemory", "repositoryMemoryDependencies", "exclude", "contextTokens", "stats"),
        "learnFromAcceptances",
    ),
    "Languages and folders": ("languages", "folders"),
    "Model and machine": (
        *("model", "provider", "threads", "maxMemoryMb", "readAheadSeconds", "unloadAfterMinutes"),
    ),
    "Log": ("logLevel", "logText"),
    "Old names": tuple(NEW_OPTIONS),
}
"""Settings of VS Code by group, the ones that people change most first."""


def grouped_settings() -> list[dict[str, Any]]:
    """Return the settings in groups, with their order, as `contributes.configuration` takes them.

    Raises:
        KeyError: a group names a setting that does not exist.
        ValueError: a setting is in no group.
    """
    found = settings()
    if left := found.keys() - {f"cg2ls.{name}" for names in GROUPS.values() for name in names}:
        raise ValueError(f"{', '.join(sorted(left))} must be in a group")
    return [
        {
            "title": title,
            "order": place,
            "properties": {
                f"cg2ls.{name}": found[f"cg2ls.{name}"] | {"order": number}
                for number, name in enumerate(names)
            },
        }
        for place, (title, names) in enumerate(GROUPS.items())
    ]


def main() -> None:
    """Write or print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", action="store_true", help="print JSON for a VS Code manifest")
    if parser.parse_args().settings:
        print(json.dumps(grouped_settings(), indent=2))
    else:
        PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
