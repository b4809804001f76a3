"""strace's output is parsed, and a machine that forbids tracing is recognized."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.native_trace import Sights, TracerError, check_tracer, read_lines


def seen(*lines: str) -> Sights:
    return read_lines(lines, Path("/start"))


@pytest.mark.parametrize(
    "line",
    [
        '7 connect(3<TCP:[5]>, {sa_family=AF_INET, sin_port=htons(443)}, 16) = -1 EINPROGRESS (Operation now)',
        '7 sendto(3<UDP:[5]>, "x", 1, 0, NULL, 0) = 1',
        '7 sendto(3<UDPv6:[5]>, "x", 1, 0, NULL, 0) = 1',
        '7 sendmsg(3, {msg_name={sa_family=AF_INET6, sin6_port=htons(53)}, msg_namelen=28}, 0) = 1',
        '7 sendmmsg(3<UDP:[127.0.0.1:1->127.0.0.1:53]>, [{msg_hdr={msg_name=NULL}}], 2, 0) = 2',
        '7 connect(3<UNIX-STREAM:[5]>, {sa_family=AF_UNIX, sun_path="/run/systemd/resolve/io"}, 42) = 0',
        '7 connect(3<UNIX-STREAM:[5]>, {sa_family=AF_UNIX, sun_path=@"/tmp/dbus"}, 42) = 0',
        '7 sendto(3<NETLINK:[ROUTE:9]>, [{nlmsg_len=20}], 20, 0, NULL, 0) = 20',
        '7 connect(3, {sa_family=AF_INET, sin_port=htons(53)}, 16 <unfinished ...>',
    ],
)  # fmt: skip
def test_a_line_of_traffic_is_read(line: str) -> None:
    assert len(seen(line).sent) == 1


def test_lines_that_are_cut_in_two_are_read_once() -> None:
    sights = seen(
        "7  connect(3<TCP:[5]>, {sa_family=AF_INET, sin_port=htons(443)}, 16 <unfinished ...>",
        '8  mkdir("made", 0777 <unfinished ...>',
        "7  <... connect resumed>)            = -1 ECONNREFUSED (Connection refused)",
        "8  <... mkdir resumed>)              = -1 EEXIST (File exists)",
        '8  openat(AT_FDCWD</else>, "a\\"b\\303\\274", O_WRONLY|O_CREAT, 0666 <unfinished ...>',
        "8  <... openat resumed>)             = 3</else/x>",
    )
    assert len(sights.sent) == 1
    assert sights.written == {Path('/else/a"bü')}


def test_what_only_reads_or_fails_writes_nothing() -> None:
    sights = seen(
        '7 openat(AT_FDCWD</a>, "b", O_RDONLY|O_CLOEXEC) = 3</a/b>',
        '7 openat(AT_FDCWD</a>, "c", O_WRONLY|O_CREAT, 0666) = -1 EACCES (Permission denied)',
        '7 mkdir("d", 0777) = -1 EEXIST (File exists)',
    )
    assert sights.written == set()


def test_call_that_hides_others_is_reported() -> None:
    assert seen("7 io_uring_setup(8, {flags=0}) = 3<anon_inode:[io_uring]>").hidden


def test_machine_without_a_tracer_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(TracerError, match="strace is not installed"):
        check_tracer()


def test_machine_that_forbids_tracing_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = tmp_path / "strace"
    refused.write_text(
        "#!/bin/sh\necho 'strace: ptrace(PTRACE_TRACEME, ...): Operation not permitted' >&2\nexit 1\n"
    )
    refused.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TracerError, match="may not trace here; ptrace is restricted"):
        check_tracer()
