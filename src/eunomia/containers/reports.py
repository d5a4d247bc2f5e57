"""What runtimes report of starts, stops and new names by themselves, where the kernel may not be asked."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread

from eunomia.containers.description import Description
from eunomia.containers.names import RETRY_S
from eunomia.containers.runtime import UNUSABLE, Change, ChangeKind, Changes, Runtime
from eunomia.containers.runtimes import Runtimes

_ALL: tuple[ChangeKind, ...] = ("started", "stopped", "renamed")
_CLOSING_S = 1.0

OnReport = Callable[[ChangeKind, Description], None]


class Reports:
    """Listens to every runtime there is, each on a thread of its own, and again when one that was gone is back.

    Args:
        runtimes: who is listened to; those that come later are not.
        on_report: told of each change, on those threads.
        on_silent: told the address of a runtime that reports nothing by itself.
    """

    def __init__(self, runtimes: Runtimes, on_report: OnReport, on_silent: Callable[[str], None]) -> None:
        self._on_report = on_report
        self._on_silent = on_silent
        self._ended = Event()
        self._open: dict[Runtime, Changes] = {}
        self._known: dict[str, Description] = {}
        spoken_for = {one.address for one in runtimes.found() if one.kind == "containerd"}
        self._threads = [
            Thread(target=self._listen, args=(one,), name=f"eunomia-{one.kind}-reports", daemon=True)
            for one in runtimes.found()
            if one.kind != "cri" or one.address not in spoken_for  # containerd tells of its pods itself
        ]

    def __enter__(self) -> Reports:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ended.set()
        for changes in [*self._open.values()]:
            changes.close()
        for thread in self._threads:
            thread.join(_CLOSING_S)

    def remember(self, one: Description) -> None:
        """Takes note of one that runs: when it has stopped nobody may know it any more."""
        self._known.setdefault(one.id, one)

    def _listen(self, runtime: Runtime) -> None:
        while not self._ended.is_set():
            try:
                changes = runtime.follow(_ALL)
                if changes is None:
                    self._on_silent(runtime.address)
                    return
                with changes:
                    self._open[runtime] = changes
                    for change in () if self._ended.is_set() else changes:
                        self._report(runtime, change)
            except UNUSABLE:
                pass
            self._ended.wait(RETRY_S)

    def _report(self, runtime: Runtime, change: Change) -> None:
        """What has stopped may be gone already; it is told of as it was known."""
        try:
            found = next((one for one in runtime.list([change.id]) if one.id == change.id), None)
        except UNUSABLE:
            found = None
        described = found or self._known.get(change.id) or Description(change.id, runtime=runtime.name)
        self._known[change.id] = described
        if change.kind == "stopped":
            del self._known[change.id]
        self._on_report(change.kind, described)
