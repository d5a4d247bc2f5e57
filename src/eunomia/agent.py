"""The composition root: a configuration becomes a running agent, step by step in one place."""

from __future__ import annotations

import os
import select
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from threading import Event, Thread

from eunomia.config import AgentConfig, FilterConfig, TrackerConfig
from eunomia.containers.identify import Announcements, Decisions, Identify
from eunomia.containers.names import Names
from eunomia.containers.peers import Peers
from eunomia.containers.registry import Container, Containers
from eunomia.errors import PrivilegeError
from eunomia.host.cgroupfs import Cgroups
from eunomia.host.clock import BootClock
from eunomia.host.hierarchies import Hierarchy
from eunomia.host.roots import Roots
from eunomia.kernel.barrier import wait_for_programs
from eunomia.kernel.features import missing_capabilities
from eunomia.kernel.filter import KernelFilter, Kind
from eunomia.kernel.hooks import Trial
from eunomia.kernel.object import Settings
from eunomia.kernel.paths import object_file
from eunomia.kernel.ring import Records
from eunomia.kernel.spec import ObjectSpec
from eunomia.kernel.tracing import Tracing
from eunomia.pipeline.chain import Chain
from eunomia.pipeline.handler import Handler
from eunomia.pipeline.losses import Losses
from eunomia.pipeline.queue import Queue
from eunomia.schema.batch import Batch, Schema
from eunomia.targets import Targets, container_hierarchy, docker_client
from eunomia.trackers import registry
from eunomia.trackers.declaration import Tracker

GATHER_S = 0.02
"""After the first event the reader lets others come for so long, to take them all at once."""
_IDLE_S = 0.25
_HOLDING_S = 0.02
_STOP_S = 5.0
_CONTROLLERS = {"": 0, "pids": 1, "memory": 2, "cpu": 3, "devices": 4}  # enum cgroup_controller in eunomia.bpf.h
_ANNOUNCER = "cgroup"

SinkFactory = Callable[[TrackerConfig, Tracker, Schema], Handler]
"""Makes the sink of a tracker from what is to run, its declaration and the columns its batches have at the end."""


@dataclass(frozen=True)
class Summary:
    """What became of a run: emitted = delivered + filtered + the sum of lost, for each tracker and in all.

    Attributes:
        emitted: events that passed the filter in the kernel.
        delivered: events that reached the sink.
        filtered: events that turned out in user space to be none that were asked for.
        lost: cause -> events.
        missed: what kept events from being seen or attributed -> how often; how many events, nobody can know.
        duration_s, cpu_s: from start to stop, and this process's own CPU time within it.
    """

    emitted: int
    delivered: int
    filtered: int
    lost: dict[str, int]
    missed: dict[str, int]
    duration_s: float
    cpu_s: float


def _spec(tracker: str) -> ObjectSpec:
    return ObjectSpec.read(object_file(registry.folder(tracker), tracker))


@dataclass(frozen=True)
class _Watch:
    """Whom some trackers watch: in the kernel, and what is decided later."""

    kernel: KernelFilter
    decisions: Decisions


@dataclass
class _Line:
    """One tracker's way from the kernel to its sink."""

    name: str
    tracing: Tracing
    chain: Chain
    losses: Losses
    queue: Queue


class Agent:
    """A run of trackers. Use it as a context manager: entering starts it, leaving stops it on every path.

    Args:
        config: what to do.
        make_sink: where the events go; each sink works on a thread of its own.
        roots: where the host's file systems are.
        on_appear: told the name of each container or process that was waited for, when it is there.

    Raises (on entering):
        PrivilegeError, UsageError, UnsupportedError, LoadError: it cannot run; nothing is left behind.
    """

    def __init__(
        self,
        config: AgentConfig,
        make_sink: SinkFactory,
        roots: Roots | None = None,
        on_appear: Callable[[str], None] = lambda _name: None,
    ) -> None:
        self._config = config
        self._make_sink = make_sink
        self._roots = roots or Roots()
        self._on_appear = on_appear
        self._resources = ExitStack()
        self._lines: list[_Line] = []
        self._watches: dict[FilterConfig, _Watch] = {}
        self._ended = Event()
        self._failure: BaseException | None = None
        self._clock = BootClock()
        self._thread: Thread | None = None
        self.missing: list[str] = []
        """Containers and processes asked for that are not there yet."""

    @property
    def failure(self) -> BaseException | None:
        """The first error of a sink or handler, if there was one; the run should end then."""
        return self._failure

    def __enter__(self) -> Agent:
        self._check_privileges()
        self._started_s, self._cpu_s = time.monotonic(), time.process_time()
        try:
            self._start()
        except BaseException:
            self._resources.close()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def _check_privileges(self) -> None:
        missing = missing_capabilities(self._roots)
        if missing:
            raise PrivilegeError(
                f"tracing needs {' and '.join(missing)}, which this process lacks: run it as root (sudo), or in a"
                " container with --cap-add BPF --cap-add PERFMON --pid host"
            )

    # Start: each step needs only those before it.

    def _start(self) -> None:
        hierarchy = container_hierarchy(self._roots)
        docker = docker_client(self._config.docker_host)
        # Filters and announcements stand before anything is looked up, so that nothing falls in between.
        # Announcements first, so that every cgroup which a filter lets pass undecided is announced.
        self._announcer = self._trace(TrackerConfig(_ANNOUNCER), _spec(_ANNOUNCER), hierarchy, None)
        self._resources.callback(self._announcer.close)
        filters = dict.fromkeys(self._filter_of(tracker) for tracker in self._config.trackers)
        opened = [(asked, Targets(asked, hierarchy, docker, self._roots)) for asked in filters]
        kernels = [self._open_filter(targets) for _, targets in opened]
        names = Names(docker)
        self._resources.callback(names.close)
        cgroups = Cgroups(hierarchy)
        self._containers = Containers(names, cgroups.path)
        for cgroup_id, path in cgroups.scan().items():
            self._containers.add(cgroup_id, path)
        for (asked, targets), kernel in zip(opened, kernels, strict=True):
            self._watches[asked] = self._watch(targets, kernel)
        decisions = [watch.decisions for watch in self._watches.values()]
        self._announcements = Announcements(self._containers, decisions, hierarchy.hierarchy_id)
        for tracker in self._config.trackers:
            self._add(tracker, hierarchy)
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._resources.callback(os.close, self._wake)
        self._thread = Thread(target=self._run, name="eunomia-reader", daemon=True)
        self._thread.start()

    def _filter_of(self, config: TrackerConfig) -> FilterConfig:
        return self._config.filter if config.filter is None else config.filter

    def _open_filter(self, targets: Targets) -> KernelFilter:
        kernel = targets.open_filter()
        self._resources.callback(kernel.close)
        return kernel

    def _watch(self, targets: Targets, kernel: KernelFilter) -> _Watch:
        """Fills a filter with what runs now; what comes later is decided as it is announced."""
        selection, missing = targets.select(self._containers)
        self.missing += missing
        for kind, value in targets.values(self._containers, selection):
            kernel.watch(kind, value)
        return _Watch(kernel, Decisions(selection, partial(self._decide, kernel), targets.cgroup_paths()))

    def _trace(
        self, config: TrackerConfig, spec: ObjectSpec, hierarchy: Hierarchy, kernel_filter: KernelFilter | None
    ) -> Tracing:
        tracker = registry.get(config.tracker)
        options = tracker.settle(config.options)
        constants = {
            **tracker.constants(options),
            "agent_pid": os.getpid() if kernel_filter else 0,  # announcements leave nobody out
            "cgroup_controller": _CONTROLLERS[hierarchy.controller],
            "filter_kinds": int(kernel_filter.kinds) if kernel_filter else 0,
        }
        hooks = [hook for hook in tracker.hooks if hook.wanted(options)]
        shared = kernel_filter.shared_maps if kernel_filter else {}
        sizes = {} if config.ring_bytes is None else {"events": config.ring_bytes}
        return Tracing(spec, hooks, Settings(constants, shared, sizes), self._roots, tracker.interval(options))

    def _add(self, config: TrackerConfig, hierarchy: Hierarchy) -> None:
        """Puts up a tracker with its whole chain; the sink last: what it replaces is only gone once the rest works."""
        tracker, losses = registry.get(config.tracker), Losses()
        options = tracker.settle(config.options)
        spec, watch = _spec(config.tracker), self._watches[self._filter_of(config)]
        steps: list[Handler] = [Identify(self._containers, watch.decisions, losses), Peers(self._containers)]
        layout = spec.event if tracker.interval(options) is None else spec.total
        schema = steps[1].columns(steps[0].columns(layout.schema))
        for step in tracker.handlers(options, schema, self._roots):
            steps.append(step)
            schema = step.columns(schema)
        tracing = self._trace(config, spec, hierarchy, watch.kernel)
        self._resources.callback(tracing.close)
        sink = Chain([self._make_sink(config, tracker, schema)], losses, self._failed)
        queue = Queue(sink, losses, name=f"{config.label} sink")
        self._resources.callback(queue.close)
        self._lines.append(_Line(config.label, tracing, Chain([*steps, queue], losses, self._failed), losses, queue))

    def _decide(self, kernel: KernelFilter, cgroup_id: int, wanted: bool) -> None:
        if not wanted:
            kernel.forget(Kind.CGROUP, cgroup_id)
            return
        kernel.confirm(Kind.CGROUP, cgroup_id)
        found = self._containers.of_cgroup(cgroup_id)
        if isinstance(found, Container):
            self._on_appear(found.name or found.short_id)

    def _failed(self, _handler: Handler, error: Exception) -> None:
        self._failure = self._failure or error
        self._ended.set()

    # The reader's thread.

    def _run(self) -> None:
        try:
            self._read_until_stopped()
            for line in self._lines:
                line.tracing.detach()
            wait_for_programs()
            while self._cycle(final=True):
                pass
            for line in self._lines:
                list(line.chain.flush())
        except Exception as error:  # noqa: BLE001 (handed to whoever waits for the run)
            self._failure = self._failure or error
        finally:
            self._ended.set()

    def _read_until_stopped(self) -> None:
        with select.epoll() as poll:
            for tracing in (self._announcer, *(line.tracing for line in self._lines)):
                if tracing.ring:
                    poll.register(tracing.ring.fd, select.EPOLLIN)
            poll.register(self._wake, select.EPOLLIN)
            totals = [line.tracing.totals for line in self._lines if line.tracing.totals]
            while True:
                due_s = min((one.left_s for one in totals), default=_IDLE_S)
                ready = poll.poll(min(due_s, _HOLDING_S if self._containers.waiting else _IDLE_S))
                if any(fd == self._wake for fd, _ in ready):
                    return
                if ready:
                    time.sleep(GATHER_S)
                while self._cycle():
                    if any(fd == self._wake for fd, _ in poll.poll(0)):
                        return

    def _cycle(self, *, final: bool = False) -> bool:
        """Takes what is in the rings through the chains; says whether a ring was so full that it is worth another go.

        The announcements are drained last and handled first: a cgroup is announced before its first process runs, so
        whatever cgroup the other rings have given us, its announcement is among those read after them.
        """
        drained = [(line, line.tracing.drain(final=final)) for line in self._lines]
        announced = self._announcer.drain()
        if announced is not None:
            self._announcements.handle(self._batch(self._announcer, announced, _ANNOUNCER))
        self._announcements.tick()
        busy = False
        for line, records in drained:
            if records is not None:
                batch = self._batch(line.tracing, records, line.name)
                line.chain.handle(batch)
                busy |= len(records.data) > line.tracing.busy_bytes
            list(line.chain.tick())
        return busy

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

    # For whoever runs it.

    def wait(self, timeout_s: float | None = None) -> bool:
        """Waits until the run has ended by itself, which it does after a failure only; says whether it has."""
        return self._ended.wait(timeout_s)

    def ways(self) -> dict[str, tuple[Trial, ...]]:
        """The filters' and each tracker's ways to their hooks: those that were refused, and those taken."""
        filters = dict.fromkeys(trial for watch in self._watches.values() for trial in watch.kernel.trials)
        return {"filter": tuple(filters), **{line.name: line.tracing.trials for line in self._lines}}

    def stop(self) -> Summary:
        """Detaches, delivers what has come until now, closes everything, and says what became of it all.

        Calling it again gives the same summary.
        """
        if self._thread is not None:
            os.eventfd_write(self._wake, 1)
            self._thread.join()
            self._thread = None
            try:
                for line in self._lines:
                    line.queue.end(_STOP_S)
                self._summary = self._summarise()
            finally:
                self._resources.close()
        return self._summary

    def _summarise(self) -> Summary:
        lost: Counter[str] = Counter()
        counters = [line.tracing.counters() for line in self._lines]
        for line, counted in zip(self._lines, counters, strict=True):
            lost.update(line.losses.lost)
            lost["ring full"] += counted.ring_full
            lost["table full"] += counted.totals_full
        emitted = sum(counted.emitted for counted in counters)
        delivered = sum(line.losses.delivered for line in self._lines)
        filtered = sum(line.losses.filtered for line in self._lines)
        if self._failure is not None:  # what a failed step still held must not vanish from the account
            lost["held by what failed"] = max(emitted - delivered - filtered - lost.total(), 0)
        announced = self._announcer.counters()
        missed = {
            "programs skipped by the kernel": sum(one.nested for one in (*counters, announced)),
            "processes or cgroups not followed": sum(watch.kernel.full for watch in self._watches.values()),
            "cgroup announcements": announced.ring_full,
        }
        return Summary(
            emitted,
            delivered,
            filtered,
            {cause: events for cause, events in lost.items() if events},
            {what: times for what, times in missed.items() if times},
            time.monotonic() - self._started_s,
            time.process_time() - self._cpu_s,
        )
