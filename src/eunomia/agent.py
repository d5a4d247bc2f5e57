"""The composition root: a configuration becomes a running agent, step by step in one place."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Event

from eunomia.config import AgentConfig, FilterConfig, TrackerConfig
from eunomia.containers.addresses import Addresses, reader
from eunomia.containers.container import Container, OnChange
from eunomia.containers.identify import Announcements, Decisions, Identify
from eunomia.containers.names import Names
from eunomia.containers.peers import Peers
from eunomia.containers.registry import Containers
from eunomia.containers.runtimes import Runtimes
from eunomia.containers.selection import Selection
from eunomia.errors import EunomiaError, PrivilegeError, UsageError
from eunomia.host.cgroupfs import Cgroups
from eunomia.host.clock import BootClock
from eunomia.host.hierarchies import Hierarchy
from eunomia.host.procfs import Procfs
from eunomia.host.roots import Roots
from eunomia.kernel.counters import Counters
from eunomia.kernel.features import missing_capabilities
from eunomia.kernel.filter import KernelFilter, Kind
from eunomia.kernel.hooks import Trial
from eunomia.kernel.object import Settings
from eunomia.kernel.paths import object_file
from eunomia.kernel.relay import Relay
from eunomia.kernel.spec import ObjectSpec
from eunomia.kernel.tracing import Tracing
from eunomia.pipeline.accounts import Account, add_up, merged
from eunomia.pipeline.chain import Chain, FanOut
from eunomia.pipeline.handler import Handler
from eunomia.pipeline.insight import Insight
from eunomia.pipeline.losses import Losses
from eunomia.pipeline.queue import Queue
from eunomia.reader import ANNOUNCER, Line, Reader
from eunomia.sampling import Sampling, Subjects
from eunomia.schema.batch import Schema
from eunomia.targets import Targets, container_hierarchy
from eunomia.trackers import registry
from eunomia.trackers.declaration import Tracker

_STOP_S = 5.0
_CONTROLLERS = {"": 0, "pids": 1, "memory": 2, "cpu": 3, "devices": 4}  # enum cgroup_controller in filter.bpf.h
_LEAST_END_S = 0.2

SinkFactory = Callable[[TrackerConfig, Tracker, Schema], Handler | Mapping[str, Handler]]
"""Makes the sink of a tracker from what is to run, its declaration and the columns its batches have at the end.

Or several by name. Those of one name, though of several trackers, share a queue and a thread, and so may share a file.
"""


@dataclass(frozen=True)
class Summary:
    """What became of a run: emitted = delivered + filtered + the sum of lost, for each tracker and in all.

    Attributes:
        emitted: events that passed the filter in the kernel.
        delivered: events that reached the sink; with several sinks, the one that got the least.
        filtered: events that turned out in user space to be none that were asked for.
        lost: cause -> events.
        missed: what kept events from being seen or attributed -> how often; how many events, nobody can know.
        duration_s, cpu_s: from start to stop, and this process's own CPU time within it.
        accounts: the same for every tracker and each of its sinks.
    """

    emitted: int
    delivered: int
    filtered: int
    lost: dict[str, int]
    missed: dict[str, int]
    duration_s: float
    cpu_s: float
    accounts: tuple[Account, ...] = ()

    @classmethod
    def of(cls, accounts: tuple[Account, ...], missed: dict[str, int], duration_s: float, cpu_s: float) -> Summary:
        """The sums of these accounts."""
        total = add_up(accounts)
        return cls(total.emitted, total.delivered, total.filtered, total.lost, missed, duration_s, cpu_s, accounts)

    def after(self, earlier: Summary) -> Summary:
        """The same of two runs, of which this one took over from the other."""
        return Summary.of(
            merged((*earlier.accounts, *self.accounts)),
            dict(Counter(earlier.missed) + Counter(self.missed)),
            earlier.duration_s + self.duration_s,
            earlier.cpu_s + self.cpu_s,
        )


def _constants(hierarchy: Hierarchy, kernel_filter: KernelFilter | None) -> dict[str, int]:
    """By which a program tells whom a filter lets pass."""
    return {
        "cgroup_controller": _CONTROLLERS[hierarchy.controller],
        "hierarchy_id": hierarchy.hierarchy_id,
        **(kernel_filter.constants if kernel_filter else {}),
    }


def _told(container: Container) -> dict[str, str | None]:
    return {"id": container.short_id, "name": container.name, "image": container.image}


def _spec(tracker: str) -> ObjectSpec:
    return ObjectSpec.read(object_file(registry.folder(tracker), tracker))


@dataclass(frozen=True)
class _Watch:
    """Whom some trackers watch: in the kernel, which containers, and what is decided later."""

    kernel: KernelFilter
    selection: Selection
    decisions: Decisions


class Agent:
    """A run of trackers. Use it as a context manager: entering starts it, leaving stops it on every path.

    Args:
        config: what to do.
        make_sink: where the events go; each sink works on a thread of its own.
        roots: where the host's file systems are.
        on_appear: told the name of each container or process that was waited for, when it is there.
        on_container: told of each container that runs, starts, stops or gets a name; it is the reader who waits.
        clock: gives events their times; agents that share one agree on them.

    Raises (on entering):
        PrivilegeError, UsageError, UnsupportedError, LoadError: it cannot run; nothing is left behind.
    """

    def __init__(
        self,
        config: AgentConfig,
        make_sink: SinkFactory,
        roots: Roots | None = None,
        on_appear: Callable[[str], None] = lambda _name: None,
        on_container: OnChange = lambda _kind, _container: None,
        clock: BootClock | None = None,
    ) -> None:
        self._config = config
        self._make_sink = make_sink
        self._roots = roots or Roots()
        self._on_appear = on_appear
        self._on_container = on_container
        self._resources = ExitStack()
        self._relay = Relay()
        self._lines: list[Line] = []
        self._queues: dict[str, Queue] = {}
        self._watches: dict[FilterConfig, _Watch] = {}
        self._ended = Event()
        self._failure: BaseException | None = None
        self._clock = clock or BootClock()
        self._reader: Reader | None = None
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
        if self._reader is not None:
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
        runtimes = Runtimes(self._roots, self._config.docker_host)
        # Filters and announcements stand before anything is looked up, so that nothing falls in between.
        # Announcements first, so that every cgroup which a filter lets pass undecided is announced.
        self._announcer = self._trace(TrackerConfig(ANNOUNCER), _spec(ANNOUNCER), hierarchy, None)
        self._resources.callback(self._announcer.close)
        opened = [(asked, Targets(asked, hierarchy, runtimes, self._roots)) for asked in self._config.filters]
        kernels = [self._open_filter(asked, targets) for asked, targets in opened]
        names = Names(runtimes)
        self._resources.callback(names.close)
        cgroups = Cgroups(hierarchy)
        self._containers = Containers(names, cgroups.path, addresses=Addresses(reader(cgroups, self._roots)))
        for cgroup_id, path in cgroups.scan().items():
            self._containers.add(cgroup_id, path)
        self._containers.listen(self._on_container)
        for (asked, targets), kernel in zip(opened, kernels, strict=True):
            with self._told_of(asked):
                self._watches[asked] = self._watch(targets, kernel)
        decisions = [watch.decisions for watch in self._watches.values()]
        announcements = Announcements(self._containers, decisions, hierarchy.hierarchy_id)
        for tracker in self._config.trackers:
            with self._told_of(tracker):
                self._lines.append(self._open(tracker, hierarchy))
        self._connect()
        filters = [watch.kernel for watch in self._watches.values()]
        self._reader = Reader(
            self._lines, self._announcer, announcements, self._containers, filters, self._clock, self._end
        )
        self._resources.callback(self._reader.close)
        self._reader.start()

    @contextmanager
    def _told_of(self, of: FilterConfig | TrackerConfig) -> Iterator[None]:
        """Of several trackers an error names those that it is about, unless it is about all of them."""
        try:
            yield
        except EunomiaError as error:
            trackers = self._config.trackers
            labels = [one.label for one in trackers if of in (one, self._config.filter_of(one))]
            if len(labels) < len(trackers):
                error.args = (f"{', '.join(labels)}: {error}",)
            raise

    def _open_filter(self, asked: FilterConfig, targets: Targets) -> KernelFilter:
        with self._told_of(asked):
            kernel = targets.open_filter()
        self._resources.callback(kernel.close)
        return kernel

    def _watch(self, targets: Targets, kernel: KernelFilter) -> _Watch:
        """Fills a filter with what runs now; what comes later is decided as it is announced."""
        selection, missing = targets.select(self._containers)
        self.missing += [one for one in missing if one not in self.missing]
        for kind, values in targets.values(self._containers, selection):
            kernel.watch(kind, *values)
        return _Watch(kernel, selection, Decisions(selection, partial(self._decide, kernel), targets.cgroup_paths()))

    def _trace(
        self, config: TrackerConfig, spec: ObjectSpec, hierarchy: Hierarchy, kernel_filter: KernelFilter | None
    ) -> Tracing:
        tracker = registry.get(config.tracker)
        options = tracker.settle(config.options)
        constants = {
            **tracker.constants(options),
            "agent_pid": os.getpid() if kernel_filter else 0,  # announcements leave nobody out
            **_constants(hierarchy, kernel_filter),
            "host_mnt_ns": self._host_mnt_ns(),
        }
        hooks = [hook for hook in tracker.hooks if hook.wanted(options)]
        shared = kernel_filter.shared_maps if kernel_filter else {}
        if config.ring_bytes is not None and tracker.interval(options) is not None:
            raise UsageError(f"{config.label}: with these options it counts in tables, a ring has no say")
        sizes = {} if config.ring_bytes is None else {"events": config.ring_bytes}
        return Tracing(
            spec, hooks, Settings(constants, shared, sizes), self._roots, tracker.interval(options), self._relay
        )

    def _host_mnt_ns(self) -> int:
        """The mount namespace whose paths are the host's: its first process's, or ours where that one is hidden."""
        procfs = Procfs(self._roots)
        return procfs.namespace(1, "mnt") or procfs.namespace("self", "mnt") or 0

    def _open(self, config: TrackerConfig, hierarchy: Hierarchy) -> Line:
        """Puts up a tracker with all but its sinks."""
        tracker, losses = registry.get(config.tracker), Losses()
        options = tracker.settle(config.options)
        spec, watch = _spec(config.tracker), self._watches[self._config.filter_of(config)]
        counts = tracker.interval(options) is not None
        schema = (spec.total if counts else spec.event).schema
        fold = tracker.fold(options, schema, self._roots) if counts else ()
        for step in fold:
            schema = step.columns(schema)
        steps: list[Handler] = [Identify(self._containers, watch.decisions, losses), Peers(self._containers)]
        schema = steps[1].columns(steps[0].columns(schema))
        for step in tracker.handlers(options, schema, self._roots):
            self._resources.callback(step.close)
            steps.append(step)
            schema = step.columns(schema)
        tracing = self._trace(config, spec, hierarchy, watch.kernel)
        self._resources.callback(tracing.close)
        folding, chain = Chain(fold, losses, self._failed), Chain(steps, losses, self._failed)
        sampling = self._sampling(config, tracing, hierarchy)
        return Line(config, tracing, folding, steps, schema, losses, chain, sampling=sampling)

    def _sampling(self, config: TrackerConfig, tracing: Tracing, hierarchy: Hierarchy) -> Sampling | None:
        tracker, asked = registry.get(config.tracker), self._config.filter_of(config)
        if tracker.sampler is None:
            return None
        selection, procfs = self._watches[asked].selection, Procfs(self._roots)
        subjects = Subjects(asked, selection, self._containers, Cgroups(hierarchy), procfs)
        sampler = tracker.sampler(tracker.settle(config.options), self._roots, hierarchy, tracing.layout.dtype)
        return Sampling(sampler, tracing, subjects)

    def _connect(self) -> None:
        """Makes the sinks, after all else: what they replace is only gone once the rest works, and all of them do."""
        with ExitStack() as undo:
            made = [(line, self._sinks_of(line, undo)) for line in self._lines]
            undo.pop_all()
        for line, sinks in made:
            inlets = [self._inlet(line, name, sink) for name, sink in sinks.items()]
            ends = inlets if len(inlets) == 1 else [FanOut(inlets)]
            line.chain = Chain([*line.steps, *ends], line.losses, self._failed)

    def _sinks_of(self, line: Line, undo: ExitStack) -> Mapping[str, Handler]:
        with self._told_of(line.config):
            made = self._make_sink(line.config, registry.get(line.config.tracker), line.schema)
        sinks = {"": made} if isinstance(made, Handler) else made
        for sink in sinks.values():
            undo.callback(sink.close)
        return sinks

    def _inlet(self, line: Line, name: str, sink: Handler) -> Handler:
        """The way into a sink's queue, which those of one name share. The thread behind it is the sink's own."""
        losses = line.sinks[name] = Losses()
        line.ends[name] = sink
        behind = Chain([sink], losses, self._failed)
        known = name or f"{line.name} sink"
        if known in self._queues:
            return self._queues[known].inlet(behind, losses)
        queue = self._queues[known] = Queue(behind, losses, name=known)
        self._resources.callback(queue.close)
        return queue

    def _decide(self, kernel: KernelFilter, cgroup_id: int, wanted: bool) -> None:
        if not wanted:
            kernel.forget(Kind.CGROUP, cgroup_id)
            return
        kernel.confirm(Kind.CGROUP, cgroup_id)
        found = self._containers.of_cgroup(cgroup_id)
        if isinstance(found, Container):
            self._on_appear(found.name or found.short_id)

    def _failed(self, _handler: Handler, error: Exception) -> None:
        self._end(error)

    def _end(self, error: Exception | None) -> None:
        self._failure = self._failure or error
        self._ended.set()

    # For whoever runs it.

    @property
    def config(self) -> AgentConfig:
        """What it runs."""
        return self._config

    def sharing(self, asked: FilterConfig) -> Settings:
        """By which a program of somebody else's sees whom one of the filters lets pass, as long as this run lasts."""
        kernel = self._watches[asked].kernel
        return Settings(_constants(container_hierarchy(self._roots), kernel), kernel.shared_maps)

    @property
    def alive(self) -> bool:
        """Whether it reads. A sink or handler that has failed does not end that."""
        return self._reader is not None and self._reader.alive

    @property
    def queues(self) -> dict[str, Queue]:
        """The sinks' queues by name."""
        return dict(self._queues)

    def spent(self) -> dict[str, float]:
        """Step -> seconds that it has taken so far of the reader's thread."""
        spent: Counter[str] = Counter()
        for line in self._lines:
            for chain in (line.fold, line.chain):
                spent.update(dict(chain.spent))
        return dict(spent)

    def accounts(self) -> tuple[Account, ...]:
        """What has become of the events so far, for every tracker and each of its sinks.

        While it runs the sums do not come out: some events are under way.
        """
        return self._account_all([line.tracing.counters() for line in self._lines])

    def wait(self, timeout_s: float | None = None) -> bool:
        """Waits until the run has ended by itself, which it does after a failure only; says whether it has."""
        return self._ended.wait(timeout_s)

    def ways(self) -> dict[str, tuple[Trial, ...]]:
        """The filters' and each tracker's ways to their hooks: those that were refused, and those taken."""
        filters = dict.fromkeys(trial for watch in self._watches.values() for trial in watch.kernel.trials)
        return {"filter": tuple(filters), **{line.name: line.tracing.trials for line in self._lines}}

    def containers(self) -> list[dict[str, str | None]]:
        """What is known of every container that was met: `id` as in events, `name`, `image`."""
        return [_told(one) for one in list(self._containers)]

    def container_of(self, cgroup_id: int) -> dict[str, str | None] | None:
        """The same of the container that a cgroup belongs to, or did until it was gone; None when there is none."""
        found = self._containers.known(cgroup_id)
        return None if found is None else _told(found)

    def stop(self) -> Summary:
        """Detaches, delivers what has come until now, closes everything, and says what became of it all.

        Calling it again gives the same summary.
        """
        if self._reader is not None:
            self._reader.stop()
            self._reader = None
            try:
                self._end_queues()
                self._summary = self._summarise()
            finally:
                self._resources.close()
        return self._summary

    def _end_queues(self) -> None:
        """Lets all sinks finish at the same time: a stuck one costs the others nothing."""
        end = time.monotonic() + _STOP_S
        for queue in self._queues.values():
            queue.finish()
        for queue in self._queues.values():
            queue.end(max(end - time.monotonic(), _LEAST_END_S))

    def _summarise(self) -> Summary:
        counters = [line.tracing.counters() for line in self._lines]
        return Summary.of(
            self._account_all(counters),
            self._missed(counters),
            time.monotonic() - self._started_s,
            time.process_time() - self._cpu_s,
        )

    def missed(self) -> dict[str, int]:
        """What has kept events from being seen or attributed so far, as in `Summary.missed`."""
        return self._missed([line.tracing.counters() for line in self._lines])

    def insight(self) -> Insight:
        """All of it as it is now. Any thread may ask while it runs."""
        counters = [line.tracing.counters() for line in self._lines]
        rings = {line.name: line.tracing.ring for line in self._lines}
        return Insight(
            self._account_all(counters),
            self._may_miss(counters),
            self.queues,
            self.spent(),
            {name: (ring.size, ring.used_bytes) for name, ring in rings.items() if ring},
            "" if self.alive else f"the reader has ended{f': {self._failure}' if self._failure else ''}",
        )

    def _missed(self, counters: list[Counters]) -> dict[str, int]:
        return {what: times for what, times in self._may_miss(counters).items() if times}

    def _may_miss(self, counters: list[Counters]) -> dict[str, int]:
        announced = self._announcer.counters()
        return {
            "programs skipped by the kernel": sum(one.nested for one in (*counters, announced)),
            "processes or cgroups not followed": sum(watch.kernel.full for watch in self._watches.values()),
            "sockets or arrivals not followed": sum(one.filter_full for one in counters),
            "io_uring's answers not waited for": sum(one.unanswered for one in counters),
            "cgroup announcements": announced.ring_full,
            "last rows of containers": sum(line.sampling.missed for line in self._lines if line.sampling),
        }

    def _account_all(self, counters: list[Counters]) -> tuple[Account, ...]:
        return tuple(
            self._account(line, counted, name)
            for line, counted in zip(self._lines, counters, strict=True)
            for name in line.sinks
        )

    def _account(self, line: Line, counted: Counters, name: str) -> Account:
        """What became of a tracker's events on their way to one of its sinks."""
        sink = line.sinks[name]
        lost = Counter(line.losses.lost)
        lost.update(sink.lost)
        lost["ring full"] += counted.ring_full
        lost["table full"] += counted.totals_full
        since = line.ends[name].lost_since()
        lost.update(since)
        emitted = line.emitted(counted)
        delivered = line.losses.delivered + sink.delivered - sum(since.values())
        filtered = line.losses.filtered
        if self._failure is not None and not self.alive:  # what a failed step still held must not vanish
            lost["held by what failed"] = max(emitted - delivered - filtered - lost.total(), 0)
        causes = {cause: events for cause, events in lost.items() if events}
        return Account(line.name, name, emitted, delivered, filtered, causes)
