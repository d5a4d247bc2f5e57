"""A recommendation put to the test: the image is started again with it, watched for denials, and removed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
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
from eunomia.privileges.usage import Verdict
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
            began_s = time.monotonic()
            refused = trial.start()
            health = None if refused else _watch(trial, check, wait)
            seconds = time.monotonic() - began_s
            code = trial.state().code if refused is None else None
            observer.stop()
        capabilities = {
            use.name for one in observer.usages() for use in one.capabilities if use.verdict is Verdict.DENIED
        }
        read_only = [
            path
            for path in sorted(activities.of(activities.containers).refused)
            if not is_read_only_today(inspected, path) and not any(is_below(path, one) for one in trial.made_read_only)
        ]
        denied = denials.calls if profile is not None else {}
        taken = sorted(capabilities & set(made.capabilities.now or ()) - set(made.capabilities.recommended or ()))
        works = refused is None and code in (None, 0) and (check.health is None or (health and not health.code))
        return Verification(
            holds=bool(works) and not (denied or taken or read_only),
            seconds=round(seconds, 3),
            started=refused is None,
            ended=code,
            health=None if health is None else health.code,
            denied_calls=denied,
            denied_capabilities=taken,
            read_only=read_only[:_MOST_TOLD],
            said=[*_said(trial, refused, health, code), *(_runtime(denials) if refused else ())],
            notes=[*trial.notes, *note],
        )


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


def _said(trial: Trial, refused: str | None, health: Ran | None, code: int | None) -> list[str]:
    told = [f"the runtime: {refused}"] if refused else []
    if health is not None and health.code:
        told.append(f"the health command: {health.said or 'nothing'}")
    if refused or code or (health is not None and health.code):
        told.append(f"the container: {trial.logs() or 'nothing'}")
    return told
