"""Hostile programs have no access; if the system has no sandbox, one sentence reports it."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from cg2ls.errors import EvaluationError
from cg2ls.evaluation import sandbox as module
from cg2ls.evaluation.sandbox import REFUSED, ProgramLimits, ProgramSandbox, make_filter, open_sandbox


@pytest.fixture(scope="module")
def sandbox() -> ProgramSandbox:
    try:
        return open_sandbox(ProgramLimits(seconds=20, memory_bytes=512 << 20))
    except EvaluationError as error:
        if os.environ.get("CG2LS_INSTALL_SYSTEM") == "1" and "not installed" in str(error):
            raise
        pytest.skip(str(error))


SUCCEEDS = {
    "arithmetic": "import math, collections, typing, re\nassert math.sqrt(4) == 2",
    "a scratch file": "open('/tmp/x', 'w').write('a')\nassert open('/tmp/x').read() == 'a'",
    "output": "print('x' * 10_000_000)",
}
FAILS = {
    "a failed test": "assert 1 == 2",
    "a syntax error": "def",
    "an early exit": "import sys\nsys.exit(0)",
    "an exit without cleaning up": "import os\nos._exit(0)",
    "a killed self": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "output that looks like success": "import os\nfor n in range(3, 20):\n    try: os.write(n, b'x' * 100)\n"
    "    except OSError: pass\nos._exit(0)",
}
HARMLESS = {
    "a socket": "import socket\nsocket.socket()",
    "a local socket": "import socket\nsocket.socketpair()",
    "a process": "import os\nos.fork()",
    "a thread": "import threading\nthreading.Thread(target=print).start()",
    "another program": "import subprocess\nsubprocess.run(['/bin/true'], check=True)",
    "much memory": "bytes(1 << 30)",
    "a large file": "open('/tmp/x', 'wb').write(bytes(40 << 20))",
    "many files": "for n in range(99):\n    open(f'/tmp/{n}', 'wb').write(bytes(1 << 20))",
    "the accounts": "open('/etc/passwd').read()",
    "processes of the system": "import os\nos.listdir('/proc')",
    "a write to the system": "open('/usr/x', 'w')",
    "a write to the root": "open('/x', 'w')",
    "a write to shared memory": "open('/dev/shm/x', 'w')",
    "a link out": "import os\nos.symlink('/etc/passwd', '/tmp/l')\nopen('/tmp/l').read()",
    "a mount": "import ctypes\nlibc = ctypes.CDLL(None)\nassert libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0",
    "tracing": "import ctypes\nassert ctypes.CDLL(None).ptrace(0, 0, 0, 0) == 0",
    "a namespace": "import ctypes\nassert ctypes.CDLL(None).unshare(0x10000000) == 0",
}


@pytest.mark.parametrize("name", SUCCEEDS)
def test_an_honest_program_passes(name: str, sandbox: ProgramSandbox) -> None:
    assert sandbox.passes(SUCCEEDS[name])


@pytest.mark.parametrize("name", FAILS)
def test_only_a_program_that_reaches_its_end_passes(name: str, sandbox: ProgramSandbox) -> None:
    assert not sandbox.passes(FAILS[name])


@pytest.mark.parametrize("name", HARMLESS)
def test_a_hostile_program_has_no_access(name: str, sandbox: ProgramSandbox) -> None:
    assert not sandbox.passes(HARMLESS[name])
    assert sandbox.passes("pass"), "the next program runs as before"


def test_an_endless_program_is_ended_with_its_processes(sandbox: ProgramSandbox) -> None:
    short = ProgramSandbox(sandbox.bwrap, ProgramLimits(seconds=1))
    assert not short.passes("while True: pass")
    assert not short.passes("import time\ntime.sleep(600)")
    assert not short.passes("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass")
    left = subprocess.run(
        ["pgrep", "-P", str(os.getpid()), "bwrap"], capture_output=True, text=True, check=False
    )
    assert left.stdout == ""


def test_signals_do_not_reach_the_parent(sandbox: ProgramSandbox) -> None:
    kills = "import os\nfor process in (os.getppid(), 1, -1, {own}):\n    try: os.kill(process, 15)\n"
    kills = kills.format(own=os.getpid()) + "    except OSError: pass\n"
    sandbox.passes(kills)
    assert sandbox.passes("pass"), "this process was not ended"


def test_a_listener_on_this_machine_receives_nothing(sandbox: ProgramSandbox) -> None:
    heard: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(1.0)

        def listen() -> None:
            try:
                heard.append(server.accept())
            except TimeoutError:
                return

        thread = threading.Thread(target=listen)
        thread.start()
        port = server.getsockname()[1]
        assert not sandbox.passes(f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)")
        thread.join()
    assert heard == []


def test_files_of_the_user_are_not_visible(sandbox: ProgramSandbox, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    assert not sandbox.passes(f"open({str(secret)!r}).read()")
    assert not sandbox.passes(f"open({str(secret)!r}, 'w').write('changed')")
    assert secret.read_text() == "secret"
    assert sandbox.passes("import os\nassert not {k for k in os.environ if k not in ('PWD', 'LC_CTYPE')}")


def test_without_bubblewrap_execution_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    with pytest.raises(EvaluationError, match="bubblewrap, which is not installed"):
        open_sandbox()


def test_a_bubblewrap_that_may_not_confine_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(module.shutil, "which", lambda name: str(broken))
    with pytest.raises(EvaluationError, match=r"No permissions to create new namespace.*leave out --execute"):
        open_sandbox()


def test_the_filter_exists_where_the_numbers_are_known() -> None:
    for machine in ("x86_64", "aarch64"):
        assert len(make_filter(machine)) % 8 == 0
        assert len(make_filter(machine)) // 8 >= len(REFUSED)
    assert make_filter("riscv64") == b""
