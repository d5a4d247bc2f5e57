"""When a run is over: a signal, or nobody reads what it prints."""

from __future__ import annotations

import os
import select
import signal
import time
from types import TracebackType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_INTERRUPTED = 128 + signal.SIGINT
_PATIENCE = b"eunomia: stopping: what was seen is still being delivered, which takes 5 seconds at most\n"


class Stop:
    """Signals as a request that is waited for. An exception out of nowhere could tear anything: Polars' own start, say.

    A signal that is ignored stays so: SIGHUP under nohup, SIGINT in a shell's background.

    Args:
        reader: whether it also counts when nobody reads stdout any more, as after `| head` when no event comes to tell.
            `watch_reader` says so later.
        reloads: whether SIGHUP asks for something else than the end; `take_reload` says that it came.

    Attributes:
        received: the signals that have asked for the end.
    """

    def __init__(self, *, reader: bool, reloads: bool = False) -> None:
        self._reader = reader
        self._reloads = reloads
        self._reload = False
        self.received: list[int] = []
        self.reader_gone = False

    def __enter__(self) -> Stop:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._note)
        self._poll = select.poll()
        self._poll.register(self._read, select.POLLIN)
        if self._reader:
            self.watch_reader()
        return self

    def watch_reader(self) -> None:
        """From now on it counts when nobody reads stdout any more."""
        self._poll.register(1, 0)  # POLLERR and the like come unasked

    def forget_reader(self) -> None:
        """Nobody does, and it goes on."""
        self._poll.unregister(1)
        self.reader_gone = False

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        for number in _SIGNALS:  # the process is about to end, and is to be let do so
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
        os.close(self._read)
        os.close(self._write)

    def _note(self, number: int, _frame: object) -> None:
        if self._reloads and number == signal.SIGHUP:
            self._reload = True
            return
        self.received.append(number)
        if len(self.received) == 2 and not self.reader_gone:
            os.write(2, _PATIENCE)  # not by print, which a signal may have interrupted

    def wait(self, timeout_s: float) -> bool:
        """Waits until the run is to stop, or to reload; says whether it is to stop."""
        end = time.monotonic() + timeout_s
        while not self.received and not self.reader_gone:
            if self._reload:
                return False
            left = end - time.monotonic()
            if left <= 0:
                return False
            ready = self._poll.poll(left * 1000)
            if any(fd == self._read for fd, _ in ready):
                os.read(self._read, 64)
            self.reader_gone = any(fd == 1 for fd, _ in ready)
        return True

    @property
    def exit_code(self) -> int:
        """Of one that did not do what it was to do, for it was asked to end."""
        return _INTERRUPTED if signal.SIGINT in self.received else 1

    def renew(self) -> None:
        """Forgets what has been asked for: it ended one part of the work, and another one begins."""
        self.received.clear()

    def take_reload(self) -> bool:
        """Whether SIGHUP has come since the last time."""
        asked, self._reload = self._reload, False
        return asked
