"""The Python API: watching from a program or a notebook. `import eunomia` gives it by these names."""

from __future__ import annotations

import difflib
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import polars as pl

from eunomia.agent import Agent, Summary
from eunomia.config import AgentConfig, FilterConfig, TrackerConfig
from eunomia.containers.cgroup_path import shorten
from eunomia.containers.description import Description
from eunomia.containers.listing import list_containers
from eunomia.errors import UsageError
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.sinks.record import Recorder
from eunomia.trackers import registry
from eunomia.trackers.declaration import Tracker

_UNREAD = "not read before the watch ended"
_LOOK_S = 0.1
_THREADS = "eunomia-"
_WAITING_BYTES = 32 << 20
_One = TypeVar("_One", str, int)


def watch(
    *trackers: str,
    container: str | Iterable[str] = (),
    pid: int | Iterable[int] = (),
    children: bool = False,
    uid: int | Iterable[int] = (),
    cgroup: str | Iterable[str] = (),
    mnt_namespace: int | Iterable[int] = (),
    pid_namespace: int | Iterable[int] = (),
    wait: bool = False,
    seconds: float | None = None,
    record: str | Path | None = None,
    docker_host: str | None = None,
    **options: object,
) -> Watch:
    """Watches with trackers; iterate over what it gives for batches of events, `batch.frame` being a Polars frame.

    Kinds of filter are combined with AND, the values of one kind with OR; they act in the kernel. It begins when the
    `with` block is entered, or with the first batch asked for, and ends with the block, after `seconds`, or when
    nobody holds it any more.

    Args:
        trackers: names or aliases, as `eunomia trackers` lists them.
        container: ids, beginnings of ids, or names.
        pid: processes as the host numbers them.
        children: also what those processes start.
        uid: real user ids.
        cgroup: paths of cgroups, with all below them.
        mnt_namespace, pid_namespace: inode numbers.
        wait: wait for containers and processes that are not there yet.
        seconds: end after so long.
        record: a directory to record into as well, see `eunomia.read`.
        docker_host: where Docker listens; None: where it is found, as other runtimes are.
        options: of the trackers, with underscores; each goes to all trackers that have it.

    Raises:
        UsageError: a tracker or option that there is not, a value that makes no sense. What the machine refuses
            (PrivilegeError, UnsupportedError, LoadError) is raised when it begins.
    """
    names = tuple(dict.fromkeys(registry.resolve(name) for name in trackers))
    if not names:
        raise UsageError(f"name a tracker: {', '.join(registry.names())}")
    _check(options, names)
    if children and pid == ():
        raise UsageError("children=True goes with pid: it watches what those processes start")
    if seconds is not None and not seconds > 0:
        raise UsageError(f"seconds={seconds!r} is no time to watch: give more than 0")
    own = {name: {option.key: option for option in registry.get(name).options} for name in names}
    configs = (TrackerConfig(name, {key: options[key] for key in own[name] if key in options}) for name in names)
    asked = FilterConfig(
        _several(container, str),
        _several(cgroup, str),
        _several(pid, int),
        children,
        _several(uid, int),
        _several(mnt_namespace, int),
        _several(pid_namespace, int),
        wait,
    )
    return Watch(AgentConfig(tuple(configs), asked, docker_host), seconds, None if record is None else Path(record))


def _several(given: _One | Iterable[_One], kind: type[_One]) -> tuple[_One, ...]:
    values: tuple[Any, ...] = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
    for value in values:
        if not isinstance(value, kind) or isinstance(value, bool):
            raise UsageError(f"{value!r} is no {'number' if kind is int else 'text'}")
        if isinstance(value, int) and not 0 <= value < 1 << 32:
            raise UsageError(f"{value!r} is no id: it has to be from 0 to {(1 << 32) - 1}")
    return values


def _check(options: Mapping[str, object], trackers: Iterable[str]) -> None:
    known = {option.key: option for name in trackers for option in registry.get(name).options}
    for name, value in options.items():
        if name not in known:
            choices = [*known, *_FILTERS]
            near = difflib.get_close_matches(name, choices, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(choices)}"
            raise UsageError(f"{', '.join(trackers)}: there is no option {name!r}; {hint}")
        known[name].settle(value)


_FILTERS = (
    *("container", "pid", "children", "uid", "cgroup", "mnt_namespace", "pid_namespace"),
    *("wait", "seconds", "record", "docker_host"),
)


class Watch:
    """Events as they happen: a context manager, and an iterator over batches. Made by `watch`.

    Works on any thread and sets no signal handlers. When batches are not taken as fast as they come, 64 MiB of them
    wait and then the newest are lost; `summary` says how many.
    """

    def __init__(self, config: AgentConfig, seconds: float | None, record: Path | None) -> None:
        self._config = config
        self._seconds = seconds
        self._record = record
        self._run: _Run | None = None

    def __enter__(self) -> Watch:
        self._start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> _Run:
        if self._run is None:
            run = _Run(self._config, self._record, self._seconds)
            self._end = weakref.finalize(self, run.end)
            self._run = run
        return self._run

    def stop(self) -> None:
        """Ends it. What was not read yet is lost, and counted. Calling it again does nothing."""
        if self._run is not None:
            self._end()

    @property
    def summary(self) -> Summary | None:
        """What became of all events, once it has ended: emitted = delivered + filtered + the sum of lost."""
        return None if self._run is None else self._run.summary

    @property
    def missing(self) -> tuple[str, ...]:
        """Containers and processes that are waited for."""
        return () if self._run is None else tuple(self._run.agent.missing)

    def __iter__(self) -> Watch:
        self._start()
        return self

    def __next__(self) -> Batch:
        run = self._start()
        while True:
            batch = run.feed.take(_LOOK_S)
            if batch is not None:
                return batch
            if run.ended:
                run.raise_failure()
                raise StopIteration
            if run.agent.wait(0):
                run.finish()


class _Run:
    """What a watch holds while it goes on. It does not know its watch, so that this can be let go of."""

    def __init__(self, config: AgentConfig, record: Path | None, seconds: float | None) -> None:
        self.feed = _Feed()
        self.ended = False
        self.summary: Summary | None = None
        self._raised = False
        self._ending = threading.RLock()
        self._watched = config.filter.given
        self._recorder = None if record is None else Recorder(record)
        self.agent = Agent(config, self._sink)
        try:
            self.agent.__enter__()
        except BaseException:
            if self._recorder is not None:
                self._recorder.close()
            raise
        if self._recorder is not None:
            self._recorder.know(self.agent.containers())
        self._timer = None if seconds is None else threading.Timer(seconds, self.finish)
        if self._timer is not None:
            self._timer.daemon = True
            self._timer.start()

    def _sink(self, config: TrackerConfig, _tracker: Tracker, schema: Schema) -> Mapping[str, Handler]:
        sinks: dict[str, Handler] = {"reader": self.feed}
        if self._recorder is not None:  # with a queue of its own: a slow reader costs the record nothing
            sinks["record"] = self._recorder.sink(config.tracker, schema, config.options, self._watched)
        return sinks

    def finish(self) -> None:
        """Stops watching; all that was seen can still be read."""
        self.feed.widen()
        self._stop()

    def end(self) -> None:
        """Stops watching and reading. May be called by the garbage collector, on whatever thread it runs."""
        if threading.current_thread().name.startswith(_THREADS):  # our own threads cannot wait for themselves
            threading.Thread(target=self.end, name="eunomia's end").start()
            return
        self.feed.end()
        self._stop()

    def _stop(self) -> None:
        with self._ending:
            if not self.ended:
                if self._timer is not None:
                    self._timer.cancel()
                try:
                    self.summary = self._unread(self.agent.stop())
                    self._end_record()
                finally:
                    self.ended = True
            elif self.summary is not None:
                self.summary = self._unread(self.summary)

    def _end_record(self) -> None:
        if self._recorder is not None:
            self._recorder.close(asdict(self.agent.stop()), self.agent.containers())

    def _unread(self, summary: Summary) -> Summary:
        """The account with what the reader never took."""
        events = self.feed.take_unread()
        if not events:
            return summary
        lost = {**summary.lost, _UNREAD: summary.lost.get(_UNREAD, 0) + events}
        return replace(summary, delivered=summary.delivered - events, lost=lost)

    def raise_failure(self) -> None:
        """Raises what ended the run, once."""
        failure = self.agent.failure
        if failure is not None and not self._raised:
            self._raised = True
            raise failure


class _Feed(Handler):
    """Hands batches from the sinks' threads to whoever iterates. A full one lets them wait, and so the queue fill."""

    def __init__(self) -> None:
        self._batches: deque[tuple[Batch, int]] = deque()
        self._bytes = 0
        self._bound: int | None = _WAITING_BYTES
        self._ended = False
        self._unread = 0
        self._changed = threading.Condition()

    def handle(self, batch: Batch) -> Batch:
        size = int(batch.frame.estimated_size())
        with self._changed:
            while self._batches and self._bound is not None and self._bytes + size > self._bound and not self._ended:
                self._changed.wait()
            if self._ended:
                self._unread += len(batch)
            else:
                self._batches.append((batch.for_another_thread(), size))
                self._bytes += size
                self._changed.notify_all()
        return batch

    def take(self, timeout_s: float) -> Batch | None:
        """The next batch, None when there is none so long."""
        with self._changed:
            if not self._batches and not self._ended:
                self._changed.wait(timeout_s)
            if not self._batches:
                return None
            batch, size = self._batches.popleft()
            self._bytes -= size
            self._changed.notify_all()
            return batch

    def widen(self) -> None:
        """Takes everything from now on, however much."""
        with self._changed:
            self._bound = None
            self._changed.notify_all()

    def end(self) -> None:
        """Takes and gives nothing any more."""
        with self._changed:
            self._ended = True
            self._unread += sum(len(batch) for batch, _ in self._batches)
            self._batches.clear()
            self._bytes = 0
            self._changed.notify_all()

    def take_unread(self) -> int:
        """How many events nobody has read, since this was asked last."""
        with self._changed:
            unread, self._unread = self._unread, 0
            return unread


def containers(docker_host: str | None = None) -> pl.DataFrame:
    """The containers that run on this host, a row each.

    Columns: `container_id` as events have it, and the fields of `eunomia.containers.description.Description`: times as
    times, and what goes by name (labels, cgroups, namespaces) as lists of name and value.

    Args:
        docker_host: where Docker listens; None: where it is found, as other runtimes are.
    """
    rows = [_row(one) for one in list_containers(docker_host=docker_host)]
    return pl.DataFrame(rows, schema=_CONTAINER_COLUMNS, orient="row")


def _row(one: Description) -> dict[str, Any]:
    row: dict[str, Any] = {"container_id": shorten(one.id)}
    for name, value in asdict(one).items():
        row[name.removesuffix("_ns")] = (
            [{"name": key, "value": each} for key, each in value.items()] if isinstance(value, dict) else value
        )
    return row


def _named(kind: Any) -> pl.List:
    return pl.List(pl.Struct({"name": pl.String, "value": kind}))


_TIME = pl.Datetime("ns", "UTC")
_CONTAINER_COLUMNS: dict[str, Any] = {
    "container_id": pl.String,
    "id": pl.String,
    "name": pl.String,
    "image": pl.String,
    "state": pl.String,
    "labels": _named(pl.String),
    "runtime": pl.String,
    "pid": pl.UInt32,
    "pids": pl.List(pl.UInt32),
    "addresses": pl.List(pl.String),
    "created": _TIME,
    "started": _TIME,
    "finished": _TIME,
    "image_digest": pl.String,
    "pod_name": pl.String,
    "pod_namespace": pl.String,
    "pod_uid": pl.String,
    "sandbox": pl.Boolean,
    "cgroups": _named(pl.String),
    "cgroup_ids": _named(pl.UInt64),
    "namespaces": _named(pl.UInt64),
    "mounts": pl.List(pl.Struct({"type": pl.String, "source": pl.String, "target": pl.String, "writable": pl.Boolean})),
    "privileged": pl.Boolean,
    "capabilities": pl.List(pl.String),
    "seccomp": pl.String,
}

__all__ = ["Summary", "Watch", "containers", "watch"]
