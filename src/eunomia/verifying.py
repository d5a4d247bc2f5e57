"""A recommendation put to the test: the image is started again with it, watched for denials, and removed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from eunomia.config import FilterConfig, TrackerConfig
from eunomia.containers.docker import Docker
from eunomia.errors import UsageError
from eunomia.observing import Observer
from eunomia.pipeline.handler import Handler
from eunomia.privileges import oci
from eunomia.privileges.activity import Activities, is_below
from eunomia.privileges.denials import Denials
from eunomia.privileges.deployment import deployment
from eunomia.privileges.profile import Profile
from eunomia.privileges.recommendation import Recommendation, Verification
from eunomia.privileges.today import is_read_only_today, profile_of_today
from eunomia.privileges.usage import Usage, Verdict
from eunomia.respond.actions import ActionLog
from eunomia.respond.trial import Ran, Trial
from eunomia.schema.batch import Schema
from eunomia.trackers.declaration import Tracker

_PAUSE_S = 0.25
_LEAST_S = 1.0
_MOST_TOLD = 20


@dataclass(frozen=True)
class Check:
    """How a trial is judged.

    Attributes:
        seconds: how long it is watched; with a health command, how long that may take to succeed.
        health: a command line that succeeds when the container does its work.
        outside: whether that is run by this host's shell in the container's network, not inside the container.
        share_mounts: whether the trial gets the container's own writable mounts.
    """

    seconds: float
    health: str | None = None
    outside: bool = False
    share_mounts: bool = False


@dataclass(frozen=True)
class _Course:
    """How a trial went.

    Attributes:
        refused: why it did not start.
        code: its exit code; None while it runs.
        health: what the health command said last.
        seconds: how long it was watched.
    """

    refused: str | None
    code: int | None
    health: Ran | None
    seconds: float

    def was_cut_short(self, check: Check) -> bool:
        """Whether somebody has ended it before it could show anything."""
        goes_on = self.refused is None and self.code is None
        return goes_on and check.health is None and self.seconds < check.seconds

    def works(self, check: Check) -> bool:
        """Whether it did its work, whatever was denied to it."""
        if self.refused is not None or self.code not in (None, 0) or self.was_cut_short(check):
            return False
        return check.health is None or (self.health is not None and not self.health.code)


def verify(
    made: Recommendation,
    profile: Profile | None,
    docker: Docker,
    inspected: Mapping[str, Any],
    check: Check,
    wait: Callable[[float], bool],
    log: ActionLog | None = None,
) -> Verification:
    """Starts the image again with what is recommended, and tells whether that holds.

    Args:
        docker: the daemon; patient, for a start takes seconds.
        inspected: what it says of the container.
        wait: waits so many seconds; True when the trial is to end at once.
        log: where what is done is written down.

    Raises:
        TrialError: there could be no trial.
    """
    text = None if profile is None else oci.write(profile)
    with Trial(docker, inspected, deployment(made), text, share_mounts=check.share_mounts, log=log) as trial:
        today, note = _today(made, inspected)
        activities = Activities()
        denials = Denials(profile or Profile(()), today, lambda: activities.named)

        def sink(config: TrackerConfig, tracker: Tracker, _schema: Schema) -> Handler:
            if config.tracker == "syscall":
                return denials
            return activities.sink(config.tracker, tracker.settle(config.options))

        watch = FilterConfig(containers=(trial.id,), wait=True)
        with Observer(watch, _trackers(denials), beside=sink, docker_host=docker.address) as observer:
            course = _run(trial, check, wait)
            lost = observer.stop().lost
        denied = denials.calls if profile is not None else {}
        taken = _taken(made, observer.usages())
        read_only = [*_read_only(trial, activities, inspected)]
        return Verification(
            holds=course.works(check) and not (denied or taken or read_only),
            seconds=round(course.seconds, 3),
            started=course.refused is None,
            ended=course.code,
            health=None if course.health is None else course.health.code,
            denied_calls=denied,
            denied_capabilities=taken,
            read_only=read_only[:_MOST_TOLD],
            said=[*_said(trial, course, check), *(_runtime(denials) if course.refused else ())],
            notes=[*trial.notes, *note, *_unseen(lost)],
        )


def _run(trial: Trial, check: Check, wait: Callable[[float], bool]) -> _Course:
    began_s = time.monotonic()
    refused = trial.start()
    health = None if refused else _watch(trial, check, wait)
    seconds = time.monotonic() - began_s
    return _Course(refused, trial.state().code if refused is None else None, health, seconds)


def _taken(made: Recommendation, usages: Iterable[Usage]) -> list[str]:
    """Capabilities that it has today, and that were refused to it since they are not recommended."""
    denied = {use.name for one in usages for use in one.capabilities if use.verdict is Verdict.DENIED}
    return sorted(denied & set(made.capabilities.now or ()) - set(made.capabilities.recommended or ()))


def _read_only(trial: Trial, activities: Activities, inspected: Mapping[str, Any]) -> Iterator[str]:
    for path in sorted(activities.of(activities.containers).refused):
        if not is_read_only_today(inspected, path) and not any(is_below(path, one) for one in trial.made_read_only):
            yield path


def _unseen(lost: Mapping[str, int]) -> Iterator[str]:
    if lost:
        told = ", ".join(f"{number:,} {cause}" for cause, number in sorted(lost.items()))
        yield f"events were lost ({told}): something may have been denied unseen"


def _today(made: Recommendation, inspected: Mapping[str, Any]) -> tuple[Profile | None, list[str]]:
    try:
        return profile_of_today(inspected, made.capabilities.now), []
    except UsageError as error:
        return None, [f"what the container's profile of today refuses is not known: {error}"]


def _trackers(denials: Denials) -> tuple[TrackerConfig, ...]:
    by_arguments = denials.judged_by_arguments
    single = TrackerConfig("syscall", {"events": True, "only": by_arguments}, name="arguments")
    return (
        TrackerConfig("syscall"),
        *((single,) if by_arguments else ()),
        TrackerConfig("capable", {"needs": True}),
        TrackerConfig("process"),
        TrackerConfig("files", {"events": True, "reads": False}),
    )


def _watch(trial: Trial, check: Check, wait: Callable[[float], bool]) -> Ran | None:
    """Watches until the time is over, it ends, or its health command succeeds; what that said last."""
    began_s, ran = time.monotonic(), None
    while trial.state().running:
        passed_s = time.monotonic() - began_s
        if check.health is not None and passed_s >= min(_LEAST_S, check.seconds):
            run = trial.run_outside if check.outside else trial.run
            ran = run(check.health, max(check.seconds - passed_s, _LEAST_S), lambda: wait(0))
        if (ran is not None and not ran.code) or time.monotonic() - began_s >= check.seconds or wait(_PAUSE_S):
            break
    return ran


def _runtime(denials: Denials) -> list[str]:
    calls = denials.calls_of_runtime
    return [f"the runtime may have needed: {', '.join(calls)}; try --margin runtime"] if calls else []


def _said(trial: Trial, course: _Course, check: Check) -> Iterator[str]:
    ill = course.health is not None and course.health.code
    if course.was_cut_short(check):
        yield "it was ended before its time: nothing follows from that"
    if course.refused:
        yield f"the runtime: {course.refused}"
    if course.health is not None and ill:
        yield f"the health command: {course.health.said or 'nothing'}"
    if course.refused or course.code or ill:
        yield f"the container: {trial.logs() or 'nothing'}"
