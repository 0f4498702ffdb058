"""What a process that runs the code of others may still do: compute, and read the files that Python needs. Linux only.

Limits on memory, descriptors and processes (setrlimit); no file but Python's own (Landlock); no system call but those of a program that computes (seccomp:
no socket, no fork, no exec, no signal to others). Each is set by the process itself before it imports anything foreign, and none can be taken back.
"""

import ctypes
import os
import platform
import resource
import struct
from collections.abc import Iterable
from pathlib import Path

MEMORY = 768 << 20
FILES = 32

LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
PATH_BENEATH = 1
EXECUTE, READ_FILE, READ_DIR = 1, 4, 8
ACCESS = (1 << 13) - 1
"""All rights of Landlock's first version (linux/landlock.h): whatever is handled and not granted is denied."""
ALWAYS_READ = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/dev/urandom")

NO_NEW_PRIVS, SET_SECCOMP, FILTER, PARENT_DEATH = 38, 22, 2, 1
KILL = 9
ALLOW, DENY = 0x7FFF0000, 0x00050001  # SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO with EPERM
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K

ARCHITECTURES = {
    "x86_64": (
        0xC000003E,
        (
            0, 1, 3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 19, 20, 24, 25, 28, 35, 39, 60, 63, 96, 98, 99, 102, 104, 107, 108, 131, 186, 201, 202, 204,
            228, 229, 230, 231, 318, 334,
        ),
        (2, 4, 6, 16, 21, 72, 79, 89, 157, 217, 257, 262, 267, 332, 439),
    ),
    "aarch64": (
        0xC00000B7,
        (
            63, 64, 57, 80, 73, 62, 222, 226, 215, 214, 134, 135, 139, 67, 65, 66, 124, 216, 233, 101, 172, 93, 160, 169, 165, 179, 174, 176, 175, 177, 132,
            178, 98, 123, 113, 114, 115, 94, 278, 293,
        ),
        (56, 79, 48, 61, 78, 17, 25, 29, 167, 291, 439),
    ),
}  # fmt: skip
"""Machine: its audit number, the calls of a program that computes, and those that find and open files, which are for importing only."""


class CageError(RuntimeError):
    """The kernel offers no such cage: code of others is then not run at all."""


def close(readable: Iterable[str]) -> None:
    """Shut this process in, with the folders in `readable` and what Python itself needs to import. CageError when the kernel cannot."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    libc = _libc()
    if libc.prctl(PARENT_DEATH, KILL, 0, 0, 0) or libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0):
        raise CageError("prctl was refused")
    _only_read(libc, [*readable, *ALWAYS_READ])
    _only_calls(libc, files=True)


def close_files() -> None:
    """After the import: no file is opened any more."""
    _only_calls(_libc(), files=False)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _only_read(libc: ctypes.CDLL, paths: Iterable[str]) -> None:
    handled = ctypes.create_string_buffer(struct.pack("Q", ACCESS), 8)
    ruleset = libc.syscall(LANDLOCK_CREATE, handled, ctypes.c_size_t(8), ctypes.c_uint32(0))
    if ruleset < 0:
        raise CageError("this kernel has no Landlock, or it is switched off")
    for path in paths:
        if not Path(path).exists():
            continue
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rights = EXECUTE | READ_FILE | (READ_DIR if Path(path).is_dir() else 0)
        beneath = ctypes.create_string_buffer(struct.pack("=Qi", rights, place), 12)
        libc.syscall(LANDLOCK_ADD, ruleset, PATH_BENEATH, beneath, ctypes.c_uint32(0))
        os.close(place)
    done = libc.syscall(LANDLOCK_RESTRICT, ruleset, ctypes.c_uint32(0))
    os.close(ruleset)
    if done:
        raise CageError("Landlock was refused")


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _only_calls(libc: ctypes.CDLL, *, files: bool) -> None:
    """A list of what is allowed: whatever the kernel learns later is denied."""
    if platform.machine() not in ARCHITECTURES:
        raise CageError(f"no list of system calls for {platform.machine()}")
    audit, computing, opening = ARCHITECTURES[platform.machine()]
    calls = (*computing, *opening) if files else computing
    code = [
        struct.pack("=HBBI", LOAD, 0, 0, 4),
        struct.pack("=HBBI", EQUAL, 1, 0, audit),
        struct.pack("=HBBI", RETURN, 0, 0, DENY),
    ]
    code.append(struct.pack("=HBBI", LOAD, 0, 0, 0))
    code += [struct.pack("=HBBI", EQUAL, len(calls) - n, 0, call) for n, call in enumerate(calls)]
    code += [struct.pack("=HBBI", RETURN, 0, 0, DENY), struct.pack("=HBBI", RETURN, 0, 0, ALLOW)]
    program = _Program(len(code), b"".join(code))
    if libc.prctl(SET_SECCOMP, FILTER, ctypes.byref(program), 0, 0):
        raise CageError("seccomp was refused")
