"""Filter of system calls for the sandbox, as the kernel's classic BPF: no processes, no sockets, no mounts, no tracing.

A refused call fails with EPERM. On an architecture that is not listed there is no filter; namespaces and limits remain.
"""

from __future__ import annotations

import platform
import struct

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
