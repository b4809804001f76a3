import os
import subprocess
import sys

import pytest

from cg2ls import __version__
from cg2ls.cli.main import COMMANDS, main, normalize_arguments


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ([], ["serve"]),
        (["--stdio"], ["serve"]),
        (["--model", "m", "--stdio"], ["serve", "--model", "m"]),
        (["serve", "--log-file", "f", "--stdio"], ["serve", "--log-file", "f"]),
        (["--stdio", "serve"], ["serve"]),
        (["complete", "f"], ["complete", "f"]),
        (["models", "--stdio"], ["models", "--stdio"]),
        (["--stdio", "--http"], ["serve", "--stdio", "--http"]),
        (["serve", "--http=0", "--stdio"], ["serve", "--http=0", "--stdio"]),
        (["--help"], ["--help"]),
        (["--bogus"], ["serve", "--bogus"]),
    ],
)
def test_without_a_command_it_serves(given, meant):
    assert normalize_arguments(given) == meant


@pytest.mark.parametrize(
    "arguments", [["--bogus"], ["nonsense"], ["complete"], ["complete", "f", "--at", "1:1", "--x"]]
)
def test_wrong_arguments_give_one_line_and_status_2(capsys, arguments):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["dcotor"], "did you mean doctor?"),
        (["models", "ls"], "did you mean list?"),
        (["doctor", "--langauge", "go"], "did you mean --language?"),
        (["--modle=x"], "did you mean --model?"),
        (["memory", "status", "src"], "unrecognized arguments: src; see cg2ls memory status --help"),
        (["models", "list", "--jsno"], "did you mean --json?; see cg2ls models list --help"),
        (
            ["bench", "--frobnicate"],
            "cg2ls bench: unrecognized arguments: --frobnicate; see cg2ls bench --help",
        ),
        (["completion", "fsh"], "choose from"),
    ],
)
def test_probable_name_is_suggested(capsys, arguments, said):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert said in capsys.readouterr().err


def test_no_name_is_suggested_without_a_similar_one(capsys):
    with pytest.raises(SystemExit):
        main(["xyzzy"])
    assert "did you mean" not in capsys.readouterr().err


@pytest.mark.parametrize("group", ["models", "memory"])
def test_a_group_without_a_command_prints_its_help(capsys, group):
    assert main([group]) == 0
    assert capsys.readouterr().out.startswith(f"usage: cg2ls {group}")


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_shell_completion_has_commands_and_flags(capsys, shell):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(word in script for word in (*COMMANDS, "no-token", "verify"))


def test_help_has_no_colour_where_it_is_unwanted():
    environment = os.environ | {"NO_COLOR": "1", "FORCE_COLOR": ""}
    for arguments in (["--help"], ["doctor", "--help"], ["nonsense"]):
        done = subprocess.run(
            [sys.executable, "-m", "cg2ls", *arguments], capture_output=True, env=environment, check=False
        )
        assert b"\x1b" not in done.stdout + done.stderr


def test_version(capsys):
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"cg2ls {__version__}\n"


def test_help_names_the_commands_and_loads_no_runtime():
    code = (
        "import sys; from cg2ls.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(*sorted({'onnxruntime', 'tokenizers', 'pygls', 'numpy'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(name in done.stdout for name in ("serve", "complete", "models", "doctor"))
    assert done.stderr.strip() == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_own_help(command, capsys):
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: cg2ls {command}")


def test_an_error_of_the_system_is_reported_in_one_line(monkeypatch, capsys):
    def refused():
        raise PermissionError(13, "Permission denied", "/a/file")

    monkeypatch.setattr("cg2ls.cli.models.ModelStore", refused)
    assert main(["models", "list"]) == 1
    assert capsys.readouterr().err == "cg2ls: /a/file: Permission denied.\n"


def test_closed_output_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "cg2ls", "--help"], stdout=closed, stderr=subprocess.PIPE, text=True
        )
    assert done.stderr == ""
