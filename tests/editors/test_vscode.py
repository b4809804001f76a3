"""The VS Code extension's manifest, where it must agree with the rest of the project."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cg2ls.renamed import OLD_OPTIONS

ROOT = Path(__file__).parents[2]
EXTENSION = ROOT / "editors" / "vscode"
MANIFEST = json.loads((EXTENSION / "package.json").read_text("utf-8"))
*GROUPS, SERVER = MANIFEST["contributes"]["configuration"]
OPTIONS = {name: setting for group in GROUPS for name, setting in group["properties"].items()}
LAUNCH = SERVER["properties"]


def test_the_settings_are_the_servers_table_of_options():
    tool = [sys.executable, str(ROOT / "tools" / "options_page.py"), "--settings"]
    printed = subprocess.run(tool, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert json.loads(printed) == GROUPS, "run `npm run settings` in editors/vscode"


def test_settings_are_in_groups_with_an_order():
    assert len({group["title"] for group in (*GROUPS, SERVER)}) == len(GROUPS) + 1 > 3
    for group in GROUPS:
        orders = [setting["order"] for setting in group["properties"].values()]
        assert orders == list(range(len(orders))), group["title"]


def test_no_text_names_a_file_that_does_not_ship():
    texts = json.dumps(MANIFEST["contributes"])
    assert not re.findall(r"docs/[\w/.-]+|tests/[\w/.-]+", texts)


def test_the_walkthrough_ticks_its_own_steps():
    [walkthrough] = MANIFEST["contributes"]["walkthroughs"]
    assert all(step["completionEvents"] for step in walkthrough["steps"])
    source = (EXTENSION / "src" / "extension.ts").read_text("utf-8")
    contexts = re.findall(r"onContext:([\w.]+)", json.dumps(walkthrough))
    assert contexts
    assert all(f'"{context}"' in source for context in contexts)


def test_every_command_of_the_manifest_has_a_handler():
    source = (EXTENSION / "src" / "extension.ts").read_text("utf-8")
    for command in MANIFEST["contributes"]["commands"]:
        name = command["command"].removeprefix("cg2ls.")
        assert re.search(rf"^    {name}(:|,$)", source, re.MULTILINE), name


def test_the_menu_snoozes_for_5_15_and_60_minutes():
    """`snooze.test.ts` shows that each of these ends by itself."""
    found = re.search(r"SNOOZES = \[(.*?)\]", (EXTENSION / "src" / "snooze.ts").read_text("utf-8"))
    assert found
    assert [int(minutes) for minutes in found[1].split(",")] == [5, 15, 60]
    readme = (EXTENSION / "README.md").read_text("utf-8")
    assert "5, 15 or 60 minutes" in re.sub(r"\s+", " ", readme)


def test_the_menu_turns_completions_off_in_each_scope():
    menu = (EXTENSION / "src" / "menu.ts").read_text("utf-8")
    offered = set(re.findall(r'add\(.*"(toggle\w+)"\)', menu))
    assert offered == {"togglePause", "toggleLanguage", "toggleFile", "toggleWorkspace"}
    reasons = (EXTENSION / "src" / "switches.ts").read_text("utf-8")
    for scope in ("paused", "language", "file", "workspace"):
        assert f'"{scope}"' in reasons


def test_every_setting_has_a_description():
    for name, setting in (OPTIONS | LAUNCH).items():
        assert setting["markdownDescription"].endswith("."), name
        assert "default" in setting, name


def test_old_names_of_settings_are_deprecated_and_have_no_default():
    source = (EXTENSION / "src" / "renamed.ts").read_text("utf-8")
    assert dict(re.findall(r'^  (\w+): "(\w+)",$', source, re.MULTILINE)) == OLD_OPTIONS
    for new, old in OLD_OPTIONS.items():
        setting = OPTIONS[f"cg2ls.{old}"]
        assert setting["default"] is None, "a default would look like a value that the user set"
        assert f"`#cg2ls.{new}#`" in setting["markdownDeprecationMessage"]


def test_no_setting_of_an_untrusted_folder_counts():
    restricted = MANIFEST["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"]
    assert restricted == sorted(OPTIONS | LAUNCH)


def test_the_extension_has_the_version_of_the_server_it_carries():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert MANIFEST["version"] == project["version"]
    assert MANIFEST["license"] == project["license"]


@pytest.mark.parametrize("bounds", ["from: [3, 11]", "below: [3, 15]"])
def test_the_extension_looks_for_the_pythons_the_server_runs_on(bounds):
    assert bounds in (EXTENSION / "src" / "problem.ts").read_text("utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["requires-python"] == ">=3.11,<3.15"


def test_no_download_address_is_locked():
    lock = (EXTENSION / "package-lock.json").read_text("utf-8")
    assert '"resolved"' not in lock
    assert (EXTENSION / ".npmrc").read_text("utf-8").startswith("omit-lockfile-registry-resolved=true")


def test_nothing_installs_the_server_by_its_name_from_an_index():
    for path in sorted((EXTENSION / "src").rglob("*.ts")):
        assert '"cg2ls[' not in path.read_text("utf-8"), path


def test_every_named_command_and_page_exists():
    commands = {command["command"] for command in MANIFEST["contributes"]["commands"]}
    steps = [step for walkthrough in MANIFEST["contributes"]["walkthroughs"] for step in walkthrough["steps"]]
    named = re.findall(r"(?:command|onCommand):(cg2ls\.\w+)", json.dumps(steps))
    mends = re.findall(r'"(cg2ls\.\w+)"', (EXTENSION / "src" / "extension.ts").read_text("utf-8"))
    assert named
    assert mends
    assert {*named, *mends} - {"cg2ls.isReady"} <= commands, "all but the context of the walkthrough"
    for step in steps:
        assert (EXTENSION / step["media"]["markdown"]).is_file()


def test_every_program_is_started_with_telemetry_off():
    """`process.test.ts` checks the content of that environment."""
    for path in (EXTENSION / "src").glob("*.ts"):
        text = path.read_text("utf-8")
        started = re.findall(r"= spawn\(.*?\{(.*?)\}\)", text, re.DOTALL)
        assert len(started) == text.count("spawn("), path
        assert all("env: quietEnvironment()" in options for options in started), path
