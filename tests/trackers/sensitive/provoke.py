"""Makes every event of the tracker happen: refused calls, and what a process may do to itself."""

from __future__ import annotations

import platform
import subprocess
import sys
from typing import Any

from eunomia.schema.syscalls import NUMBERS

CALLS = """
import ctypes, os, platform, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
X86 = platform.machine() == "x86_64"
numbers = dict(one.split("=") for one in sys.argv[1].split(","))


def call(name, *arguments):
    wide = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    return libc.syscall(ctypes.c_long(int(numbers[name])), *wide)


"""
"""What programs below begin with: `call("mount", …)` for any system call."""

_EVERY = """
nowhere = b"/no/such/place"
call("mount", b"none", nowhere, b"tmpfs", 0, 0)
call("umount2", nowhere, 0)
call("mount_setattr", -100, nowhere, 0, ctypes.create_string_buffer(32), 32)
call("move_mount", -1, b"", -100, nowhere, 4)
call("open_tree", -100, nowhere, 0)
call("fsopen", b"no-such-type", 0)
call("fsconfig", -1, 0, b"key", 0, 0)
call("fsmount", -1, 0, 0)
call("pivot_root", nowhere, nowhere)
call("chroot", nowhere)
call("setns", -1, 0)
call("unshare", 0x04000000)
call("clone", 0x04000000 | 0x00000800, 0, 0, 0, 0)  # CLONE_SIGHAND without CLONE_VM is refused
call("ptrace", 16, 0x7fffffff, 0, 0)
call("process_vm_readv", 0x7fffffff, 0, 0, 0, 0, 0)
call("process_vm_writev", 0x7fffffff, 0, 0, 0, 0, 0)
call("bpf", 5, ctypes.create_string_buffer(64), 64)
call("perf_event_open", 0, 0, -1, -1, 0)
call("userfaultfd", -1)
call("io_uring_setup", 0, 0)
call("init_module", 0, 0, 0)
call("finit_module", -1, b"", 0)
call("delete_module", b"no_such_module", 0o4000)
call("kexec_load", 0, 0, 0, -1)
call("kexec_file_load", -1, -1, 0, 0, -1)
call("reboot", 0, 0, 0, 0)  # no magic number
call("swapon", nowhere, 0)
call("settimeofday", 1, 0)
call("clock_settime", 0, 0)
call("sethostname", b"", -1)
call("personality", 0)
call("quotactl", 0, nowhere, 0, 0)
call("acct", nowhere)
call("keyctl", 12345, 0, 0, 0, 0)
call("add_key", b"no-such-type", b"name", 0, 0, 0)
call("request_key", b"no-such-type", b"name", 0, 0)
call("memfd_create", b"name", 1)
call("open_by_handle_at", -1, 0, 0)
call("pidfd_getfd", -1, 0, 0)
call("ioctl", -1, 0x5412, 0)
call("socket", 17, 99, 0)
call("bind", -1, 0, 0)
call("listen", -1, 0)
call("mprotect", 1, 1, 4)
one = socket.socket()
os.dup2(one.fileno(), 0)
if X86:
    call("iopl", 9)
    call("ioperm", -1, 1, 1)
"""


def run_calls(program: str, *arguments: str, **options: Any) -> int:
    """Runs a program that begins with `CALLS` to its end; gives its process id. Its arguments begin at `argv[2]`."""
    machine = platform.machine()
    numbers = ",".join(f"{name}={known[machine]}" for name, known in NUMBERS.items() if machine in known)
    command = [sys.executable, "-I", "-S", "-c", CALLS + program, numbers, *arguments]
    child = subprocess.Popen(command, **options)
    assert child.wait(20) == 0
    return child.pid


def provoke() -> None:
    """One of each kind."""
    run_calls(_EVERY)
