"""Which files of a workspace are read, and why others are not."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.workspace import (
    ReadingRules,
    Refusal,
    RefusedError,
    RulesError,
    Workspace,
    is_excluded,
    unreadable_pattern,
)
from cg2ls.workspace.paths import Place


def write(root: Path, name: str, content: str | bytes = "x = 1\n") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def walked(workspace: Workspace, **more: object) -> list[str]:
    return [path.relative_to(workspace.root).as_posix() for path in workspace.walk(**more)]


def reason(workspace: Workspace, name: str) -> str:
    refusal = workspace.refusal(Path(name))
    assert refusal, name
    assert str(workspace.root) in str(refusal)
    return refusal.reason


def reason_to_read(workspace: Workspace, name: str) -> str:
    assert workspace.refusal(Path(name)) is None
    with pytest.raises(RefusedError) as caught:
        workspace.read(Path(name))
    return caught.value.refusal.reason


def test_a_plain_file_is_read_with_one_kind_of_line_end(tmp_path: Path) -> None:
    write(tmp_path, "a.py", b"\xef\xbb\xbfa = 1\r\nb = 2\rc = 3\n")
    assert Workspace(tmp_path).read(Path("a.py")) == "a = 1\nb = 2\nc = 3\n"
    assert Workspace(tmp_path).read(tmp_path / "a.py") == "a = 1\nb = 2\nc = 3\n"


def test_files_come_in_the_order_of_their_names_folder_by_folder(tmp_path: Path) -> None:
    for name in ("b/z.py", "b/a.py", "a/b/c.py", "a/x.py", "c.py", "c.txt"):
        write(tmp_path, name)
    found = walked(Workspace(tmp_path), wanted=lambda name: name.endswith(".py"))
    assert found == ["c.py", "a/x.py", "a/b/c.py", "b/a.py", "b/z.py"]


def test_gitignore_files_count_from_the_repository_down(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    write(tmp_path, ".gitignore", "*.log.py\nbuild/\n/only_here.py\n")
    write(tmp_path, "package/.gitignore", "!kept.log.py\nmade.py\n")
    write(tmp_path, ".git/info/exclude", "mine.py\n")
    for name in ("a.log.py", "kept.log.py", "made.py", "only_here.py", "mine.py", "build/b.py", "fine.py"):
        write(tmp_path, f"package/{name}")
    write(tmp_path, "only_here.py")
    workspace = Workspace(tmp_path / "package")
    assert walked(workspace, wanted=lambda name: name.endswith(".py")) == [
        "fine.py",
        "kept.log.py",
        "only_here.py",
    ]
    assert reason(workspace, "made.py") == reason(workspace, "build/b.py") == "ignored"
    assert reason(Workspace(tmp_path), "only_here.py") == "ignored"


@given(
    patterns=st.lists(
        st.sampled_from(
            [
                "*.py",
                "!a.py",
                "a/",
                "/a",
                "b/*",
                "!b/a.py",
                "**/c",
                "!c",
                "a/**",
                "**/",
                "!**/",
                "**",
                "#a",
                "",
                "?.py",
                "[ab].py",
            ]
        ),
        max_size=5,
    ),
    inner=st.lists(st.sampled_from(["!*.py", "a.py", "/b.py", "c/", "!c/", "!c"]), max_size=3),
)
def test_walk_returns_files_that_git_does_not_ignore(
    tmp_path_factory: pytest.TempPathFactory, patterns: list[str], inner: list[str]
) -> None:
    root = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", root], check=True)
    for name in ("a.py", "b.py", "a/a.py", "a/b.py", "b/a.py", "b/c/a.py", "c/a.py", "b/c/b.py"):
        write(root, name)
    write(root, ".gitignore", "\n".join(patterns))
    write(root, "b/.gitignore", "\n".join(inner))
    listed = subprocess.run(
        ["git", "-C", root, "ls-files", "--others", "--exclude-standard", "*.py"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    found = walked(Workspace(root), wanted=lambda name: name.endswith(".py"))
    assert sorted(found) == sorted(listed.stdout.split())


@pytest.mark.parametrize("rules", ["folder", "bytes", "pipe"])
def test_unreadable_rules_block_the_files_they_concern(tmp_path: Path, rules: str) -> None:
    write(tmp_path, "free/a.py")
    write(tmp_path, "blocked/a.py")
    write(tmp_path, "blocked/below/a.py")
    if rules == "folder":
        (tmp_path / "blocked/.gitignore").mkdir()
    elif rules == "bytes":
        write(tmp_path, "blocked/.gitignore", b"\xff\xfe*")
    else:
        os.mkfifo(tmp_path / "blocked/.gitignore")
    workspace = Workspace(tmp_path)
    assert walked(workspace, wanted=lambda name: name.endswith(".py")) == ["free/a.py"]
    assert reason(workspace, "blocked/below/a.py") == "unreadable rules"


def test_a_changed_gitignore_counts_at_once(tmp_path: Path) -> None:
    write(tmp_path, "a.py")
    workspace = Workspace(tmp_path)
    assert workspace.refusal(Path("a.py")) is None
    write(tmp_path, ".gitignore", "a.py\n")
    assert reason(workspace, "a.py") == "ignored"


@pytest.mark.parametrize(
    "name",
    [".env", "prod.env", ".env.local", "id_rsa", "server.pem", "x/.aws/config.py", "credentials.json", "Secrets.yaml"],
)  # fmt: skip
def test_secret_names_are_refused_unread(tmp_path: Path, name: str) -> None:
    write(tmp_path, name)
    assert reason(Workspace(tmp_path), name) == "secret name"
    assert walked(Workspace(tmp_path)) == []


def test_a_module_may_be_named_after_secrets(tmp_path: Path) -> None:
    write(tmp_path, "secrets.py", "import os\n")
    assert Workspace(tmp_path).read(Path("secrets.py")) == "import os\n"


@pytest.mark.parametrize(
    "line",
    [
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEAabcdefgh",
        'key = "AKIA' + "ABCDEFGHIJKLMNOP" + '"',
        'token = "ghp_' + "a1" * 18 + '"',
        'openai = "sk-proj-' + "a1B2" * 10 + '"',
    ],
)
def test_contents_that_look_like_keys_are_refused(tmp_path: Path, line: str) -> None:
    write(tmp_path, "a.py", f"import os\n{line}\n")
    with pytest.raises(RefusedError, match="line 2 looks like a key or a token"):
        Workspace(tmp_path).read(Path("a.py"))


def test_code_about_secrets_is_no_secret(tmp_path: Path) -> None:
    text = 'password = getpass()\nif line == "-----BEGIN PRIVATE KEY-----":\n    token = f"ghp_{rest}"\n'
    write(tmp_path, "a.py", text)
    assert Workspace(tmp_path).read(Path("a.py")) == text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\x7fELF\0\0", "binary"),
        (b"name = '\xe9'\n", "not UTF-8"),
        ("x=1;" * 5000, "minified"),
        ("# Generated by the protocol buffer compiler.  DO NOT EDIT!\nx = 1\n", "generated"),
        ("# @generated\nx = 1\n", "generated"),
        ("x = 1\n" * 200_000, "too large"),
    ],
)
def test_machine_written_contents_are_refused(tmp_path: Path, content: str | bytes, expected: str) -> None:
    write(tmp_path, "a.py", content)
    assert reason_to_read(Workspace(tmp_path), "a.py") == expected


def test_code_that_generates_is_not_generated(tmp_path: Path) -> None:
    text = "def generate(self):\n    # generated files get a header\n    return 1\n"
    write(tmp_path, "a.py", text)
    assert Workspace(tmp_path).read(Path("a.py")) == text


def test_links_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path, "inside/a.py")
    write(tmp_path, "outside/secret.py")
    root = tmp_path / "inside"
    (root / "loop").symlink_to(root, target_is_directory=True)
    (root / "away.py").symlink_to(tmp_path / "outside/secret.py")
    workspace = Workspace(root)
    assert walked(workspace) == ["a.py"]
    assert reason(workspace, "loop/a.py") == reason(workspace, "away.py") == "link"
    assert reason(workspace, "../outside/secret.py") == "outside"
    assert reason(workspace, str(tmp_path / "outside/secret.py")) == "outside"


def test_folders_of_tools_are_skipped(tmp_path: Path) -> None:
    write(tmp_path, "env/pyvenv.cfg")
    write(tmp_path, "env/lib/a.py")
    write(tmp_path, "node_modules/a/index.js")
    write(tmp_path, ".git/hooks/a.py")
    write(tmp_path, "a.py")
    told: list[Refusal] = []
    workspace = Workspace(tmp_path)
    assert walked(workspace, refused=told.append) == ["a.py"]
    assert [(each.path.name, each.reason) for each in told] == [
        (".git", "tool folder"),
        ("env", "tool folder"),
        ("node_modules", "tool folder"),
    ]
    assert reason(workspace, "env/lib/a.py") == "tool folder"


def test_files_that_fit_the_users_patterns_are_excluded(tmp_path: Path) -> None:
    for name in ("src/a.py", "src/vendored/b.py", "docs/c.py"):
        write(tmp_path, name)
    workspace = Workspace(tmp_path, ReadingRules(include=("src/",), exclude=("vendored/",)))
    assert walked(workspace) == ["src/a.py"]
    assert reason(workspace, "docs/c.py") == "not included"
    assert reason(workspace, "src/vendored/b.py") == "excluded"
    assert is_excluded(Place(tmp_path / "src/vendored/b.py"), Place(tmp_path), ("vendored/",))
    assert not is_excluded(Place(tmp_path / "src/a.py"), Place(tmp_path), ("vendored/",))
    assert not is_excluded(Place(tmp_path.parent / "vendored/b.py"), Place(tmp_path), ("vendored/",))


@pytest.mark.parametrize("pattern", ["!", "[z-a]", "vendored\\"])
def test_a_pattern_that_makes_no_sense_is_named(tmp_path: Path, pattern: str) -> None:
    assert unreadable_pattern(("*.gen.py", pattern, "!")) == pattern
    with pytest.raises(RulesError, match=re.escape(f"exclude pattern `{pattern}`")):
        Workspace(tmp_path, ReadingRules(exclude=("*.gen.py", pattern)))
    assert unreadable_pattern(("*.gen.py", "/a/**/b/", "# said by nobody", "")) is None


def test_unreadable_git_rules_block_the_files_they_concern(tmp_path: Path) -> None:
    write(tmp_path, "a.py")
    write(tmp_path, ".gitignore", "[z-a]\n")
    assert reason(Workspace(tmp_path), "a.py") == "unreadable rules"


def test_a_walk_ends_where_there_are_too_many_files(tmp_path: Path) -> None:
    for number in range(50):
        write(tmp_path, f"{number:02}.py")
    for rules in (ReadingRules(max_files=10), ReadingRules(max_entries=10)):
        told: list[Refusal] = []
        assert len(walked(Workspace(tmp_path, rules), refused=told.append)) == 10
        assert [each.reason for each in told] == ["too many files"]


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.py")
    assert reason(Workspace(tmp_path), "a.py") == "no file"
    assert reason(Workspace(tmp_path), "missing.py") == "no file"
    assert walked(Workspace(tmp_path)) == []


def test_a_folder_may_have_patterns_of_its_own(tmp_path: Path) -> None:
    for name in (
        "a.py",
        "vendor/a.py",
        "vendor/b/a.py",
        "vendor/ours/a.py",
        "vendor/ours/b.py",
        "vendored/a.py",
    ):
        write(tmp_path, name)
    folders = (("vendor", ("*",)), ("vendor/ours", ("/vendor/ours/b.py",)))
    workspace = Workspace(tmp_path, ReadingRules(exclude=("/a.py",), folders=folders))
    assert walked(workspace) == ["vendor/ours/a.py", "vendored/a.py"]
    assert reason(workspace, "vendor/b/a.py") == reason(workspace, "a.py") == "excluded"
    assert workspace.read(Path("vendor/ours/a.py"))
