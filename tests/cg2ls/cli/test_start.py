"""The imports of a command at its start, which determine its start-up time."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

RUN = """
import json, sys
from cg2ls.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print("imported", json.dumps(sorted(sys.modules)), file=sys.stderr)
"""

SERVER = """
import gc, json, sys
from cg2ls.system import pause_collection
with pause_collection():
    import cg2ls.server.app
print("imported", json.dumps([*sorted(sys.modules), gc.isenabled(), gc.get_freeze_count() > 10_000]), file=sys.stderr)
"""

SLOW_TO_IMPORT = {
    "asyncio",
    "attrs",
    "logging",
    "lsprotocol",
    "numpy",
    "onnxruntime",
    "pygls",
    "socket",
    "subprocess",
    "tokenizers",
    "tree_sitter",
}
UNNEEDED_BY_A_SERVER = {
    "onnxruntime",
    "torch",
    "transformers",
    "onnx",
    "tree_sitter",
    "cg2ls.evaluation",
}


def list_imported(script: str, *arguments: str) -> list[object]:
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    return list(json.loads(done.stderr.rpartition("imported ")[2]))


@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_version_and_help_import_nothing_slow(argument):
    assert not SLOW_TO_IMPORT & set(list_imported(RUN, argument))


def test_a_server_imports_no_model_runtime_and_no_grammar_before_it_needs_them():
    *modules, collects, is_frozen = list_imported(SERVER)
    assert not UNNEEDED_BY_A_SERVER & set(modules)
    assert collects
    assert is_frozen
