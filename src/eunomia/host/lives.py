"""The lives of processes: the kernel tells when one is over."""

from __future__ import annotations

import os
import select
from collections.abc import Iterable


class Lives:
    """Tells which of some processes have ended, all their threads with them; by a pidfd each (pidfd_open(2), 5.3).

    That comes after everything a process does: the last of its threads tells at the end of its exit, and a pid is not
    given to anybody else before (exit_notify() in kernel/exit.c).

    Args:
        pids: processes of our own pid namespace.

    Raises:
        OSError: one of them is not there or is no process but a thread, or the kernel gives no pidfd.
    """

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids: dict[int, int] = {}
        self._poll = select.epoll()
        try:
            for pid in pids:
                fd = os.pidfd_open(pid)
                self._pids[fd] = pid
                self._poll.register(fd, select.EPOLLIN)
        except BaseException:
            self.close()
            raise

    @property
    def fd(self) -> int:
        """Readable while `ended` has something to tell."""
        return self._poll.fileno()

    def ended(self) -> list[int]:
        """The processes that have ended since the last time; does not wait."""
        return [self._drop(fd) for fd, _ in self._poll.poll(0)]

    def _drop(self, fd: int) -> int:
        self._poll.unregister(fd)  # or a child that has not come to its exec yet would keep it in there
        os.close(fd)
        return self._pids.pop(fd)

    def close(self) -> None:
        """Lets go of all of them. Calling it again does nothing."""
        self._poll.close()
        while self._pids:
            os.close(self._pids.popitem()[0])
