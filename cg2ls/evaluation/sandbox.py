"""Sandbox for programs that a model wrote: no network, no file of the user, no other process.

Bubblewrap gives own user, mount, process, network, IPC and host name namespaces. The interpreter's folders are
read-only, and only a small file system in memory can be written. `/proc`, `/etc` and the user's files are missing. A
filter, as the kernel's classic BPF, refuses system calls that programs of benchmarks do not need: no processes, no
sockets, no mounts, no tracing. A refused call fails with EPERM. On an architecture that is not listed there is no
filter; namespaces and limits remain. Kernel limits apply to time, memory and files.
"""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import selectors
import shutil
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import IO

from cg2ls.errors import EvaluationError

SCRATCH_BYTES = 16 << 20
"""Size of the only file system that can be written."""

SYSTEM_FOLDERS = ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/sbin")
"""Folders of the interpreter and its libraries."""

BOOT = """\
import os, resource, sys
for name, limit in zip(("CPU", "AS", "FSIZE", "NPROC", "NOFILE", "CORE", "MEMLOCK"), map(int, sys.argv[1:])):
    kind = getattr(resource, "RLIMIT_" + name)
    hard = resource.getrlimit(kind)[1]
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(kind, (limit, limit))
token, _, source = sys.stdin.buffer.read().partition(b"\\n")
out = os.dup(1)
null = os.open("/dev/null", os.O_RDWR)
for stream in (0, 1, 2):
    os.dup2(null, stream)
try:
    exec(compile(source, "program", "exec"), {"__name__": "__main__"})
except BaseException:
    os._exit(1)
os.write(out, token)
os._exit(0)
"""
"""The first program of the sandbox. The token shows that the program ran to its end; an exit status alone would not."""


@dataclass(frozen=True, kw_only=True)
class ProgramLimits:
    """Limits of one program.

    Attributes:
        seconds: wall time; processor time is as much, rounded up.
        memory_bytes: address space.
    """

    seconds: float = 5.0
    memory_bytes: int = 1 << 30


@dataclass(frozen=True)
class ProgramSandbox:
    """Runs programs with bubblewrap.

    Attributes:
        bwrap: path of bubblewrap.
        limits: limits of each program.
    """

    bwrap: str
    limits: ProgramLimits = field(default_factory=ProgramLimits)

    def passes(self, program: str) -> bool:
        """Run a Python program; return whether it reached its end within the limits.

        Args:
            program: source that raises an exception if a test fails.

        Raises:
            EvaluationError: bubblewrap cannot be started.
        """
        token = secrets.token_hex(16).encode()
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as rules:
            given.write(token + b"\n" + program.encode("utf-8", "replace"))
            given.seek(0)
            code = make_filter()
            rules.write(code)
            rules.seek(0)
            command = self._command(rules.fileno() if code else None)
            try:
                process = subprocess.Popen(
                    command,
                    stdin=given,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env={},
                    pass_fds=(rules.fileno(),),
                )
            except OSError as error:
                raise EvaluationError(
                    f"{self.bwrap} cannot be started ({error.strerror}); leave out --execute."
                ) from None
            with process:
                assert process.stdout is not None
                try:
                    return self._read(process.stdout, len(token)) == token
                finally:
                    process.kill()  # ends every process of the namespace

    def _read(self, stream: IO[bytes], most: int) -> bytes:
        """Read until the stream ends, has too much, or time is over."""
        deadline, data = monotonic() + self.limits.seconds, b""
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while len(data) <= most and selector.select(max(0.0, deadline - monotonic())):
                part = os.read(stream.fileno(), most + 1)
                if not part:
                    break
                data += part
        return data

    def _command(self, rules: int | None) -> list[str]:
        python = Path(sys.executable).resolve()
        base = Path(sys.base_prefix).resolve()
        folders = [*SYSTEM_FOLDERS, *(() if base.is_relative_to("/usr") else (str(base),))]
        limits = self.limits
        seconds = max(1, round(limits.seconds + 0.5))
        numbers = (seconds, limits.memory_bytes, SCRATCH_BYTES, 1, 64, 0, 0)
        return [
            *(self.bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"),
            *("--cap-drop", "ALL", "--uid", "65534", "--gid", "65534", "--hostname", "sandbox"),
            *(part for folder in folders for part in ("--ro-bind-try", folder, folder)),
            *("--dev", "/dev", "--remount-ro", "/dev"),
            *("--size", str(SCRATCH_BYTES), "--tmpfs", "/tmp", "--chdir", "/tmp"),  # noqa: S108 - the sandbox's own
            *("--remount-ro", "/"),
            *(("--seccomp", str(rules)) if rules is not None else ()),
            *("--", str(python), "-I", "-S", "-B", "-c", BOOT, *map(str, numbers)),
        ]


def open_sandbox(limits: ProgramLimits | None = None) -> ProgramSandbox:
    """Return a sandbox that works on this machine.

    Raises:
        EvaluationError: there is none; the message has the reason.
    """
    bwrap = shutil.which("bwrap") if sys.platform == "linux" else None
    if bwrap is None:
        raise EvaluationError(
            "Programs are executed only inside bubblewrap, which is not installed;"
            " install the package bubblewrap, or leave out --execute."
        )
    sandbox = ProgramSandbox(bwrap, limits or ProgramLimits())
    if not ProgramSandbox(bwrap, ProgramLimits(seconds=20)).passes("pass"):
        reason = _find_reason(bwrap)
        raise EvaluationError(
            f"Bubblewrap cannot confine a program on this system ({reason}); leave out --execute."
        )
    return sandbox


def _find_reason(bwrap: str) -> str:
    """Return the first line that bubblewrap prints for an empty program."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            [bwrap, "--unshare-all", "--ro-bind", "/", "/", "true"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        if done.returncode:
            return next(iter(done.stderr.strip().splitlines()), f"status {done.returncode}")
    return "it did not run the interpreter"


_LOAD_WORD, _JUMP_IF_EQUAL, _JUMP_IF_GREATER_OR_EQUAL, _RETURN = 0x20, 0x15, 0x35, 0x06
"""Opcodes of linux/bpf_common.h."""

_ALLOW, _KILL_PROCESS, _EPERM = 0x7FFF0000, 0x80000000, 0x00050001
"""Actions of linux/seccomp.h."""

_NUMBER_OFFSET, _ARCH_OFFSET = 0, 4
"""Offsets in `struct seccomp_data`."""

_X32_BIT = 0x40000000
"""Calls of the x32 interface have other numbers, so all of them are refused."""

X86_64, AARCH64 = 0xC000003E, 0xC00000B7

REFUSED: dict[str, tuple[int, int]] = {
    "clone": (56, 220),
    "fork": (57, -1),
    "vfork": (58, -1),
    "clone3": (435, 435),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_open": (434, 434),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "personality": (135, 92),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "syslog": (103, 116),
}
"""Numbers of refused calls on x86-64 and on 64-bit ARM; -1 where a call does not exist."""


def make_filter(machine: str = "") -> bytes:
    """Return the filter as an array of `struct sock_filter`; empty for an unknown architecture.

    Args:
        machine: a value of `platform.machine()`; "" for this machine.
    """
    column, arch = {"x86_64": (0, X86_64), "aarch64": (1, AARCH64)}.get(machine or platform.machine(), (0, 0))
    if not arch:
        return b""
    numbers = [found[column] for found in REFUSED.values() if found[column] >= 0]
    code = [
        _pack(_LOAD_WORD, 0, 0, _ARCH_OFFSET),
        _pack(_JUMP_IF_EQUAL, 1, 0, arch),
        _pack(_RETURN, 0, 0, _KILL_PROCESS),
        _pack(_LOAD_WORD, 0, 0, _NUMBER_OFFSET),
        _pack(_JUMP_IF_GREATER_OR_EQUAL, len(numbers) + 1, 0, _X32_BIT),
    ]
    for place, number in enumerate(numbers):
        code.append(_pack(_JUMP_IF_EQUAL, len(numbers) - place, 0, number))
    return b"".join([*code, _pack(_RETURN, 0, 0, _ALLOW), _pack(_RETURN, 0, 0, _EPERM)])


def _pack(opcode: int, if_true: int, if_false: int, value: int) -> bytes:
    return struct.pack("=HBBI", opcode, if_true, if_false, value)
