"""Ways of communicating that Python has no module for, for programs that tests run: `python -c PRELUDE + …`."""

from __future__ import annotations

import subprocess
import sys
from typing import IO

PRELUDE = '''
import ctypes, errno, mmap, os, signal, socket, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(1, signal.SIGKILL)  # ends with the tests
libc.shmat.restype = ctypes.c_void_p
libc.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
libc.shmdt.argtypes = [ctypes.c_void_p]
CREATE, NOWAIT, REMOVE, PRIVATE = 0o1000, 0o4000, 0, 0

def semop(id, change, flags=0):
    return libc.semop(id, struct.pack("=Hhh", 0, change, flags), 1)

def msgsnd(id, text, kind=1, flags=0):
    return libc.msgsnd(id, struct.pack("l", kind) + text, len(text), flags)

def msgrcv(id, size=8192, flags=0):
    return libc.msgrcv(id, ctypes.create_string_buffer(size + 8), size, 0, flags)

class Attributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("flags", "most", "size", "now", *"abcd")]

librt = ctypes.CDLL("librt.so.1", use_errno=True)

def mq_open(name, flags, most=10, size=64):
    return librt.mq_open(name.encode(), flags, 0o600, ctypes.byref(Attributes(0, most, size)))

def mq_send(queue, text):
    return librt.mq_send(queue, text, len(text), 0)

def mq_receive(queue, size=64):
    return librt.mq_receive(queue, ctypes.create_string_buffer(size), size, None)

def int80():
    """Calls by the 32-bit entry, from a 64-bit program: give it the number and up to five arguments."""
    code = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    # push rbx; eax=edi; ebx=esi; r10d=edx; edx=ecx; ecx=r10d; esi=r8d; edi=r9d; int 0x80; pop rbx; ret
    code.write(bytes.fromhex("5389f889f34189d289ca4489d14489c64489cfcd805bc3"))
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    call = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_uint] * 6)(address)
    call.memory = code
    return lambda number, *arguments: call(number, *(list(arguments) + [0] * 5)[:5])

def low(size=4096):
    """Memory that 32-bit pointers reach: its address."""
    libc.mmap.restype = ctypes.c_void_p
    return libc.mmap(None, size, 3, 0x62, -1, 0)

def say(*words):
    print(*words, flush=True)

def hear():
    return sys.stdin.readline().split()
'''


class Program(subprocess.Popen[str]):
    """A Python process that is talked to by lines; it ends when it is told to go on for the last time."""

    def __init__(self, text: str) -> None:
        super().__init__(
            [sys.executable, "-I", "-S", "-c", PRELUDE + text],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def hear(self) -> list[str]:
        """What it says next."""
        return _open(self.stdout).readline().split()

    def say(self, *words: object) -> None:
        """Tells it something."""
        print(*words, file=_open(self.stdin), flush=True)

    def end(self) -> None:
        """Waits until it has ended without an error."""
        _open(self.stdin).close()
        assert self.wait(20) == 0
        _open(self.stdout).close()


def _open(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


def run(text: str) -> int:
    """Runs a program to its end; gives its process id."""
    program = Program(text)
    program.end()
    return program.pid
