"""Which model answers."""

from __future__ import annotations

import pytest

from cg2ls.models.folder.choice import Choice, LastingChoices, choose, read_lasting, write_lasting
from cg2ls.models.folder.description import ModelFolderError

BOTH = LastingChoices(general="g", by_language={"python": "p"})
GENERAL = LastingChoices(general="g")
PYTHON = LastingChoices(by_language={"python": "p"})


@pytest.mark.parametrize(
    ("flag", "setting", "lasting", "language", "model"),
    [
        # flag   setting  use      language  answers
        ("f", "s", BOTH, "python", "f"),
        (None, "s", BOTH, "python", "s"),
        ("", "s", BOTH, "python", "s"),
        (None, None, BOTH, "python", "p"),
        (None, "", BOTH, "python", "p"),
        (None, None, BOTH, "go", "g"),
        (None, None, BOTH, None, "g"),
        (None, None, GENERAL, "python", "g"),
        (None, None, PYTHON, "python", "p"),
        (None, None, PYTHON, "go", "default"),
        (None, None, None, "python", "default"),
        (None, None, None, None, "default"),
    ],
)
def test_the_more_specific_choice_takes_precedence(flag, setting, lasting, language, model):
    assert choose(flag=flag, setting=setting, lasting=lasting, language=language).model == model


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"flag": "x"}, "given on the command line"),
        ({"setting": "x"}, "set in the editor"),
        ({"lasting": PYTHON, "language": "python"}, "chosen for python with `cg2ls models use`"),
        ({"lasting": GENERAL}, "chosen with `cg2ls models use`"),
        ({}, "shipped with cg2ls"),
    ],
)
def test_it_names_the_source_of_the_choice(arguments, reason):
    assert choose(**arguments).reason == reason


def test_choices_are_stored(tmp_path):
    file = tmp_path / "new" / "models.json"
    assert read_lasting(file) == LastingChoices()
    write_lasting(file, BOTH)
    assert read_lasting(file) == BOTH
    assert choose(lasting=read_lasting(file)) == Choice("g", "chosen with `cg2ls models use`")


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"general": 3}', '{"languages": {"python": 1}}', '{"languages": 3}']
)
def test_damaged_file_is_named_with_a_remedy(tmp_path, content):
    file = tmp_path / "models.json"
    file.write_text(content)
    with pytest.raises(ModelFolderError, match=r"models\.json is damaged .*; delete it"):
        read_lasting(file)


def test_a_place_that_cannot_be_written_is_reported_in_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelFolderError, match="cannot be written"):
        write_lasting(tmp_path / "file" / "models.json", LastingChoices(general="mine"))
