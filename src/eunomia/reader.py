"""The reader: a thread that takes what the kernel has for us through the trackers' chains."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Thread

from eunomia.config import TrackerConfig
from eunomia.containers.identify import Announcements
from eunomia.containers.registry import Containers
from eunomia.host.clock import BootClock
from eunomia.kernel.barrier import wait_for_programs
from eunomia.kernel.counters import Counters
from eunomia.kernel.filter import KernelFilter
from eunomia.kernel.ring import Records
from eunomia.kernel.tracing import Tracing
from eunomia.pipeline.chain import Chain
from eunomia.pipeline.handler import Handler
from eunomia.pipeline.losses import Losses
from eunomia.sampling import Sampling
from eunomia.schema.batch import Batch, Schema

ANNOUNCER = "cgroup"
"""The tracker that announces cgroups."""
_GATHER_S = 0.02  # after the first event others may come for so long, to be taken all at once
_IDLE_S = 0.25
_HOLDING_S = 0.02


@dataclass
class Line:
    """One tracker's way from the kernel to its sinks.

    Attributes:
        config: what it is.
        fold: what counted rows go through before they count as events.
        steps: what its batches go through before the sinks.
        schema: their columns then.
        losses: what these steps have lost.
        chain: the steps and the sinks' queues.
        sinks: what each sink has lost and delivered, by name.
        ends: the sinks themselves, which may lose what they have taken.
        sampling: of a tracker whose rows are read here.
        rows: of a tracker that counts, or whose rows are read here, how many have come until now.
    """

    config: TrackerConfig
    tracing: Tracing
    fold: Chain
    steps: list[Handler]
    schema: Schema
    losses: Losses
    chain: Chain
    sinks: dict[str, Losses] = field(default_factory=dict)
    ends: dict[str, Handler] = field(default_factory=dict)
    sampling: Sampling | None = None
    rows: int = 0

    @property
    def name(self) -> str:
        """What the tracker is called in this run."""
        return self.config.label

    def emitted(self, counted: Counters) -> int:
        """Events: of a tracker that counts these are rows, and what found no room for one."""
        if self.sampling:
            return self.rows + counted.ring_full
        return self.rows + counted.totals_full if self.tracing.totals else counted.emitted


class Reader:
    """Reads until it is stopped, and then what is left.

    Args:
        lines: the trackers; what one of them has to say is known to those behind it.
        announcer: what announces cgroups.
        announcements: who is told of it.
        containers: who waits for names of some.
        filters: from which the ended are taken out.
        clock: gives events their times.
        on_end: called by its thread when that ends, with the error that it ended by.
    """

    def __init__(
        self,
        lines: Sequence[Line],
        announcer: Tracing,
        announcements: Announcements,
        containers: Containers,
        filters: Sequence[KernelFilter],
        clock: BootClock,
        on_end: Callable[[Exception | None], None],
    ) -> None:
        self._lines = lines
        self._announcer = announcer
        self._announcements = announcements
        self._containers = containers
        self._filters = filters
        self._clock = clock
        self._on_end = on_end
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = Thread(target=self._run, name="eunomia-reader", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Detaches all, reads what is left, and ends."""
        os.eventfd_write(self._wake, 1)
        self._thread.join()

    def close(self) -> None:
        """To be called when it has ended, or has never begun."""
        os.close(self._wake)

    @property
    def alive(self) -> bool:
        """Whether it reads."""
        return self._thread.is_alive()

    def _run(self) -> None:
        failure: Exception | None = None
        try:
            self._read_until_stopped()
            for line in reversed(self._lines):  # the first of a relay last, so that nobody takes its place
                line.tracing.detach()
            wait_for_programs()
            while self._cycle(final=True):
                pass
            for line in self._lines:
                list(line.chain.flush())
        except Exception as error:  # noqa: BLE001 (handed to whoever waits for the run)
            failure = error
        finally:
            self._on_end(failure)

    def _read_until_stopped(self) -> None:
        with select.epoll() as poll:
            for fd in (self._wake, *self._waking()):
                poll.register(fd, select.EPOLLIN)
            timed = [one for line in self._lines if (one := line.tracing.totals or line.sampling)]
            while True:
                due_s = min((one.left_s for one in timed), default=_IDLE_S)
                ready = poll.poll(min(due_s, _HOLDING_S if self._containers.waiting else _IDLE_S))
                if any(fd == self._wake for fd, _ in ready):
                    return
                if ready:
                    self._hear()
                    time.sleep(_GATHER_S)
                while self._cycle():
                    if any(fd == self._wake for fd, _ in poll.poll(0)):
                        return

    def _hear(self) -> None:
        """Last rows cannot wait for others to come."""
        for line in self._lines:
            if line.sampling:
                line.sampling.hear()

    def _waking(self) -> Iterator[int]:
        """Descriptors that are readable when there is something to do."""
        yield self._announcer.wake_fd
        yield from (line.tracing.wake_fd for line in self._lines)
        yield from (one.ends_fd for one in self._filters if one.ends_fd is not None)

    def _cycle(self, *, final: bool = False) -> bool:
        """Takes what is in the rings through the chains; says whether a ring was so full that it is worth another go.

        The announcements are drained last and handled first: a cgroup is announced before its first process runs, so
        whatever cgroup the other rings have given us, its announcement is among those read after them. So it is with
        the trackers: what the first of them has to say is known when the others' events are handled, such as which
        program a process runs.
        """
        # Rows that are read here are so below, when it is known of whom.
        drained = [(line, None if line.sampling else line.tracing.drain(final=final)) for line in reversed(self._lines)]
        announced = self._announcer.drain()
        if announced is not None:
            self._announcements.handle(self._batch(self._announcer, announced, ANNOUNCER))
        self._announcements.tick()
        busy = False
        for line, reported in reversed(drained):
            self._hear()  # in between, too: others' steps take long on a busy machine
            busy |= reported is not None and len(reported.data) > line.tracing.busy_bytes
            records = line.sampling.take(final=final) if line.sampling else reported
            if records is not None:
                batch = self._batch(line.tracing, records, line.name)
                line.tracing.forget()
                self._pass_on(line, batch)
            list(line.chain.tick())
        for one in self._filters:
            one.forget_ended()
        return busy

    @staticmethod
    def _pass_on(line: Line, batch: Batch) -> None:
        gone = line.losses.gone
        folded = line.fold.handle(batch)
        line.rows += line.losses.gone - gone  # rows that nobody asked for, and those a failed step had in hand
        if folded is not None:
            line.rows += len(folded)
            line.chain.handle(folded)

    def _batch(self, tracing: Tracing, records: Records, source: str) -> Batch:
        layout = tracing.layout
        frame = layout.decode(
            records.data,
            records.count,
            start=records.start,
            stride=records.stride,
            clock_offset_ns=self._clock.offset_ns(),
        )
        return Batch(source, layout.schema, frame)
