"""From a container, or a record of one, to a recommendation, and to a trial of it."""

from __future__ import annotations

import math
import platform
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from eunomia.config import FilterConfig, TrackerConfig
from eunomia.containers.description import Description
from eunomia.containers.docker import Docker
from eunomia.containers.listing import list_containers
from eunomia.containers.runtime import RuntimeUnavailable
from eunomia.containers.runtimes import Runtimes
from eunomia.containers.selection import Known, select
from eunomia.containers.settings import read_settings
from eunomia.errors import EunomiaError, UsageError
from eunomia.host.procfs import IdMaps, Procfs
from eunomia.host.roots import Roots
from eunomia.observing import Observer
from eunomia.pipeline.handler import Handler
from eunomia.privileges.activity import Activities, Activity
from eunomia.privileges.advising import Evidence, recommend
from eunomia.privileges.capabilities import USER_NS_INIT
from eunomia.privileges.collect import Collection, unite
from eunomia.privileges.granted import STANDARD_DEVICES, Granted, Mounted
from eunomia.privileges.least import profile_of
from eunomia.privileges.places import Directory
from eunomia.privileges.profile import Profile
from eunomia.privileges.recommendation import Recommendation
from eunomia.privileges.usage import Observation, Usage
from eunomia.record.reading import Record
from eunomia.record.replay import Replay
from eunomia.record.selection import Selection
from eunomia.schema.batch import Schema
from eunomia.trackers.declaration import Tracker

TRACKERS = (
    TrackerConfig("usage"),
    TrackerConfig("capable", {"needs": True}),
    TrackerConfig("process", {"credentials": True}),
    TrackerConfig("files", {"events": True, "reads": False}, name="file changes"),
    TrackerConfig("files", name="file uses"),
    TrackerConfig("ipc", {"kinds": ("unix",)}),
)
"""What watches a container for a recommendation: counts where that will do, so that nothing is lost under load."""


_PAUSE_S = 0.2
_LOOK_AGAIN_S = 0.5


@dataclass(frozen=True)
class Subject:
    """A container as it was at one moment, and whom to ask about it.

    Attributes:
        described: what is known of it.
        granted: what it may do.
        users: (uid, gid) that its processes run as, as the host sees them.
        docker: the daemon that runs it; None where another runtime does.
        inspected: all that this daemon says of it.
        ids: what the ids of its user namespace are here; None where it did not run.
    """

    described: Description
    granted: Granted
    users: frozenset[tuple[int, int]] = frozenset()
    docker: Docker | None = None
    inspected: Mapping[str, Any] | None = None
    ids: IdMaps | None = None

    def look(self, roots: Roots) -> Callable[[str], Directory | None]:
        """What a directory of it is now."""
        pid = self.described.pid
        if pid is None:
            return lambda _path: None
        return partial(_directory, roots.proc / str(pid) / "root", self.ids)


def _directory(root: Path, ids: IdMaps | None, path: str) -> Directory | None:
    """A directory below a container's root; None where there is none, or a link, which would lead to the host's."""
    current, found = root, None
    for part in path.strip("/").split("/"):
        current /= part
        try:
            found = current.lstat()
        except OSError:  # it is gone, or was never there
            return None
        if not stat.S_ISDIR(found.st_mode):
            return None
    if found is None:
        return None
    return Directory(stat.S_IMODE(found.st_mode), None if ids is None else ids.inside(found.st_uid, found.st_gid))


def find(wanted: str, docker_host: str | None, roots: Roots, timeout_s: float = 5.0) -> Subject:
    """A container by id, beginning of an id, or name, whether it runs or not.

    Raises:
        UsageError: there is none, or several.
    """
    listed = list_containers(roots, docker_host, stopped=True)
    known = [Known(one.id, one.name or None, one.pod_names) for one in listed]
    selection, _ = select([wanted], known, wait=False, advice="")
    found = [one for one in listed if one.id in selection.ids]
    if len(found) != 1:
        raise UsageError(
            f"{wanted!r} are {len(found)} containers: {', '.join(one.id[:12] for one in found)}; give an id"
        )
    for runtime in Runtimes(roots, docker_host, timeout_s).found():
        if isinstance(runtime, Docker) and (inspected := _inspected(runtime, found[0].id)) is not None:
            user = str(inspected["Config"].get("User") or "")
            return _subject(found[0], user, roots, docker=runtime, inspected=inspected)
    return _subject(found[0], None, roots)


def _subject(one: Description, user: str | None, roots: Roots, **docker: Any) -> Subject:
    ids = None if one.pid is None else Procfs(roots).id_maps(one.pid)
    return Subject(one, _granted(one, user, roots), _users(one, roots), ids=ids, **docker)


def _users(one: Description, roots: Roots) -> frozenset[tuple[int, int]]:
    procfs = Procfs(roots)
    found = [status for pid in one.pids if (status := procfs.status(pid)) is not None]
    return frozenset((int(status["Uid"].split()[1]), int(status["Gid"].split()[1])) for status in found)


def _inspected(docker: Docker, container_id: str) -> Mapping[str, Any] | None:
    try:
        return docker.inspect(container_id)
    except RuntimeUnavailable:  # it is down: the container is another runtime's, or is described without it
        return None


def _granted(one: Description, user: str | None, roots: Roots) -> Granted:
    settings = read_settings(one, user, roots)
    devices = settings.devices
    return Granted(
        name=one.name or one.id[:12],
        image=one.image,
        user=user,
        capabilities=one.capabilities,
        privileged=one.privileged,
        no_new_privs=settings.no_new_privs,
        read_only_root=settings.read_only_root,
        seccomp=one.seccomp,
        mounts=tuple(Mounted(each.target, each.source, each.type, each.writable) for each in one.mounts),
        devices=None if devices is None else tuple(each for each in devices if each not in STANDARD_DEVICES),
    )


@dataclass(frozen=True)
class Seen:
    """What an observation has come to."""

    usage: Usage
    activity: Activity


class Watching:
    """Watches one container with `TRACKERS`. Use it as a context manager.

    Args:
        container: which: id, beginning of an id, or name.
        docker_host: as in AgentConfig.
        wait: whether to wait for it where it is not there yet.

    Attributes:
        waits: whether it is waited for.
        subject: the container as it was when it was looked at last while it ran.
    """

    def __init__(self, container: str, docker_host: str | None, *, wait: bool = False) -> None:
        self._activities = Activities()
        self._container, self._docker_host = container, docker_host
        self._there = False
        self._next_look_s, self._look_after_s = 0.0, _LOOK_AGAIN_S
        self.waits = False
        self.subject: Subject | None = None
        watch = FilterConfig(containers=(container,), wait=wait)
        self._observer = Observer(watch, TRACKERS, beside=self._sink, docker_host=docker_host, on_appear=self._appeared)

    def _sink(self, config: TrackerConfig, tracker: Tracker, _schema: Schema) -> Handler:
        return self._activities.sink(config.tracker, tracker.settle(config.options))

    def _appeared(self, _name: str) -> None:
        self._there = True

    def __enter__(self) -> Watching:
        self._observer.__enter__()
        self.waits = bool(self._observer.agent.missing)
        self._there = self._there or not self.waits
        return self

    def __exit__(self, *exception: object) -> None:
        self._observer.__exit__(*exception)

    def follow(self, duration_s: float | None, pause: Callable[[float], bool]) -> None:
        """Watches until the time is over, counted from when it is there; until it ends, or `pause` says True.

        Args:
            pause: waits so many seconds; True when it is to end at once.

        Raises:
            Exception: what ended the run.
        """
        end_s = None
        while not self._observer.agent.wait(0) and not self._observer.is_over():
            if self._there:
                end_s = end_s or time.monotonic() + (duration_s or math.inf)
                self._look()
            if (end_s is not None and time.monotonic() >= end_s) or pause(_PAUSE_S):
                break
        self._next_look_s = 0.0
        self._look()
        self._observer.stop()

    def _look(self) -> None:
        """Looks what it has, less and less often: just after its start the runtime has not settled everything yet."""
        now_s = time.monotonic()
        if now_s < self._next_look_s:
            return
        self._look_after_s *= 2
        self._next_look_s = now_s + self._look_after_s
        try:
            found = find(self._container, self._docker_host, Roots())
        except UsageError:  # gone again, and removed
            return
        if found.described.pid is not None or self.subject is None:
            self.subject = found

    def seen(self) -> Seen:
        """What has come of it, when it is over.

        Raises:
            EunomiaError: nothing was seen at all.
        """
        usages = self._observer.usages()
        if not usages:
            told = f"nothing was seen of container {self._container}: watch it while it works, or from its start"
            raise EunomiaError(f"{told} with --wait")
        return Seen(unite(usages, self._container), self._activities.of(self._activities.containers))


def seen_in_record(record: Record, wanted: str, since: datetime | None, until: datetime | None) -> Seen:
    """What a record says of one container.

    Raises:
        UsageError: the container is not in it, or no tracker that says anything.
        EunomiaError: it cannot be read.
    """
    selection = Selection((wanted,), since=since, until=until).resolved(record)
    activities, collection = Activities(), Collection()
    for run in record.runs:
        for stream in run.streams:
            activities.watches(stream.tracker, stream.options)
    trackers = [tracker for tracker in record if "container_id" in record.schema(tracker)]
    moments: list[datetime] = []
    for _, batch in Replay(record, trackers, selection):
        collection.take(batch)
        activities.take(batch.source, batch)
        first, last = batch.frame.select(first=pl.col("time").min(), last=pl.col("time").max()).row(0)
        moments = [min((first, *moments)), max((last, *moments))]
    if not moments:
        raise UsageError(f"the record has no event of container {wanted!r} in that time")
    lost: dict[str, int] = {}
    for run in record.runs:
        for cause, number in (run.summary or {}).get("lost", {}).items():
            lost[cause] = lost.get(cause, 0) + number
    machine = next((run.machine for run in reversed(record.runs) if run.machine), platform.machine())
    from_start = _begins_with_runtime(record, selection)
    usages = collection.usages(
        machine, lambda _id, events: Observation((moments[1] - moments[0]).total_seconds(), from_start, events, lost)
    )
    return Seen(unite(usages.values(), wanted), activities.of(activities.containers))


def _begins_with_runtime(record: Record, selection: Selection) -> bool:
    """Whether the first call that was seen was the runtime's, before there was any workload."""
    if "usage" not in list(record):
        return False
    condition = selection.expression(record.schema("usage"))
    frame = record.scan("usage", selection.since, selection.until)
    rows = frame if condition is None else frame.filter(condition)
    first = rows.sort("time").select(pl.col("phase").cast(pl.String)).first().collect()
    return bool(first.height) and str(first.item()).startswith("runtime")


def recommendation(
    seen: Seen, subject: Subject | None, name: str, roots: Roots, *, margin: str, arguments: bool
) -> tuple[Recommendation, Profile]:
    """What is recommended, and the profile that goes with it.

    Args:
        subject: the container as it is now; None where it is not here.
        name: what it is called where there is no subject.
        margin, arguments: as of `profile_of`.
    """
    profile = profile_of(seen.usage, margin, arguments)
    if subject is None:
        activity = _as_inside(seen.activity, None)
        return recommend(Evidence(seen.usage, activity, Granted(name), profile)), profile
    # Who ran before the watch began has not been seen to start.
    users = (seen.activity.users or frozenset()) | subject.users
    activity = _as_inside(replace(seen.activity, users=users), subject.ids)
    return recommend(Evidence(seen.usage, activity, subject.granted, profile, subject.look(roots))), profile


def _as_inside(activity: Activity, ids: IdMaps | None) -> Activity:
    """With the users as the container sees them, whose settings take nothing else."""
    if ids is None:  # without a user namespace of its own they are the host's
        known = not activity.users or activity.user_namespaces == {USER_NS_INIT}
        return activity if known else replace(activity, users=None)
    users = {ids.inside(*user) for user in activity.users or ()}
    return replace(activity, users=None if None in users else frozenset(one for one in users if one is not None))


__all__ = ["TRACKERS", "Seen", "Subject", "Watching", "find", "recommendation", "seen_in_record"]
