"""A process that does what it is told when it is told: its pid is known before its first call that counts."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

HAS_INT80 = platform.machine() == "x86_64"

_PRELUDE = """
import ctypes, mmap, os, signal, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
fork = libc.fork  # os.fork() asks for more than a fork

def refused(path):
    try:
        os.open(path, os.O_RDONLY)
    except OSError:
        pass

def int80(number):
    '''A call by the 32-bit entry: mov number to eax, int 0x80, ret.'''
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\\xb8" + number.to_bytes(4, "little") + b"\\xcd\\x80\\xc3")
    return ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(code))), code

print("ready", flush=True)
sys.stdin.readline()
"""


@contextmanager
def worker(program: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process that has all it needs and waits before `program`; `go` lets it. It is gone at the end."""
    command = [sys.executable, "-I", "-S", "-c", _PRELUDE + program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def go(process: subprocess.Popen[str]) -> None:
    """Lets it work, and waits until it has ended well."""
    process.communicate("go\n")
    assert process.returncode == 0
