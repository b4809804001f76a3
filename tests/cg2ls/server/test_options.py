"""The table of options, and the page and the manifest made from it."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from cg2ls.engine.providers import PROVIDERS
from cg2ls.renamed import NEW_OPTIONS
from cg2ls.server.options import Options, camel, table

ROOT = Path(__file__).parents[3]
TOOL = ROOT / "tools" / "options_page.py"


def tool():
    spec = importlib.util.spec_from_file_location("options_page", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_option_has_a_type_a_default_and_a_sentence():
    assert [entry.field for entry in table().values()] == [field.name for field in fields(Options)]
    for entry in table().values():
        assert entry.about.doc.endswith(".")
        assert entry.type_name


def test_every_default_is_a_value_the_option_may_have():
    for entry in table().values():
        if entry.default is None:
            assert entry.nullable
        elif entry.values:
            assert entry.default in entry.values
        else:
            assert type(entry.default) is entry.kind


@pytest.mark.parametrize(
    ("field", "name"), [("model", "model"), ("unload_after_minutes", "unloadAfterMinutes")]
)
def test_names_in_messages_are_in_camel_case(field, name):
    assert camel(field) == name


def test_the_page_is_the_one_the_table_gives():
    assert (ROOT / "docs" / "reference" / "options.md").read_text("utf-8") == tool().page(), (
        "run tools/options_page.py"
    )


def test_the_manifest_describes_every_option():
    done = subprocess.run(
        [sys.executable, str(TOOL), "--settings"], capture_output=True, text=True, check=True
    )
    groups = json.loads(done.stdout)
    found = {name: setting for group in groups for name, setting in group["properties"].items()}
    assert set(found) == {f"cg2ls.{name}" for name in (*table(), *NEW_OPTIONS, "languages", "folders")}
    assert found["cg2ls.maxLines"]["minimum"] == 0
    assert found["cg2ls.provider"]["enum"] == list(table()["provider"].values)
    assert found["cg2ls.delayMs"]["type"] == ["integer", "null"]


def test_every_provider_of_the_engine_can_be_set():
    assert set(table()["provider"].values) == {"auto", *PROVIDERS}


def test_every_option_is_read_somewhere():
    code = "".join(
        path.read_text("utf-8")
        for path in (ROOT / "cg2ls" / "server").rglob("*.py")
        if path.name != "settings.py"
    )
    unread = [field.name for field in fields(Options) if not re.search(rf"\.{field.name}\b", code)]
    assert not unread, "every option must be read by some code"
