"""Print the sockets and files that a program uses, native code and child processes included, as strace sees them.

python tools/native_trace.py cg2ls complete FILE --at 3:5
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

OPENS = {"open", "openat", "openat2", "creat"}
MAKES = {"mkdir", "mkdirat", "mknod", "mknodat", "symlink", "symlinkat"}
CHANGES = {
    *("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "rmdir", "truncate"),
    *("chmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchownat", "utime", "utimes", "utimensat"),
    *("setxattr", "lsetxattr", "removexattr", "lremovexattr"),
}
MOVES = {"chdir", "fchdir"}
SENDS = {"connect", "sendto", "sendmsg", "sendmmsg"}
HIDES = {"io_uring_setup"}
"""Calls after which a program may use anything without a call that strace sees."""

TRACED = ",".join(["%network", *(f"?{call}" for call in sorted(OPENS | MAKES | CHANGES | MOVES | HIDES))])

LINE = re.compile(r"(?P<process>\d+) +(?P<rest>.*)")
CALL = re.compile(r"(?P<name>\w+)\((?P<arguments>.*)")
RESUMED = re.compile(r"<\.\.\. (?P<name>\w+) resumed>(?P<arguments>.*)")
UNFINISHED = " <unfinished ...>"
FAILED = re.compile(r"\)\s+= -1 \w+ \(.*\)$")
QUOTED = r'"(?:[^"\\]|\\.)*"'
PATH = re.compile(rf"(?:(?:AT_FDCWD|\d+)<(?P<folder>(?:[^<>\\]|\\.)*)>, )?(?P<path>{QUOTED})")
WRITES = re.compile(r"\bO_(?:WRONLY|RDWR|CREAT|TRUNC|TMPFILE)\b")
FAMILY = re.compile(r"\bAF_\w+")
SENT_DATA = re.compile(rf"(?<!sun_path=)(?<!sun_path=@){QUOTED}")
"""Sent data may contain anything, such as the name of an address family."""
OUTWARD_SOCKET = re.compile(r"^\d+<(?:TCP|UDP|RAW|ICMP|PING|SCTP|NETLINK|PACKET)\w*:")


class TracerError(Exception):
    """The tracer is missing, or is not allowed to trace."""


@dataclass(frozen=True)
class Sights:
    """Traced calls.

    Attributes:
        sockets: calls that made a socket of another family than AF_UNIX.
        sent: calls that connected or sent to an address, successfully or not, including look-ups of names.
        hidden: calls after which the tracer may miss things.
        written: paths that were written, made, renamed, removed or changed.
    """

    sockets: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    written: set[Path] = field(default_factory=set)


def tracer(log: Path) -> list[str]:
    """Return the words before a command that is to be traced.

    Args:
        log: the file that strace writes.

    Raises:
        TracerError: strace is not installed.
    """
    found = shutil.which("strace")
    if found is None:
        raise TracerError("strace is not installed (on Debian and Ubuntu: apt-get install strace).")
    return [
        found,
        "-f",
        "-qq",
        "-yy",
        "--seccomp-bpf",
        "-e",
        f"trace={TRACED}",
        "-e",
        "signal=none",
        "-o",
        str(log),
    ]


def check_tracer() -> None:
    """Trace a program that does nothing.

    Raises:
        TracerError: strace is not installed, or this machine does not let it trace.
    """
    with tempfile.TemporaryDirectory() as room:
        log = Path(room) / "log"
        tried = subprocess.run([*tracer(log), "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        said = (tried.stderr.strip().splitlines() or ["it printed nothing"])[0]
        raise TracerError(f"strace may not trace here; ptrace is restricted ({said}).")


def read_log(log: Path, folder: Path) -> Sights:
    """Read a log of strace.

    Args:
        log: the log, written by `tracer`'s command.
        folder: the working directory in which the command was started.
    """
    return read_lines(log.read_text("utf-8", errors="surrogateescape").splitlines(), folder)


def read_lines(lines: Iterable[str], folder: Path) -> Sights:
    """Read the lines of a log of strace, as `read_log`."""
    sights = Sights()
    folders: dict[str, Path] = {}
    for process, name, call in _calls(lines):
        arguments = call.partition("(")[2]
        here = folders.get(process, folder)
        if name == "socket":
            if _family(arguments) != "AF_UNIX":
                sights.sockets.append(call)
        elif name in SENDS:
            if _reaches_out(arguments):
                sights.sent.append(call)
        elif name in HIDES:
            sights.hidden.append(call)
        elif FAILED.search(call):
            pass  # the call changed nothing
        elif name == "chdir":
            folders[process] = next(_paths(arguments, here))
        elif name == "fchdir":
            folders[process] = Path(arguments.partition("<")[2].rpartition(">")[0])
        elif name in OPENS:
            if name == "creat" or WRITES.search(arguments):
                sights.written.add(next(_paths(arguments, here)))
        elif name in MAKES | CHANGES:
            found = list(_paths(arguments, here))
            sights.written.update(found[-1:] if name.startswith("symlink") else found)
    return sights


def _calls(lines: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Yield process, name and text of each call; a call logged in two lines is joined if it ended."""
    open_calls: dict[str, tuple[str, str]] = {}
    for line in lines:
        found = LINE.fullmatch(line)
        if found is None:
            continue
        process, rest = found["process"], found["rest"]
        if resumed := RESUMED.fullmatch(rest):
            name, begun = open_calls.pop(process, (resumed["name"], f"{resumed['name']}("))
            yield process, name, begun + resumed["arguments"]
        elif call := CALL.fullmatch(rest):
            if rest.endswith(UNFINISHED):
                open_calls[process] = call["name"], rest.removesuffix(UNFINISHED)
            else:
                yield process, call["name"], rest
    for process, (name, begun) in open_calls.items():
        yield process, name, begun


def _family(arguments: str) -> str | None:
    """Return the address family that a call names."""
    found = FAMILY.search(SENT_DATA.sub("", arguments))
    return found and found[0]


def _reaches_out(arguments: str) -> bool:
    """Tell whether a connect or send goes anywhere but to the other end of a pair of sockets."""
    return _family(arguments) is not None or OUTWARD_SOCKET.match(arguments) is not None


def _paths(arguments: str, here: Path) -> Iterator[Path]:
    """Yield the absolute paths that a call names."""
    for found in PATH.finditer(arguments):
        folder = here if found["folder"] is None else Path(_text(f'"{found["folder"]}"'))
        yield Path(os.path.normpath(folder / _text(found["path"])))


def _text(quoted: str) -> str:
    return os.fsdecode(ast.literal_eval("b" + quoted))


def main(command: Sequence[str]) -> int:
    """Run a command and print what it used; return 1 if it opened an internet socket or sent anything."""
    try:
        check_tracer()
    except TracerError as missing:
        print(f"native_trace: {missing}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as room:
        log = Path(room) / "log"
        subprocess.run([*tracer(log), *command], check=False)
        sights = read_log(log, Path.cwd())
    for title, calls in (("sockets", sights.sockets), ("sent", sights.sent), ("hidden", sights.hidden)):
        print(f"{title}: {len(calls)}", *calls, sep="\n  ")
    written = sorted(str(path) for path in sights.written if "__pycache__" not in path.parts)
    print(f"written, but for Python's bytecode: {len(written)}", *written, sep="\n  ")
    return 1 if sights.sockets or sights.sent or sights.hidden else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
