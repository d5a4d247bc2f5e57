"""What a run is to do, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class FilterConfig:
    """Whom to watch: kinds are combined with AND, the values of one kind with OR; nothing given means everybody.

    Attributes:
        containers: ids, unambiguous prefixes of ids, or names.
        cgroups: paths of cgroups, with all below them.
        pids: processes as the host numbers them.
        children: whether what those processes start is watched too.
        uids: real user ids as the host sees them.
        mnt_namespaces, pid_namespaces: inode numbers.
        wait: whether containers and processes that are not there yet are waited for.
    """

    containers: tuple[str, ...] = ()
    cgroups: tuple[str, ...] = ()
    pids: tuple[int, ...] = ()
    children: bool = False
    uids: tuple[int, ...] = ()
    mnt_namespaces: tuple[int, ...] = ()
    pid_namespaces: tuple[int, ...] = ()
    wait: bool = False

    @property
    def given(self) -> dict[str, Any]:
        """What was asked for, by kind."""
        return {name: value for name, value in asdict(self).items() if value}


@dataclass(frozen=True)
class TrackerConfig:
    """One tracker to run.

    Attributes:
        tracker: its name.
        options: its own options, by name with underscores; those left out keep their defaults.
        ring_bytes: size of its ring, a power of two of whole pages; None keeps the tracker's own.
        filter: whom this one watches; None means whom the run watches.
        name: tells several instances of one tracker apart; the tracker's own name when there is none.
        for_metrics: whether it runs to be counted and for nothing else: no rule, record or database gets its events.
        counted: whether metrics count what it sees; None where that is theirs to say: they take the first of a type.
    """

    tracker: str
    options: Mapping[str, Any] = field(default_factory=dict)
    ring_bytes: int | None = None
    filter: FilterConfig | None = None
    name: str = ""
    for_metrics: bool = False
    counted: bool | None = None

    @property
    def label(self) -> str:
        """What this instance is called."""
        return self.name or (f"{self.tracker} metrics" if self.for_metrics else self.tracker)


@dataclass(frozen=True)
class AgentConfig:
    """A whole run.

    Attributes:
        trackers: what to run.
        filter: whom to watch, for trackers that do not say it themselves.
        docker_host: where Docker listens, as in DOCKER_HOST; None means that it is found as other runtimes are.
    """

    trackers: tuple[TrackerConfig, ...]
    filter: FilterConfig = FilterConfig()
    docker_host: str | None = None

    @property
    def filters(self) -> tuple[FilterConfig, ...]:
        """Every filter in use, once."""
        return tuple(dict.fromkeys(self.filter_of(tracker) for tracker in self.trackers))

    @property
    def awaited(self) -> int | None:
        """How many containers and processes are named; None when something watches without naming any."""
        if not all(one.containers or one.pids for one in self.filters):
            return None
        named = {("container", name) for one in self.filters for name in one.containers}
        return len(named | {("process", str(pid)) for one in self.filters for pid in one.pids})

    def filter_of(self, tracker: TrackerConfig) -> FilterConfig:
        """Whom a tracker watches."""
        return self.filter if tracker.filter is None else tracker.filter


@dataclass(frozen=True)
class SinkConfig:
    """Where events go.

    Attributes:
        name: what trackers call it.
        format: one of `sinks.formats.FORMATS`.
        file: where to, with `{tracker}` for the name of each tracker; None is stdout.
        columns: those to write, in order; None for all, or for those that a table usually shows.
    """

    name: str
    format: str = "table"
    file: str | None = None
    columns: tuple[str, ...] | None = None

    @property
    def apart(self) -> bool:
        """Whether every tracker has a file of its own."""
        return self.file is not None and "{tracker}" in self.file

    def file_of(self, tracker: str) -> str | None:
        """The file that a tracker, by its label, writes to."""
        return self.file and self.file.replace("{tracker}", tracker)


@dataclass(frozen=True)
class DatabaseConfig:
    """A database that events and alerts go to.

    Attributes:
        type: one of `sinks.databases.making.TYPES`, and what it is called.
        options: those of its type.
        spool_dir: where events wait while it is away; None for the usual place.
        trackers: of a daemon, those whose events are written; None for all that run.
        alerts: of a daemon, whether alerts are written.
        level: the least level of these.
    """

    type: str
    options: Mapping[str, Any] = field(default_factory=dict)
    spool_dir: str | None = None
    trackers: tuple[str, ...] | None = None
    alerts: bool = True
    level: str = "event"


@dataclass(frozen=True)
class PushConfig:
    """How metrics are sent to somebody who does not ask for them.

    Attributes:
        url: where to.
        interval_s: how often.
        timeout_s: bound on connecting, and on each wait for an answer.
        headers: further ones, each `Name: value`.
        username, password_file: who we are, for basic authentication.
        token_file: file with a bearer token.
        ca_file: certificates of the authorities that the receiver may be certified by; None for the machine's.
        labels: further labels of every series; by OTLP attributes of the resource.
        backlog_bytes: how much waits in memory while the receiver is away.
        node: what this machine is called; None for its host name.
    """

    url: str
    interval_s: float = 15.0
    timeout_s: float = 10.0
    headers: tuple[str, ...] = ()
    username: str | None = None
    password_file: str | None = None
    token_file: str | None = None
    ca_file: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    backlog_bytes: int = 16 << 20
    node: str | None = None

    @property
    def shown(self) -> str:
        """Where to, without what may be secret in a query."""
        return self.url.partition("?")[0]


@dataclass(frozen=True)
class PrometheusConfig:
    """How metrics are served, and where they are sent to.

    Attributes:
        listen: host and port; None when nobody is served.
        drop_labels: labels that are not told apart: their values are added up.
        cap: bound on the series of each metric; what comes then is added to series `other`.
        expire_s: how long series of a container that is over stay after its last event.
        trackers: of a daemon: what is counted; it runs for that alone where the trackers of the rules will not do.
        latency: of a daemon: which of these also measure how long calls take.
        remote_write, otlp: where they are sent to by these protocols; None for nowhere.
    """

    listen: tuple[str, int] | None = ("127.0.0.1", 10435)
    drop_labels: tuple[str, ...] = ()
    cap: int = 10_000
    expire_s: float = 300.0
    trackers: tuple[str, ...] = ()
    latency: tuple[str, ...] = ()
    remote_write: PushConfig | None = None
    otlp: PushConfig | None = None


@dataclass(frozen=True)
class RunConfig:
    """What a configuration file asks for.

    Attributes:
        agent: what runs.
        sinks: by name.
        routes: the names of each tracker's sinks and databases, by the tracker's label.
        duration_s: how long; None is until it is stopped.
        databases: by name.
        prometheus: how metrics are served; None when they are not.
    """

    agent: AgentConfig
    sinks: Mapping[str, SinkConfig]
    routes: Mapping[str, tuple[str, ...]]
    duration_s: float | None = None
    prometheus: PrometheusConfig | None = None
    databases: Mapping[str, DatabaseConfig] = field(default_factory=dict)

    def sources(self, sink: str) -> tuple[TrackerConfig, ...]:
        """The trackers that write to a sink or database."""
        return tuple(tracker for tracker in self.agent.trackers if sink in self.routes[tracker.label])

    def is_shared(self, sink: str) -> bool:
        """Whether several trackers write to the same place there."""
        return len(self.sources(sink)) > 1 and not self.sinks[sink].apart


@dataclass(frozen=True)
class AlertSinkConfig:
    """A place that alerts go to.

    Attributes:
        name: what it is called; its spool, too.
        type: one of `sinks.alerts.making.TYPES`.
        level: the least level that it is sent.
        spool_bytes: bound on what waits for it on disk.
        options: those of its type.
    """

    name: str
    type: str
    level: str = "event"
    spool_bytes: int = 64 << 20
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DaemonConfig:
    """What a daemon is to do, but for its rules.

    Attributes:
        state_dir: what outlives it.
        socket: where `eunomia status` asks it.
        node: what the machine is called in alerts; None for its host name.
        rules: files and directories of rules, laid over the default ones.
        default_rules: whether those hold, too.
        stdout: how alerts are printed: text, json or none.
        ring_bytes: size of the kernel's buffer of each tracker; None leaves it to what a daemon needs.
        filter: whom to watch.
        docker_host: as in AgentConfig.
        alerts: where alerts go.
        databases: where events go, and alerts as well.
        prometheus: how metrics are served; None when they are not.
    """

    state_dir: str = "/var/lib/eunomia"
    socket: str = "/run/eunomia/status.sock"
    node: str | None = None
    rules: tuple[str, ...] = ()
    default_rules: bool = True
    stdout: str = "text"
    ring_bytes: int | None = None
    filter: FilterConfig = FilterConfig()
    docker_host: str | None = None
    alerts: tuple[AlertSinkConfig, ...] = ()
    prometheus: PrometheusConfig | None = None
    databases: tuple[DatabaseConfig, ...] = ()

    @property
    def places(self) -> tuple[AlertSinkConfig, ...]:
        """All that alerts go to, databases among them."""
        written = (one for one in self.databases if one.alerts)
        return (*self.alerts, *(AlertSinkConfig(one.type, one.type, one.level, options=one.options) for one in written))
