"""The processes there are and were a moment ago: what each ran at any time, and who started it.

Fed by batches of the `process` tracker, in live runs and replays alike, and by the processes that ran before. The clock
is the events' own. Programs are started far more rarely than anything else happens, so this alone goes event by event.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch

NEVER_NS = 2**63 - 1
MOST_ANCESTORS = 8
REMEMBER_NS = 60_000_000_000
"""How long a process is known that is over, for events that are still under way and for its children."""
MOST = 65_536
"""How many processes are known at a time."""
_FIRST = 1
_SAME_NS = 1_000_000_000
"""A process is the same when it has its pid and was started within so much: /proc and events measure differently."""
_NEEDED = ("time", "event", "pid", "tid", "ppid", "comm", "executable", "args", "container_id")
_ON_HOST = "exe_on_host"  # which records of earlier versions do not have
_HOST = "host"


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """What a process runs: it begins with an exec, and children begin with their parent's."""

    comm: str | None
    exe: str | None
    args: list[str] | None
    text: str | None
    """The arguments, separated by blanks."""
    home: str | None
    """The container that it was run in, or `host`: a runtime's programs move into containers later."""

    @classmethod
    def of(cls, comm: str | None, exe: str | None, args: list[str] | None, home: str | None) -> Image:
        """With the arguments as text, too."""
        return cls(comm, exe, args, None if args is None else " ".join(args), home)


UNKNOWN = Image(None, None, None, None, None)


@dataclass(slots=True, eq=False)
class Process:
    """A process.

    Attributes:
        start_ns: when it was made; where that was not seen, the end of who had the pid before, or 0.
        parent: who started it, also when that one is over.
        images: what it ran, and since when; the last one last.
        previous: who had the pid before, as long as it is remembered.
    """

    pid: int
    start_ns: int
    parent: Process | None
    container_id: str | None
    images: list[tuple[int, Image]] = field(default_factory=list)
    end_ns: int | None = None
    previous: Process | None = None
    forgotten: bool = False

    def image_at(self, time_ns: int) -> tuple[Image, int]:
        """What it ran at a time, and until when that holds."""
        until_ns = NEVER_NS
        for since_ns, image in reversed(self.images):
            if since_ns <= time_ns:
                return image, until_ns
            until_ns = since_ns
        return UNKNOWN, until_ns

    def known_parent(self) -> Process | None:
        """Its parent, or in place of one that is forgotten the next ancestor that is not."""
        while self.parent is not None and self.parent.forgotten:
            self.parent = self.parent.parent
        return self.parent

    def lineage(self) -> Iterator[Process]:
        """Its parent, that one's parent, and so on."""
        found = self.known_parent()
        while found is not None:
            yield found
            found = found.known_parent()

    def ancestors(self) -> Iterator[Process]:
        """Those that are told of: up to the host's first process, or the first outside of this one's container."""
        for found in islice(self.lineage(), MOST_ANCESTORS):
            yield found
            if found.pid == _FIRST or self._is_outside(found):
                return

    def _is_outside(self, other: Process) -> bool:
        return None not in (self.container_id, other.container_id) and self.container_id != other.container_id


Lineage = list[tuple[int, int, int | None]]
"""Processes as `Processes.state` gives them: pid, start, and which of those before it is its parent."""


def read_lineage(state: Iterable[Iterable[Any]]) -> Lineage:
    """Such a state out of a file that anybody may have written.

    Raises:
        TypeError, ValueError: it is none.
    """
    rows: Lineage = []
    for pid, start_ns, place in state:
        if type(pid) is not int or type(start_ns) is not int:
            raise ValueError("a process is known by whole numbers")
        if place is not None and (type(place) is not int or not 0 <= place < len(rows)):
            raise ValueError("a parent comes before its children")
        rows.append((pid, start_ns, place))
    return rows


class Processes(Handler):
    """The table. In a chain, batches of `process` pass through it unchanged; it is for one thread.

    Args:
        most: how many processes are remembered; the dead are forgotten first.
        remember_ns: how long the dead are.

    Attributes:
        count: processes that are known.
        evicted: processes forgotten for want of room.
    """

    def __init__(self, most: int = MOST, remember_ns: int = REMEMBER_NS) -> None:
        self._most = most
        self._remember_ns = remember_ns
        self._newest: dict[int, Process] = {}  # by pid, in the order they were begun
        self._dead: deque[Process] = deque()
        self.count = 0
        self._is_whole = False
        self.evicted = 0

    def add_running(self, frame: pl.DataFrame, remembered: Lineage | None = None) -> None:
        """Takes the processes that run (columns: schema.processes.RUNNING). Those that are known already stay.

        Read them after the tracker has started: what is made meanwhile is then known from its events. From now on,
        who is not known was made by his parent and runs what that one runs.

        Args:
            remembered: an earlier table's `state`. It knows who started a process whose parent has ended since; the
                kernel says then that it is its first process.
        """
        columns = (frame["start"].to_physical(), *(frame[name] for name in frame.columns if name != "start"))
        for start_ns, pid, _, comm, exe, args, container_id in zip(*(one.to_list() for one in columns), strict=True):
            if self._alive(pid) is None:
                image = Image.of(comm, exe, args, container_id)
                self._enter(
                    Process(pid, start_ns, None, container_id, [(start_ns, image)], previous=self._newest.get(pid))
                )
        self._recall(remembered or [])
        for pid, ppid in frame.select("pid", "ppid").iter_rows():
            self._adopt(self._newest.get(pid), self._newest.get(ppid))
        self._is_whole = True

    @staticmethod
    def _adopt(process: Process | None, parent: Process | None) -> None:
        if process and parent and process.known_parent() is None and process not in (parent, *parent.lineage()):
            process.parent = parent

    def _recall(self, remembered: Lineage) -> None:
        """Takes parents from an earlier table, as far as both still run; in place of one that does not, its own."""
        known: list[Process | None] = []
        for pid, start_ns, place in remembered:
            process = self._alive(pid)
            parent = None if place is None else known[place]
            if process is None or abs(process.start_ns - start_ns) > _SAME_NS:
                known.append(parent)
                continue
            self._adopt(process, parent)
            known.append(process)

    def state(self) -> Lineage:
        """Who started whom, as JSON can hold it."""
        rows: Lineage = []
        places: dict[Process, int] = {}
        for newest in self._newest.values():
            for process in reversed([newest, *newest.lineage()]):
                if process not in places:
                    parent = process.known_parent()
                    places[process] = len(rows)
                    rows.append((process.pid, process.start_ns, None if parent is None else places[parent]))
        return rows

    def handle(self, batch: Batch) -> Batch:
        """Learns from a batch of `process`."""
        frame = batch.frame
        last_ns = 0
        times = frame["time"].to_physical()
        on_host = frame[_ON_HOST] if _ON_HOST in frame.columns else pl.repeat(None, frame.height, eager=True)
        columns = [times, *(frame[name] for name in _NEEDED[1:]), on_host]
        for time_ns, event, pid, tid, ppid, comm, exe, args, container_id, is_on_host in zip(
            *(column.to_list() for column in columns), strict=True
        ):
            last_ns = max(last_ns, time_ns)
            if event == "exec":
                process = self._present(pid, ppid, time_ns, container_id)
                process.container_id = container_id
                home = _HOST if is_on_host else container_id
                self._add_image(process, time_ns, Image.of(comm, exe, args, home))
            elif event == "fork":
                self._fork(pid, ppid, time_ns, container_id)
            elif event == "exit":
                self._end(self._alive(pid), time_ns)
            elif event == "comm" and pid == tid:
                process = self._present(pid, ppid, time_ns, container_id)
                before, _ = process.image_at(time_ns)
                self._add_image(process, time_ns, replace(before, comm=comm))
        self._forget_before(last_ns - self._remember_ns)
        return batch

    def at(self, pid: int, time_ns: int) -> tuple[Process | None, int]:
        """Who had a pid at a time, and until when that holds; one that is over by then, if nobody else is known."""
        found, until_ns = self._newest.get(pid), NEVER_NS
        while found is not None and time_ns < found.start_ns:
            until_ns = found.start_ns
            found = found.previous
        return found, until_ns

    def seen(self, pid: int, ppid: int, time_ns: int, container_id: str | None) -> tuple[Process | None, int]:
        """The same of an event's process; one that was not known is from now on."""
        found, until_ns = self.at(pid, time_ns)
        if found is None:
            if pid in self._newest or not pid:  # an earlier one than all that are known; what no process did
                return None, until_ns
            found = self._begin(pid, ppid, time_ns, container_id)
        elif found.end_ns is not None and until_ns == NEVER_NS:
            if time_ns <= found.end_ns:
                return found, found.end_ns + 1
            if not self._is_of(found, ppid):
                found = self._begin(pid, ppid, time_ns, container_id)
        return found, until_ns

    @staticmethod
    def _is_of(process: Process, ppid: int) -> bool:
        """Whether a process can have this parent: its own, or one further up that it was left to."""
        return process.known_parent() is None or any(one.pid == ppid for one in process.lineage())

    def _alive(self, pid: int) -> Process | None:
        found = self._newest.get(pid)
        return found if found is not None and found.end_ns is None else None

    def _present(self, pid: int, ppid: int, time_ns: int, container_id: str | None) -> Process:
        """The process that has a pid now; where its fork was not seen, it is made."""
        return self._alive(pid) or self._begin(pid, ppid, time_ns, container_id)

    def _begin(self, pid: int, ppid: int, time_ns: int, container_id: str | None) -> Process:
        """A process whose fork was not seen."""
        before = self._newest.get(pid)
        start_ns = 0 if before is None or before.end_ns is None else before.end_ns + 1
        return self._child(pid, ppid, start_ns, time_ns, container_id, inherits=self._is_whole)

    def _fork(self, pid: int, ppid: int, time_ns: int, container_id: str | None) -> None:
        self._end(self._alive(pid), time_ns - 1)
        self._child(pid, ppid, time_ns, time_ns, container_id, inherits=True)

    def _child(
        self, pid: int, ppid: int, start_ns: int, time_ns: int, container_id: str | None, *, inherits: bool
    ) -> Process:
        parent = self.at(ppid, time_ns)[0] if ppid != pid else None
        process = Process(pid, start_ns, parent, container_id, previous=self._newest.get(pid))
        if inherits and parent is not None:
            process.images.append((start_ns, parent.image_at(time_ns)[0]))
        self._enter(process)
        return process

    def _enter(self, process: Process) -> None:
        self._newest.pop(process.pid, None)  # so that it comes last
        self._newest[process.pid] = process
        self.count += 1
        while self.count > self._most:
            self._forget(self._dead.popleft() if self._dead else next(iter(self._newest.values())))
            self.evicted += 1

    def _add_image(self, process: Process, time_ns: int, image: Image) -> None:
        images = process.images
        while len(images) > 1 and images[1][0] < time_ns - self._remember_ns:  # the first is over for so long
            del images[0]
        images.append((time_ns, image))

    def _end(self, process: Process | None, time_ns: int) -> None:
        if process is not None:
            process.end_ns = time_ns
            self._dead.append(process)

    def _forget_before(self, time_ns: int) -> None:
        while self._dead and (self._dead[0].end_ns or 0) < time_ns:
            self._forget(self._dead.popleft())

    def _forget(self, process: Process) -> None:
        """Its children go to its parent, so that nobody keeps the forgotten for ever."""
        process.known_parent()
        process.forgotten = True
        self.count -= 1
        newest = self._newest[process.pid]
        if newest is not process:
            while newest.previous is not process and newest.previous is not None:
                newest = newest.previous
            newest.previous = process.previous
        elif process.previous is not None:
            self._newest[process.pid] = process.previous
        else:
            del self._newest[process.pid]
