"""Programs that talk TCP in a network namespace of their own, and tell what they did."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PRELUDE = """
import json, os, socket, struct, sys, threading, time
LOOPBACK = "127.0.0.1"
def tell(**facts): print(json.dumps(facts), flush=True)
def wait(): sys.stdin.readline()
def serve(host=LOOPBACK, family=socket.AF_INET, backlog=None, **options):
    return socket.create_server((host, 0), family=family, backlog=backlog, **options)
def pair(server):
    client = socket.create_connection(server.getsockname()[:2])
    return client, server.accept()[0]
def read(connection, size):
    while size: size -= len(connection.recv(size))
def carry(sender, receiver, size):
    thread = threading.Thread(target=sender.sendall, args=(b"x" * size,))
    thread.start(); read(receiver, size); thread.join()
def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
"""
_IN_NAMESPACE = "ip link set lo up && ip address add 10.9.8.7/32 dev lo && ip address add 2001:db8::7/128 dev lo"


class Program:
    """A running program."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid

    @property
    def net_ns(self) -> int:
        """The network namespace that it runs in."""
        return Path(f"/proc/{self.pid}/ns/net").stat().st_ino

    def heard(self) -> Any:
        """What it tells next; a dictionary."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the program has ended with {self._process.wait()}"
        return json.loads(line)

    def go_on(self) -> None:
        """Ends its `wait()`."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end(self) -> None:
        """Waits until it has ended; it must not have failed."""
        assert self._process.wait(60) == 0

    def kill(self) -> None:
        """Ends it at once."""
        self._process.kill()
        self._process.wait()


@contextmanager
def running(text: str, *, setup: str = "true", inside: Program | None = None) -> Iterator[Program]:
    """A program at work, in a namespace with 127.0.0.1, ::1, 10.9.8.7 and 2001:db8::7.

    Args:
        text: in Python; `_PRELUDE` stands before it.
        setup: shell commands in the namespace, before.
        inside: a program whose namespace it shares.
    """
    python = (sys.executable, "-I", "-S", "-c", _PRELUDE + text)
    command: Sequence[str] = (
        ("nsenter", f"--net=/proc/{inside.pid}/ns/net", *python)
        if inside
        else (
            *("unshare", "--net", "sh", "-c", f'{_IN_NAMESPACE} && {setup} && exec "$@"', "sh"),
            *python,
        )
    )
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Program(process)
    finally:
        process.kill()
        process.communicate()


def play(text: str, *, setup: str = "true") -> Any:
    """Runs a program to its end; gives what it told last, and its pid."""
    told = None
    with running(text, setup=setup) as program:
        told = program.heard()
        program.end()
    return {**told, "pid": program.pid}
