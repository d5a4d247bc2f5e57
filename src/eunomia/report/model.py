"""The report of behaviour, as values. The JSON, its schema and the CSV are derived from these classes."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Annotated

FORMAT = 2


@dataclass(frozen=True)
class Process:
    """A program with its arguments, however often it was run."""

    executable: Annotated[str | None, "path of the program file; for one that could not be run, as it was named"]
    args: Annotated[list[str] | None, "the argument list, the program's own name first"]
    count: Annotated[int, "how often it was run"]
    failed: Annotated[int, "how often it could not be run"]
    errors: Annotated[list[str], "why it could not be run, as names of errno"]
    users: Annotated[list[int], "user ids it ran as, as the host sees them"]

    @property
    def what(self) -> str:
        """It in one line."""
        return shlex.join(self.args) if self.args else self.executable or ""


@dataclass(frozen=True)
class Ending:
    """How processes of a name ended."""

    comm: Annotated[str | None, "name of the program, at most 15 characters"]
    exit_code: Annotated[int | None, "the code given to exit(2); null when a signal ended the process"]
    signal: Annotated[str | None, "the signal that ended the process"]
    count: Annotated[int, "how often"]
    longest_ns: Annotated[int | None, "how long the one lived that lived longest, in nanoseconds"]

    @property
    def what(self) -> str:
        """It in one line."""
        return f"{self.comm} {self.signal or self.exit_code}"


@dataclass(frozen=True)
class File:
    """What was done with a file."""

    path: Annotated[str | None, "as the container sees it"]
    host_path: Annotated[str | None, "as the host sees it"]
    opens: Annotated[int, "how often it was opened"]
    reads: Annotated[int, "reads"]
    read_bytes: Annotated[int, "bytes read"]
    writes: Annotated[int, "writes"]
    write_bytes: Annotated[int, "bytes written"]
    deletes: Annotated[int, "how often it was deleted"]
    renames: Annotated[int, "how often it was renamed"]

    @property
    def what(self) -> str:
        """It in one line."""
        return self.path or self.host_path or ""


@dataclass(frozen=True)
class Peer:
    """An address that was spoken with."""

    direction: Annotated[
        str, "`out`: the container connected; `in`: it was connected to; `unknown`: only the end was seen"
    ]
    address: Annotated[str | None, "of the other side"]
    port: Annotated[int | None, "the port connected to: `in` the container's own, else the other side's"]
    connections: Annotated[int, "connections that came about"]
    failed: Annotated[int, "attempts that failed"]
    errors: Annotated[list[str], "why they failed, as names of errno"]
    sent_bytes: Annotated[int, "bytes sent over connections that have ended"]
    received_bytes: Annotated[int, "bytes received over connections that have ended"]

    @property
    def what(self) -> str:
        """It in one line."""
        address = f"[{self.address}]" if self.address and ":" in self.address else self.address
        return f"{self.direction} {address}:{self.port}"


@dataclass(frozen=True)
class Syscall:
    """A system call."""

    syscall: Annotated[str | None, "its name"]
    count: Annotated[int, "how often it was called"]
    errors: Annotated[int, "how often it failed"]
    errnos: Annotated[dict[str, int], "name of errno -> how often it failed with that"]

    @property
    def what(self) -> str:
        """It in one line."""
        return self.syscall or ""


@dataclass(frozen=True)
class Capability:
    """A capability that was asked for."""

    capability: Annotated[str | None, "its name"]
    count: Annotated[int, "how often it was asked for"]
    denied: Annotated[int, "how often it was not there"]

    @property
    def what(self) -> str:
        """It in one line."""
        return self.capability or ""


@dataclass(frozen=True)
class Partner:
    """Who was spoken with on the same machine, and how."""

    kind: Annotated[str | None, "the kind of operation"]
    peer_container: Annotated[str | None, "name or id of the container of the other side; `host` outside of containers"]
    object: Annotated[str | None, "key, name or path of what they spoke through"]
    count: Annotated[int, "operations"]

    @property
    def what(self) -> str:
        """It in one line."""
        return " ".join(filter(None, (self.kind, self.peer_container, self.object)))


@dataclass(frozen=True)
class Use:
    """What the container used in the time of the record; of one that ran before, from its first row on."""

    cpu_seconds: Annotated[float | None, "CPU time"]
    cpu_throttled_seconds: Annotated[float | None, "how long its CPU limit stopped it"]
    memory_mean_bytes: Annotated[int | None, "mean of the working set"]
    memory_max_bytes: Annotated[int | None, "the largest working set that was seen"]
    memory_peak_bytes: Annotated[int | None, "the most memory it has ever used, cache of files included"]
    memory_limit_bytes: Annotated[int | None, "its last memory limit; null without one"]
    memory_failures: Annotated[int | None, "how often it was at its memory limit"]
    oom_kills: Annotated[int | None, "processes killed for want of memory"]
    disk_read_bytes: Annotated[int | None, "bytes read from block devices"]
    disk_written_bytes: Annotated[int | None, "bytes written to block devices"]
    disk_reads: Annotated[int | None, "reads from block devices"]
    disk_writes: Annotated[int | None, "writes to block devices"]
    net_received_bytes: Annotated[int | None, "bytes that came into its own network namespace"]
    net_sent_bytes: Annotated[int | None, "bytes that its own network namespace sent"]
    pids_max: Annotated[int | None, "the most processes and threads that were seen"]

    @property
    def what(self) -> str:
        """It in one line."""
        return "use"


@dataclass(frozen=True)
class Container:
    """What one container did. A part is null when its tracker was not recorded."""

    id: Annotated[str, "id of the container, twelve digits; `host` for what ran outside of containers"]
    name: Annotated[str | None, "its name as the runtime said it last"]
    images: Annotated[list[str], "images it ran from, as far as the runtime said"]
    first_seen: Annotated[str | None, "time of its first event, RFC 3339"]
    last_seen: Annotated[str | None, "time of its last event, RFC 3339"]
    events: Annotated[dict[str, int], "tracker -> recorded events"]
    left_out: Annotated[dict[str, int], "part -> entries beyond the limit, the least frequent"]
    processes: Annotated[list[Process] | None, "programs run, most frequent first"] = None
    endings: Annotated[list[Ending] | None, "how processes ended, most frequent first"] = None
    files: Annotated[list[File] | None, "files used, most used first"] = None
    peers: Annotated[list[Peer] | None, "addresses spoken with over TCP, most frequent first"] = None
    syscalls: Annotated[list[Syscall] | None, "system calls, most frequent first"] = None
    capabilities: Annotated[list[Capability] | None, "capabilities asked for, most frequent first"] = None
    ipc: Annotated[list[Partner] | None, "partners in inter-process communication, most frequent first"] = None
    resources: Annotated[list[Use] | None, "use of resources: one entry, or none where nothing was seen"] = None


@dataclass(frozen=True)
class RunFacts:
    """A run that the record comes from."""

    name: Annotated[str, "its name in the record"]
    host: Annotated[str, "name of the machine"]
    kernel: Annotated[str, "release of its kernel"]
    eunomia: Annotated[str, "version that recorded"]
    started: Annotated[str, "when it began, RFC 3339"]
    ended: Annotated[str | None, "when it ended, RFC 3339; null when it goes on or was killed"]
    trackers: Annotated[list[str], "what it ran"]
    lost: Annotated[dict[str, int], "cause -> events lost"]


@dataclass(frozen=True)
class Report:
    """What the containers of a record did."""

    format: Annotated[int, "of this report; grows when something is renamed or removed"]
    eunomia: Annotated[str, "version that made the report"]
    since: Annotated[str | None, "only events from then on were looked at, RFC 3339; null: from the record's beginning"]
    until: Annotated[str | None, "only events before then were looked at, RFC 3339; null: to the record's end"]
    runs: Annotated[list[RunFacts], "the runs that the record comes from, oldest first"]
    not_recorded: Annotated[list[str], "parts of a container that are null because no tracker for them was recorded"]
    containers: Annotated[list[Container], "containers by name, then id; `host` among them"]
