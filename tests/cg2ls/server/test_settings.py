"""Which value is in force where, and how invalid values are handled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cg2ls.server.options import Options
from cg2ls.server.settings import EVERYTHING, Settings, read_layer

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["enable", "model", "maxLines", "exclude", "minConfidence", "languages", "folders"])


def test_missing_value_is_the_default():
    assert Settings().of("file:///a.py", "python") == Options()


def test_the_latest_and_most_specific_setting_takes_precedence():
    settings = Settings()
    uri = "file:///project/vendor/a.py"
    settings.move_to(["file:///project"])
    settings.at_start({"maxLines": 1})
    assert settings.of(uri, "python").max_lines == 1
    settings.from_editor({"maxLines": 2})
    assert settings.of(uri, "python").max_lines == 2
    settings.from_editor({"maxLines": 3}, "file:///project")
    assert settings.of(uri, "python").max_lines == 3
    settings.from_editor({"languages": {"python": {"maxLines": 4}}}, "file:///project")
    assert settings.of(uri, "python").max_lines == 4
    settings.from_editor(
        {"languages": {"python": {"maxLines": 4}}, "folders": {"vendor": {"maxLines": 5}}}, "file:///project"
    )
    assert settings.of(uri, "python").max_lines == 5
    assert settings.of("file:///elsewhere/a.py", "python").max_lines == 2
    settings.from_editor(None)
    assert settings.of(uri, "python").max_lines == 1


def test_a_command_of_the_session_overrides_the_command_line_and_can_be_undone():
    settings = Settings({"model": "flag"})
    settings.from_editor({"model": "setting"})
    assert settings.of().model == "flag"
    settings.for_session(model="session")
    assert settings.of("file:///a", "lua").model == "session"
    settings.for_session(model=None)
    assert settings.of().model == "flag"


@pytest.mark.parametrize(
    ("folder", "uri", "holds"),
    [
        ("/project/vendor", "file:///project/vendor/a/b.py", True),
        ("/project/vendor/", "file:///project/vendor/b.py", True),
        ("file:///project/vendor", "file:///project/vendor/b.py", True),
        ("vendor", "file:///project/vendor/b.py", True),
        ("vendor", "vscode-notebook-cell:/project/vendor/a.ipynb#x1", True),
        ("/project/vend", "file:///project/vendor/b.py", False),
        ("vendor", "file:///other/vendor/b.py", False),
        ("vendor", "untitled:Untitled-1", False),
        ("~nobody-of-that-name/x", "file:///project/vendor/b.py", False),
    ],
)
def test_a_folder_contains_its_files(folder, uri, holds):
    settings = Settings()
    settings.move_to(["file:///project"])
    settings.at_start({"folders": {folder: {"enable": False}}})
    assert settings.of(uri, "python").enable is not holds


def test_the_innermost_folder_takes_precedence():
    settings = Settings()
    settings.at_start({"folders": {"/a/b": {"enable": True}, "/a": {"enable": False}}})
    assert settings.of("file:///a/b/c.py", "python").enable
    assert not settings.of("file:///a/c.py", "python").enable


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ([], "must be an object"),
        ("model", "must be an object"),
        ({"model": 7}, "`model` must be a string"),
        ({"enable": 1}, "`enable` must be true or false"),
        ({"maxLines": -1}, "`maxLines` must be a whole number of at least 0"),
        ({"maxLines": True}, "`maxLines` must be a whole number"),
        ({"maxLines": 1.5}, "`maxLines` must be a whole number"),
        ({"minConfidence": 2}, "`minConfidence` must be a number from 0 to 1"),
        ({"provider": "tpu"}, "`provider` must be one of auto, cpu, cuda"),
        ({"exclude": "*.min.js"}, "`exclude` must be a list of strings"),
        ({"exclude": [1]}, "`exclude` must be a list of strings"),
        ({"maxLine": 1}, "did you mean `maxLines`"),
        ({"languages": 1}, "`languages` must be an object"),
        ({"folders": {"a": 1}}, r"`folders.a` must be an object"),
        ({"languages": {"lua": {"threads": 2}}}, "holds for the whole server"),
        ({"languages": {"lua": {"enable": "no"}}}, r"`languages.lua.enable` must be true or false"),
    ],
)
def test_invalid_settings_are_named_once_and_ignored(raw, said):
    settings = Settings()
    (problem,) = settings.at_start(raw)
    assert said in problem
    assert settings.of("file:///a/b.lua", "lua") == Options()


@pytest.mark.parametrize("pattern", ["vendored\\", "[z-a]", "!"])
def test_a_pattern_that_cannot_be_read_is_named_once_and_nothing_is_read_meanwhile(pattern):
    settings = Settings()
    (problem,) = settings.at_start({"languages": {"lua": {"exclude": ["*.gen.lua", pattern, "!"]}}})
    assert f"`languages.lua.exclude` has the pattern `{pattern}`" in problem
    assert "as in .gitignore" in problem
    assert settings.of("file:///a/b.lua", "lua").exclude == EVERYTHING
    assert settings.of("file:///a/b.py", "python").exclude == ()
    assert settings.at_start({"exclude": ["*.gen.lua"]}) == []
    assert settings.of("file:///a/b.lua", "lua").exclude == ("*.gen.lua",)


def test_valid_options_apply_despite_an_invalid_one():
    settings = Settings()
    assert len(settings.at_start({"enable": "yes", "maxLines": 3})) == 1
    assert settings.of() == Options(max_lines=3)


@pytest.mark.parametrize("raw", [None, {}, {"trace": {"server": "off"}}, {"maxLines": None, "delayMs": None}])
def test_the_editors_own_names_and_null_are_accepted_silently(raw):
    settings = Settings()
    assert settings.at_start(raw) == []
    assert settings.of() == Options()


@given(JSON | st.dictionaries(NAMES, JSON))
def test_any_settings_give_options(raw):
    layer, problems = read_layer(raw, "x")
    assert all(problem.endswith((".", "?")) for problem in problems)
    settings = Settings()
    settings.at_start(raw)
    assert isinstance(settings.of("file:///a", "python"), Options)
    assert set(layer.values) <= set(Options.__dataclass_fields__)


@pytest.fixture
def linked(tmp_path):
    """A workspace `ws`, with a link `alias` to it; its `vendor` is a link to the sibling folder `shared`."""
    for folder in ("ws/src", "shared"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "alias").symlink_to("ws")
    (tmp_path / "ws/vendor").symlink_to("../shared")
    return tmp_path


@pytest.mark.parametrize("root", ["ws", "alias"])
@pytest.mark.parametrize(
    "said", ["vendor", "src/../vendor/", "{top}/ws/vendor", "{top}/alias//vendor", "{top}/shared"]
)
@pytest.mark.parametrize(
    "path", ["ws/vendor/a.py", "alias/vendor/a.py", "shared/a.py", "ws/src/../vendor/a.py"]
)
def test_switched_off_folder_is_off_in_every_spelling(linked, root, said, path):
    settings = Settings()
    settings.move_to([f"file://{linked}/{root}"])
    settings.from_editor({"folders": {said.format(top=linked): {"enable": False}}})
    assert not settings.of(f"file://{linked}/{path}").enable
    assert settings.of(f"file://{linked}/ws/src/a.py").enable
    assert settings.of(f"file://{linked}/vendor/a.py").enable


def test_a_folders_configuration_applies_to_every_spelling_of_its_path(linked):
    settings = Settings()
    settings.from_editor({"maxLines": 1})
    settings.from_editor({"maxLines": 2}, f"file://{linked}/alias")
    settings.from_editor({"maxLines": 3}, f"file://localhost{linked}/ws/src/")
    assert settings.of(f"file://{linked}/ws/a.py").max_lines == 2
    assert settings.of(f"file://{linked}/alias/src/a.py").max_lines == 3
    assert settings.of(f"file://{linked}/a.py").max_lines == 1


@pytest.mark.parametrize(
    ("root", "folder", "uri"),
    [
        ("file:///c%3A/ws", "vendor", "file:///C:/WS/Vendor/a.py"),
        ("file:///c:/ws", "C:\\ws\\vendor\\", "file:///C%3A/ws/vendor/a.py"),
        ("file://server/share/ws", "vendor", "file://SERVER/share/ws/vendor/a.py"),
        ("vscode-remote://host/ws", "vendor", "vscode-remote://host/ws/vendor/a.py"),
        ("file:///ws", "vendor", "untitled:/ws/vendor/new.py"),
        ("file:///ws", "vendor", "vscode-notebook-cell:/ws/vendor/n.ipynb#W0s"),
        ("file:///ws", "vend%C3%B6r", "file:///ws/vend%25C3%25B6r/a.py"),
        ("file:///ws", "file:///ws/vend%C3%B6r", "file:///ws/vendo%CC%88r/a.py"),
    ],
)
def test_switched_off_folder_is_off_in_every_clients_spelling(root, folder, uri):
    settings = Settings()
    settings.move_to([root])
    settings.from_editor({"folders": {folder: {"enable": False}}})
    assert not settings.of(uri).enable
    assert settings.of(uri.lower().replace("vend", "send")).enable


def test_what_folders_leave_alone_is_not_read_for_other_files(linked):
    settings = Settings()
    settings.move_to([f"file://{linked}/alias"])
    (linked / "ws/src/generated").mkdir()
    (linked / "ws/link").symlink_to("src/generated")
    settings.from_editor(
        {
            "exclude": ["secrets/"],
            "folders": {
                "link": {"enable": False},
                "docs": {"repositoryMemory": False},
                "src": {"exclude": ["*.gen.py"]},
                "/elsewhere": {"enable": False},
            },
        }
    )
    rules = settings.reading_rules(linked / "ws", "python")
    assert rules.exclude == ("secrets/",)
    assert dict(rules.folders) == {
        "docs": EVERYTHING,
        "link": EVERYTHING,
        "src": ("*.gen.py",),
        "src/generated": EVERYTHING,
    }
    settings.from_editor({})
    assert settings.reading_rules(linked / "ws", "python").folders == ()
