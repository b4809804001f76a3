"""Nothing leaves the machine, and nothing is written but what is ours: native code under a tracer of system calls.

Python's audit hooks do not see what libraries do in C++; strace does. docs/user/privacy.md has the promises.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from cg2_quantize.checkpoint.synthetic import write_random_checkpoint
from cg2ls.evaluation.lsp_client import LspClient
from cg2ls.models.codegen2 import CodeGenConfig
from cg2ls.privacy import VARIABLES
from tools.native_trace import Sights, TracerError, check_tracer, read_log, tracer

ROOT = Path(__file__).parents[1]

OWN_FOLDERS = (".cache/cg2ls", ".config/cg2ls", ".local/share/cg2ls", ".local/state/cg2ls")
"""Folders of a user's home that we write in; docs/user/privacy.md names them."""

DEVICES = {Path("/dev/null"), Path("/dev/tty")}

SHARED_MEMORY = Path("/dev/shm")
"""Folder of shared memory: locks of Python's multiprocessing, batches of PyTorch's loaders; gone afterwards."""

SHAPE = CodeGenConfig(
    n_layer=1, n_embd=32, n_head=2, rotary_dim=16, n_positions=128, vocab_size=512, n_inner=64, qkv_groups=2
)
RECIPE = """
name = "toy"
[model]
n_layer = 1
n_embd = 32
n_head = 4
rotary_dim = 8
context_length = 64
vocab_size = 384
n_masks = 20
[optimizer]
warmup_steps = 1
[run]
loaders = 1
steps = 2
rows_per_step = 2
evaluate_every = 2
evaluate_rows = 2
save_every = 2
compile = false
"""
CODE = "def area(width, height):\n    return width * height\n\n\nprint(area(2, 3))\n"


class Home:
    """A user without any files, and a folder in which programs run under the tracer.

    The user's own settings enable telemetry, which must have no effect.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home, self.temporary, self.work = folder / "home", folder / "tmp", folder / "work"
        for made in (self.home, self.temporary, self.work):
            made.mkdir()
        self.log = folder / "log"
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("XDG_", "CG2LS_", "MPL", "FONTCONFIG_", "ORT_", "HF_"))
        }
        self.environment = kept | {
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "ORT_DISABLE_TELEMETRY": "0",
            "HF_HUB_DISABLE_TELEMETRY": "0",
            "HF_XET_TELEMETRY_ENABLED": "1",
        }

    def run(self, *words: object) -> Sights:
        """Runs a Python of this environment with these arguments."""
        command = [*tracer(self.log), sys.executable, *map(str, words)]
        ran = subprocess.run(
            command, cwd=self.work, env=self.environment, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
        return read_log(self.log, self.work)

    def strangers(self, sights: Sights) -> list[str]:
        """Calls that connected or sent to anything but our own processes, whose sockets are in the temporary folder."""
        return [call for call in sights.sent if f'sun_path="{self.temporary}/' not in call]

    def outside(self, sights: Sights) -> set[Path]:
        """Files written outside of our folders, the output folder and the temporary folder.

        Python's own bytecode next to the imported modules is left out, and so is removed shared memory.
        """
        ours = [self.work, self.temporary, *(self.home / name for name in OWN_FOLDERS)]
        above = {
            parent for folder in ours for parent in folder.parents if self.home in (parent, *parent.parents)
        }
        return {
            path
            for path in sights.written - DEVICES - above
            if not any(path.is_relative_to(folder) for folder in ours)
            and "__pycache__" not in path.parts
            and not (path.parent == SHARED_MEMORY and not path.exists())
        }


@pytest.fixture
def home() -> Iterator[Home]:
    """Only a contributor's own pytest may do without the tracer."""
    try:
        check_tracer()
    except TracerError as missing:
        if os.environ.get("CI") or os.environ.get("CG2LS_INSTALL_SYSTEM"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    with tempfile.TemporaryDirectory(prefix="cg2-", ignore_cleanup_errors=True) as room:
        yield Home(Path(room).resolve())  # a short path: a local socket's has at most 108 bytes


def assert_nothing_left(home: Home, sights: Sights) -> None:
    assert home.strangers(sights) == []
    assert sights.sockets == []
    assert sights.hidden == []
    assert home.outside(sights) == set()
    assert list(home.temporary.iterdir()) == []


def test_a_session_of_the_server_stays_on_the_machine(home: Home) -> None:
    (home.work / "shapes.py").write_text(CODE)
    uri = (home.work / "main.py").as_uri()
    command = [*tracer(home.log), sys.executable, "-m", "cg2ls"]
    with LspClient(command, env=home.environment) as client:
        client.initialize(workspaceFolders=[{"uri": home.work.as_uri(), "name": "work"}])
        client.open(uri, CODE + "\n\ndef volume(width, height, depth):\n    return ")
        client.wait_for("window/logMessage", "is ready")
        client.wait_for("window/logMessage", "Memory of")
        assert client.inline(uri, 8, len("    return "), trigger=1)["items"]
        client.request("workspace/executeCommand", {"command": "cg2ls.server.stats"})
        assert client.leave() == 0
        client.process.wait(60)
    sights = read_log(home.log, ROOT)
    assert any(home.home / ".cache/cg2ls" in path.parents for path in sights.written), "memory was built"
    assert_nothing_left(home, sights)


def test_a_session_over_http_stays_on_the_loopback(home: Home) -> None:
    (home.work / "shapes.py").write_text(CODE)
    command = [*tracer(home.log), sys.executable, "-m", "cg2ls", "serve", "--http", "0", "--root", "."]
    with subprocess.Popen(
        command, cwd=home.work, env=home.environment, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr
        said = server.stderr.readline()
        while "Memory of" not in said:
            said += server.stderr.readline()
        port = int(re.search(r"127\.0\.0\.1:(\d+)", said)[1])  # type: ignore[index]
        token = Path(re.search(r"token is in (.*)\.\n", said)[1]).read_text().strip()  # type: ignore[index]
        asked = {"prompt": CODE + "\n\ndef volume(width, height, depth):\n    return "}
        request = Request(
            f"http://127.0.0.1:{port}/v1/completions",
            json.dumps(asked).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
        )
        with urlopen(request) as answer:
            assert json.load(answer)["object"] == "text_completion"
        os.kill(child_of(server.pid), signal.SIGTERM)
        assert server.wait(60) == 0
    sights = read_log(home.log, home.work)
    assert len(sights.sockets) == 1, "the listener"
    assert "AF_INET," in sights.sockets[0]
    bound = [line for line in home.log.read_text().splitlines() if " bind(" in line and "AF_INET" in line]
    assert len(bound) == 1
    assert 'sin_port=htons(0), sin_addr=inet_addr("127.0.0.1")' in bound[0]
    answered = f"<TCP:[127.0.0.1:{port}->127.0.0.1:"
    assert [call for call in home.strangers(sights) if answered not in call] == []
    assert sights.hidden == []
    assert home.outside(sights) == set()
    assert list(home.temporary.iterdir()) == []


def child_of(process: int) -> int:
    """Return the process that a tracer runs."""
    return int(Path(f"/proc/{process}/task/{process}/children").read_text().split()[0])


COMMANDS = {
    "complete": ("complete", "main.py", "--at", "2:12"),
    "doctor": ("doctor",),
    "replay": ("replay", "main.py", "--keys", 20, "--positions", 2, "--passages", 1),
    "memory": ("memory", "build", "--root", "."),
    "stats": ("stats",),
    "models": ("models", "list"),
}


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_a_command_stays_on_the_machine(home: Home, arguments: tuple[object, ...]) -> None:
    functions = (CODE.replace("area", f"area_{number}") for number in range(4))
    (home.work / "main.py").write_text("".join(functions))
    assert_nothing_left(home, home.run("-m", "cg2ls", *arguments))


def test_a_conversion_stays_on_the_machine(home: Home) -> None:
    write_random_checkpoint(home.work / "checkpoint", SHAPE)
    code = "import sys; from cg2_quantize.cli import main; sys.exit(main(sys.argv[1:]))"
    sights = home.run("-c", code, "checkpoint", "-o", "model", "--format", "int8")
    assert home.work / "model" in sights.written
    assert_nothing_left(home, sights)


def test_a_pretraining_stays_on_the_machine(home: Home) -> None:
    text = "".join(
        path.read_text("utf-8") for path in sorted((ROOT / "cg2ls" / "models" / "codegen2").glob("*.py"))
    )
    (home.work / "text.jsonl").write_text(json.dumps({"text": text}) + "\n")
    (home.work / "recipe.toml").write_text(RECIPE)
    steps = """
        from cg2_training.cli.main import main

        assert main("tokenizer text.jsonl -o tokenizer.json --vocab-size 384 --masks 20".split()) == 0
        assert main("tokenize text.jsonl --tokenizer tokenizer.json -o shard".split()) == 0
        assert main("pretrain recipe.toml --train shard --heldout shard --run run".split()) == 0
    """
    sights = home.run("-c", textwrap.dedent(steps))
    assert home.work / "run" / "loss.png" in sights.written
    assert_nothing_left(home, sights)


IN_A_THREAD = """
import socket
from threading import Thread
Thread(target=lambda: socket.socket(socket.AF_INET).connect_ex(("127.0.0.1", 9))).start()
"""
LEAKS = {
    "a packet": (
        "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'AF_UNIX', ('127.0.0.1', 9))",
        lambda sights: "AF_INET" in sights.sent[0] and "AF_INET" in sights.sockets[0],
    ),
    "a refused connection": (
        "import socket; socket.socket(socket.AF_INET).connect_ex(('127.0.0.1', 9))",
        lambda sights: "ECONNREFUSED" in sights.sent[0],
    ),
    "a connected packet": (
        "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.connect(('127.0.0.1', 9)); s.send(b'x')",
        lambda sights: len(sights.sent) == 2,
    ),
    "a look-up by another program": (
        "import socket; socket.socket(socket.AF_UNIX).connect_ex('/nowhere/nscd')",
        lambda sights: "/nowhere/nscd" in sights.sent[0] and not sights.sockets,
    ),
    "a thread of a child": (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {IN_A_THREAD!r}])",
        lambda sights: len(sights.sent) == 1,
    ),
}


@pytest.mark.parametrize(("code", "caught"), LEAKS.values(), ids=LEAKS)
def test_traffic_would_be_noticed(home: Home, code: str, caught: Callable[[Sights], bool]) -> None:
    assert caught(home.run("-c", code))


def test_files_in_other_places_would_be_noticed(home: Home) -> None:
    code = """
        import os, subprocess, sys
        from pathlib import Path
        home = Path.home()
        (home / ".cache" / "Microsoft").mkdir(parents=True)
        (home / "report.txt").write_text("")
        os.rename(home / "report.txt", home / "renamed.txt")
        (home / ".cache" / "cg2ls").mkdir()
        (home / ".cache" / "cg2ls" / "index").write_text("")
        subprocess.run([sys.executable, "-c", "open('by a child', 'w')"], cwd=home)
        os.link(home / "renamed.txt", home / "linked.txt")
        os.open("relative.txt", os.O_CREAT, dir_fd=os.open(home, os.O_RDONLY))
        os.chdir(home)
        os.mkdir("made")
        os.symlink("/etc/passwd", "symbolic")
        (home / "renamed.txt").unlink()
    """
    found = home.outside(home.run("-c", textwrap.dedent(code)))
    names = {str(path.relative_to(home.home)) for path in found}
    assert names == {
        *(".cache/Microsoft", "report.txt", "renamed.txt", "by a child", "linked.txt", "relative.txt"),
        *("made", "symbolic"),
    }


def test_a_pair_of_sockets_inside_a_program_is_no_traffic(home: Home) -> None:
    sights = home.run("-c", "import socket; one, other = socket.socketpair(); one.sendall(b'AF_INET')")
    assert (sights.sent, sights.sockets) == ([], [])


PAGE = (ROOT / "docs" / "user" / "privacy.md").read_text("utf-8")


@pytest.mark.parametrize("test", sorted(set(re.findall(r"tests/[\w/]+\.py::test_\w+", PAGE))))
def test_the_page_names_tests_that_are_there(test: str) -> None:
    path, name = test.split("::")
    assert re.search(rf"^def {name}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE)


def test_the_page_names_our_folders_and_every_variable() -> None:
    assert [f"~/{folder}" for folder in OWN_FOLDERS if f"`~/{folder}`" not in PAGE] == []
    assert [name for name, value in VARIABLES.items() if f"`{name}={value}`" not in PAGE] == []
