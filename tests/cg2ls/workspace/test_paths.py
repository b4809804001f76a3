"""A private file is recognized in any spelling of its path."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path, PurePath, PureWindowsPath
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pathspec import GitIgnoreSpec

from cg2ls.workspace import ReadingRules, Workspace, ignore, paths
from cg2ls.workspace import workspace as reading
from cg2ls.workspace.paths import Place, folded, ignores_case, innermost


def is_excluded(path: PurePath, root: PurePath, excluded: tuple[str, ...]) -> bool:
    return ignore.is_excluded(Place(path), Place(root), excluded)


FOLDERS = ("", "a", "a/b", "c")
NAMES = ("x.py", "secret.py")
LINKS = ("l1", "l2", "l3.py")
TARGETS = (
    ".",
    "..",
    "a",
    "a/b",
    "b/../b",
    "../c",
    "../../ws/a",
    "l1",
    "l2",
    "a/l1",
    "x.py",
    "secret.py",
    "a/b/secret.py",
    "{top}/ws/a",
    "{top}/alias/a/b",
    "{top}/alias/c/secret.py",
)
PATTERNS = ("secret.py", "b/", "/a/b", "a", "/c/x.py", "*/x.py", "!x.py", "l1", "/l2/", "c/secret.*")

link = st.tuples(st.sampled_from(FOLDERS), st.sampled_from(LINKS), st.sampled_from(TARGETS))
part = st.sampled_from(("a", "b", "c", "..", ".", "", *LINKS))
spelling = st.tuples(
    st.sampled_from(("ws", "alias", "ws/../ws", "second")),
    st.lists(part, max_size=5),
    st.sampled_from(NAMES + LINKS),
)


def tree(top: Path, links: list[tuple[str, str, str]]) -> Path:
    """A workspace with two other names, `alias` and `second`."""
    for folder in FOLDERS:
        (top / "ws" / folder).mkdir(parents=True, exist_ok=True)
        for name in NAMES:
            (top / "ws" / folder / name).write_text("x = 1\n")
    (top / "alias").symlink_to("ws")
    (top / "second").symlink_to(top / "alias")
    for folder, name, target in links:
        place = top / "ws" / folder / name
        if not os.path.lexists(place):
            place.symlink_to(target.format(top=top))
    return top / "ws"


def is_private(real: str, root: Path, excluded: list[str]) -> bool:
    """Whether patterns match a file, by its path without links or by a link that a pattern names."""
    spec = GitIgnoreSpec.from_lines(excluded)
    name = os.path.relpath(real, root)
    if not name.startswith("..") and spec.match_file(name):
        return True
    named = [each.strip("/") for each in excluded if each.strip("/") in LINKS]
    reached = [os.path.realpath(root / each) for each in named if spec.match_file(f"{each}/")]
    reached = [each for each in reached if not root.is_relative_to(each)]
    return any(real == each or real.startswith(f"{each}/") for each in reached if Path(each).exists())


@given(
    links=st.lists(link, max_size=6),
    excluded=st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3),
    spellings=st.lists(spelling, min_size=1, max_size=12),
)
def test_excluded_file_is_excluded_in_any_spelling(
    links: list[tuple[str, str, str]], excluded: list[str], spellings: list[tuple[str, list[str], str]]
) -> None:
    with TemporaryDirectory() as made:
        top = Path(os.path.realpath(made))
        root = tree(top, links)
        workspaces = [
            Workspace(top / name, ReadingRules(exclude=tuple(excluded))) for name in ("ws", "second")
        ]
        for base, parts, name in spellings:
            path = Path("/".join([str(top), base, *parts, name]))
            real = os.path.realpath(path)
            assert str(Place(path).real) == real or not path.exists()
            if not path.is_file() or not is_private(real, root, excluded):
                continue
            for spelled in ("ws", "alias", "second"):
                assert is_excluded(path, top / spelled, tuple(excluded)), path
            for workspace in workspaces:
                assert workspace.refusal(path) is not None, path
                assert workspace.refusal_of_text(path, "x = 1\n") is not None, path
        for workspace in workspaces:
            assert not [path for path in workspace.walk() if is_private(str(path), root, excluded)]


def test_a_workspace_reads_its_files_by_the_name_of_a_link_to_it(tmp_path: Path) -> None:
    root = tree(tmp_path, [])
    workspace = Workspace(tmp_path / "second")
    assert workspace.root == root
    for path in (root / "a/x.py", tmp_path / "alias/a/x.py", tmp_path / "second/c/../a/x.py", Path("a/x.py")):
        assert workspace.name_of(path) == "a/x.py"
        assert workspace.read(path) == "x = 1\n"
    assert workspace.name_of(tmp_path / "elsewhere.py") is None
    assert workspace.name_of(tmp_path / "alias") is None


def test_checked_file_is_the_opened_file(tmp_path: Path) -> None:
    """After a link, `..` leads to another folder than its text; no file there may be opened."""
    (tmp_path / "other/deep").mkdir(parents=True)
    (tmp_path / "other/x.py").write_text("stolen\n")
    root = tree(tmp_path, [])
    (root / "out").symlink_to(tmp_path / "other/deep")
    workspace = Workspace(root)
    assert workspace.refusal(Path("out/../x.py")) is not None


def test_a_link_with_a_harmless_name_to_a_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("x = 1\n")
    (tmp_path / "plain.py").symlink_to(".env")
    (tmp_path / "config.py").write_text("x = 1\n")
    (tmp_path / ".envrc").symlink_to("config.py")
    workspace = Workspace(tmp_path)
    assert workspace.refusal_of_text(tmp_path / "plain.py", "x = 1\n") is not None
    assert workspace.refusal_of_text(tmp_path / ".envrc", "x = 1\n") is not None
    assert workspace.refusal_of_text(tmp_path / "config.py", "x = 1\n") is None


def test_loops_of_links_end(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    (tmp_path / "self").symlink_to("self/self/self")
    for name in ("one/x.py", "self/x.py", "two"):
        place = Place(tmp_path / name)
        assert len(place.forms) <= paths.MAX_LINKS + 1
        assert is_excluded(tmp_path / name, tmp_path, (name,))
        assert Workspace(tmp_path).refusal(Path(name)) is not None
    assert Workspace(tmp_path / "one").refusal(Path("x.py")) is not None


def test_a_pattern_that_names_a_link_is_about_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/a.py").write_text("x = 1\n")
    root = tree(tmp_path, [("", "l1", "a/b")])
    (root / "vendor").symlink_to(tmp_path / "shared")
    assert is_excluded(tmp_path / "shared/a.py", root, ("/vendor/",))
    assert is_excluded(root / "a/b/x.py", root, ("l1",))
    assert not is_excluded(root / "a/x.py", root, ("l1", "/vendor/"))
    workspace = Workspace(root, ReadingRules(exclude=("l1",)))
    assert "a/b/x.py" not in [workspace.name_of(path) for path in workspace.walk()]


def test_names_are_compared_in_one_unicode_normalization(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "Geheimnisträger") for form in ("NFC", "NFD"))
    assert composed != decomposed
    for on_disk, said in ((composed, decomposed), (decomposed, composed)):
        (tmp_path / on_disk).mkdir()
        (tmp_path / on_disk / "a.py").write_text("x = 1\n")
        assert is_excluded(tmp_path / on_disk / "a.py", tmp_path, (f"{said}/",))
        assert (
            Workspace(tmp_path, ReadingRules(exclude=(f"/{said}",))).refusal(Path(on_disk, "a.py"))
            is not None
        )
        (tmp_path / ".gitignore").write_text(f"{said}/\n")
        refusal = Workspace(tmp_path).refusal(Path(on_disk, "a.py"))
        assert refusal is not None
        assert refusal.reason == "ignored"
        (tmp_path / ".gitignore").unlink()
    assert Place(tmp_path / "new" / composed / "a.py").lies_in(Place(tmp_path / "new" / decomposed))


def test_where_the_file_system_ignores_case_so_do_patterns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Vendor").mkdir()
    (tmp_path / "Vendor/A.py").write_text("x = 1\n")
    rules = ReadingRules(exclude=("/vendor/", "!/vendor/KEPT.py"))
    assert not is_excluded(tmp_path / "Vendor/A.py", tmp_path, rules.exclude)
    assert Workspace(tmp_path, rules).refusal(Path("Vendor/A.py")) is None
    for module in (ignore, reading, paths):
        monkeypatch.setattr(module, "ignores_case", lambda _: True)
    monkeypatch.setattr("cg2ls.workspace.ignore.ignores_case", lambda _: True)
    for spelled in ("Vendor/A.py", "VENDOR/a.PY", "vendor/a.py"):
        assert is_excluded(tmp_path / spelled, tmp_path, rules.exclude)
        assert is_excluded(tmp_path / spelled, tmp_path, ("*.[P]Y",))
    assert Workspace(tmp_path, rules).refusal(Path("Vendor/A.py")) is not None
    (tmp_path / ".gitignore").write_text("a.PY\n")
    assert Workspace(tmp_path).refusal(Path("Vendor/A.py")) is not None


def test_whether_a_folder_ignores_case_is_detected_without_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Name").write_text("")
    before = sorted(tmp_path.iterdir())
    assert ignores_case(tmp_path) is (tmp_path / "nAME").exists()
    paths._probed.cache_clear()
    monkeypatch.setattr(paths.os.path, "lexists", lambda path: str(path).lower().endswith("name"))
    assert ignores_case(tmp_path)
    paths._probed.cache_clear()
    (tmp_path / "nAME").write_text("")
    assert not ignores_case(tmp_path), "two names that differ in case only are two files"
    (tmp_path / "nAME").unlink()
    assert sorted(tmp_path.iterdir()) == before
    paths._probed.cache_clear()


@pytest.mark.parametrize(
    ("path", "folder", "name"),
    [
        ("C:/ws/vendor/a.py", "c:\\WS", "vendor/a.py"),
        ("c:\\ws\\Vendor\\..\\VENDOR\\a.py", "C:/ws/vendor", "a.py"),
        ("\\\\?\\C:\\ws\\a.py", "C:\\ws", "a.py"),
        ("C:\\ws\\a.py", "\\\\?\\C:\\ws\\", "a.py"),
        ("\\\\?\\UNC\\server\\share\\ws\\a.py", "//SERVER/Share/ws", "a.py"),
        ("\\\\server\\share\\ws\\vendor. \\a.py::$DATA", "\\\\server\\share\\ws\\vendor", "a.py"),
    ],
)
def test_paths_of_windows_are_compared_as_windows_does(path: str, folder: str, name: str) -> None:
    assert Place(PureWindowsPath(path)).names_in(Place(PureWindowsPath(folder))) == (name,)
    assert is_excluded(PureWindowsPath(path), PureWindowsPath(folder), (name.upper(),))


def test_paths_of_windows_on_other_drives_and_shares_are_apart() -> None:
    here = Place(PureWindowsPath("C:/ws"))
    for path in ("D:/ws/a.py", "//server/ws/a.py", "C:/wsx/a.py", "C:/ws/../a.py"):
        assert not Place(PureWindowsPath(path)).lies_in(here)


def test_the_innermost_folder_is_found_by_any_spelling(tmp_path: Path) -> None:
    root = tree(tmp_path, [("c", "l1", "../a/b")])
    outer, inner = Place(tmp_path / "alias"), Place(root / "a")
    place = Place(root / "c/l1/x.py")
    assert place.depth_in(outer) == 3
    assert innermost(place, [outer, inner]) is inner
    assert innermost(Place(root / "x.py"), [outer, inner]) is outer
    assert innermost(Place(tmp_path / "y.py"), [outer, inner]) is None


def test_a_path_with_a_null_character_leads_nowhere(tmp_path: Path) -> None:
    assert Place(Path(f"{tmp_path}/a\0b")).lies_in(Place(tmp_path))
    assert not Place(Path("/a\0b")).lies_in(Place(tmp_path))


@pytest.mark.parametrize(("name", "ignoring", "expected"), [("Äß", True, "äss"), ("Äß", False, "Äß")])
def test_names_are_folded_only_where_case_is_ignored(name: str, *, ignoring: bool, expected: str) -> None:
    assert folded(unicodedata.normalize("NFD", name), ignores_case=ignoring) == expected
