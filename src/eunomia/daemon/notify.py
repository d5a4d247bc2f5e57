"""What systemd wants to know: sd_notify(3), without its library."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread

BUSY_S = 120.0
"""How long at most something may take that is known to take its time: who takes longer hangs."""


class Notifier:
    """Tells the service manager how it goes; without one, nobody.

    Args:
        address: where it listens, as in NOTIFY_SOCKET; empty when there is none.
        watchdog_s: how often it wants to hear that all is well; None when it does not.
    """

    def __init__(self, address: str = "", watchdog_s: float | None = None) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_s = watchdog_s

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Notifier:
        """What a program's surroundings say of it: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID."""
        usec, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
        meant = usec.isdecimal() and pid in ("", str(os.getpid()))
        return cls(environment.get("NOTIFY_SOCKET", ""), int(usec) / 1e6 if meant and int(usec) else None)

    def ready(self, status: str) -> None:
        """It runs, for the first time or after a reload."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """It has begun to reload; `ready` ends that."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def alive(self, status: str) -> None:
        """All is well."""
        self._tell(f"STATUS={status}", *(["WATCHDOG=1"] if self.watchdog_s else []))

    @contextmanager
    def busy(self, status: str, most_s: float = BUSY_S) -> Iterator[None]:
        """Says that all is well, on a thread of its own and no longer than `most_s`, while something takes its time."""
        if not (self._address and self.watchdog_s):
            yield
            return
        done = Event()
        thread = Thread(target=self._beat, args=(done, status, self.watchdog_s / 3, most_s), name="eunomia-beat")
        thread.daemon = True
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _beat(self, done: Event, status: str, every_s: float, most_s: float) -> None:
        end_s = time.monotonic() + most_s
        while time.monotonic() < end_s and not done.is_set():
            self.alive(status)
            done.wait(every_s)

    def stopping(self) -> None:
        """It is about to end."""
        self._tell("STOPPING=1")

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            with contextlib.suppress(OSError):  # a manager that is busy or gone has its own way to find out
                sender.sendto("\n".join(line.replace("\n", " ") for line in lines).encode(), self._address)
