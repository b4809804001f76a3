"""Odd URIs of clients are converted to paths."""

from __future__ import annotations

import os
from pathlib import Path, PureWindowsPath
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.server.uris import folder_named, is_left_alone, named_path, path_of, root_of


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///ws/a.py", "/ws/a.py"),
        ("file:/ws/a.py", "/ws/a.py"),
        ("FILE:///ws/a.py", "/ws/a.py"),
        ("file://localhost/ws/a.py", "/ws/a.py"),
        ("file:////ws//a.py", "/ws/a.py"),
        ("file:///ws/b%C3%BCcher/%61.py", "/ws/bücher/a.py"),
        ("file:///ws/bücher/a.py", "/ws/bücher/a.py"),
        ("file:///ws/a;b.py", "/ws/a;b.py"),
        ("file:///ws/50%.py", "/ws/50%.py"),
        ("vscode-notebook-cell:/ws/n.ipynb#W0sZmlsZQ%3D%3D", "/ws/n.ipynb"),
        ("vscode-notebook-cell://ssh-remote%2Bhost/ws/n.ipynb#W0s", "/ws/n.ipynb"),
        ("untitled:Untitled-1", None),
        ("untitled:/ws/vendor/new.py", None),
        ("git:/ws/vendor/a.py?%7B%7D", None),
        ("file://server/share/a.py", None),
        ("file:///c%3A/ws/a.py", None),
        ("file:///ws/%00.py", None),
        ("file:///ws/%FF.py", None),
        ("file:a.py", None),
        ("a.py", None),
        ("", None),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="paths are read as POSIX has them")
def test_a_file_is_named_by_any_spelling_of_its_uri(uri: str, path: str | None) -> None:
    assert path_of(uri) == (path and Path(path))


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///C%3A/ws/a.py", "c:/ws/a.py"),
        ("file:///c:/ws/a.py", "C:\\ws\\a.py"),
        ("file://server/share/a.py", "//server/share/a.py"),
        ("untitled:c:\\ws\\new.py", "c:/ws/new.py"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="on Windows such a path is native")
def test_a_path_of_windows_is_one_elsewhere_too(uri: str, path: str) -> None:
    assert named_path(uri) == PureWindowsPath(path)


@pytest.mark.parametrize(
    "uri", ["untitled:/ws/vendor/new.py", "git:/ws/vendor/a.py?%7B%7D", "vscode-remote://host/ws/vendor/a.py"]
)
def test_a_document_that_is_no_file_may_have_a_private_path(uri: str) -> None:
    assert path_of(uri) is None
    assert is_left_alone(uri, ["file:///ws"], ("/vendor/",))
    assert not is_left_alone(uri, ["file:///ws"], ("/src/",))


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1).filter(
        lambda name: name not in (".", "..")
    )
)
def test_a_name_is_read_back_from_a_uri_however_much_of_it_is_escaped(name: str) -> None:
    whole = "".join(f"%{byte:02X}" for byte in name.encode())
    assert path_of(f"file:///ws/{quote(name)}") == path_of(f"file:///ws/{whole}") == Path("/ws", name)


@given(st.text())
def test_no_uri_is_an_error(uri: str) -> None:
    for given_uri in (uri, f"file:{uri}", f"file://{uri}"):
        path = path_of(given_uri)
        assert path is None or path.is_absolute()
        assert is_left_alone(given_uri, [uri, "file:///"], ("*",)) in (True, False)


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A workspace `ws`, with a link `alias` to it; in it `out` is a link to the sibling folder `shared`."""
    for folder in ("ws/vendor", "ws/src", "shared"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.py").write_text("x = 1\n")
    (tmp_path / "alias").symlink_to("ws")
    (tmp_path / "ws/out").symlink_to("../shared")
    return tmp_path


@pytest.mark.parametrize("root", ["ws", "alias"])
@pytest.mark.parametrize("folder", ["ws", "alias", "ws/../alias", "ws/out/../ws"])
def test_patterns_hold_through_links_to_the_root(linked: Path, root: str, folder: str) -> None:
    roots = [(linked / root).as_uri()]
    assert is_left_alone(f"file://{linked}/{folder}/vendor/a.py", roots, ("/vendor/",))
    assert not is_left_alone(f"file://{linked}/{folder}/src/a.py", roots, ("/vendor/",))
    assert root_of(linked / folder / "src/a.py", roots) == linked / "ws"


def test_patterns_hold_for_what_a_link_of_the_root_leads_to(linked: Path) -> None:
    roots = [(linked / "ws").as_uri()]
    for path in (linked / "ws/out/a.py", linked / "shared/a.py", linked / "alias/out/new.py"):
        assert is_left_alone(path.as_uri(), roots, ("/out/",)), path
    assert root_of(linked / "ws/out/a.py", roots) == linked / "ws"
    assert root_of(linked / "shared/a.py", roots) is None


def test_patterns_hold_in_each_folder_that_a_document_lies_in(linked: Path) -> None:
    roots = [(linked / "ws").as_uri(), (linked / "ws/vendor").as_uri()]
    assert is_left_alone((linked / "ws/vendor/a.py").as_uri(), roots, ("/vendor/a.py",))


def test_patterns_hold_in_a_home_folder_that_is_a_workspace(
    linked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(linked / "alias"))
    roots = [(linked / "ws").as_uri()]
    assert root_of(linked / "ws/vendor/a.py", roots) is None
    assert is_left_alone((linked / "ws/vendor/a.py").as_uri(), roots, ("/vendor/",))


def test_outside_of_all_folders_a_documents_own_folder_counts(linked: Path) -> None:
    assert is_left_alone((linked / "shared/a.py").as_uri(), [], ("/a.py",))
    assert is_left_alone((linked / "ws/out/a.py").as_uri(), [], ("/a.py",))
    assert not is_left_alone((linked / "shared/a.py").as_uri(), [], ("/b.py",))


def test_without_a_home_folder_every_root_counts(linked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", _no_entry)
    assert root_of(linked / "ws/src/a.py", [(linked / "ws").as_uri()]) == linked / "ws"


def _no_entry(uid: int) -> None:
    raise KeyError(uid)


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ("vendor", Path("vendor")),
        ("/ws/vendor/", Path("/ws/vendor")),
        ("file:///ws/vendor", Path("/ws/vendor")),
        ("file:/ws/vendor", Path("/ws/vendor")),
        ("~nobody-of-this-name/x", Path("~nobody-of-this-name/x")),
    ],
)
def test_a_setting_names_a_folder(said: str, path: Path) -> None:
    assert folder_named(said) == path
