"""From what was used and what is granted to a recommendation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from eunomia.privileges.activity import SUBJECTS, Activity
from eunomia.privileges.capabilities import instead, reason
from eunomia.privileges.dangers import Danger, of_calls, of_capabilities
from eunomia.privileges.granted import STANDARD_DEVICES, Granted, Mounted
from eunomia.privileges.places import Directory, Place, places
from eunomia.privileges.profile import Profile
from eunomia.privileges.recommendation import (
    FORMAT,
    Added,
    Capabilities,
    Device,
    Mount,
    Recommendation,
    Risk,
    Setting,
    Syscalls,
    Trust,
    Writable,
)
from eunomia.privileges.runtime_default import CAPABILITIES, default_profile
from eunomia.privileges.usage import CapabilityUse, Observation, Usage, Verdict
from eunomia.schema.syscalls import ENTRY_CODES, NAMES, codes
from eunomia.version import __version__

_SHORT_S, _LONG_S = 600, 86_400
_IDLE_EVENTS = 1000
_PART_OF = {"needs": "capabilities", "gains": "users", "changes": "writes"}
"""What is not missed by itself where nothing is known of the other."""
_ROOT_USERS = ("", "0", "root", "0:0", "root:root")


@dataclass(frozen=True)
class Evidence:
    """What a recommendation is made from.

    Attributes:
        usage: what was used.
        activity: what else it was seen to do.
        granted: what the container has now.
        profile: the seccomp profile that follows from its usage.
        look: what a directory of the container is now.
    """

    usage: Usage
    activity: Activity
    granted: Granted
    profile: Profile
    look: Callable[[str], Directory | None] = lambda _path: None


def recommend(evidence: Evidence) -> Recommendation:
    """The recommendation."""
    usage, activity, granted = evidence.usage, evidence.activity, evidence.granted
    found = _places(evidence)
    return Recommendation(
        format=FORMAT,
        eunomia=__version__,
        container=granted.name,
        image=granted.image,
        machine=usage.machine,
        trust=trust(usage.observation),
        syscalls=_syscalls(evidence) if "calls" in activity.seen else None,
        capabilities=_capabilities(evidence),
        settings=[*_settings(evidence, found)],
        writable=None if found is None else [_writable(one) for one in found],
        mounts=None if granted.mounts is None else [_mount(one, evidence) for one in granted.mounts],
        devices=None if granted.devices is None else [_device(one, evidence) for one in granted.devices],
        not_known=[*_not_known(evidence)],
    )


def trust(observation: Observation) -> Trust:
    """How far an observation can be trusted, in words."""
    reasons = []
    seconds = observation.duration_s
    if seconds < _SHORT_S:
        reasons.append("it was watched for less than 10 minutes: what it does once an hour or once a day was not seen")
    elif seconds < _LONG_S:
        reasons.append("it was watched for less than a day: what it does at night or once a week was not seen")
    if not observation.from_start:
        reasons.append("its start was not seen: what it needs only to start is missing, and it may not start again")
    if observation.events < _IDLE_EVENTS:
        reasons.append(f"it did little: {observation.events:,} events; let it do its real work while it is watched")
    if observation.lost:
        told = ", ".join(f"{number:,} {cause}" for cause, number in sorted(observation.lost.items()))
        reasons.append(f"events were lost ({told}): something that it needs may be missing")
    guess = seconds < _SHORT_S or not observation.from_start or observation.lost or observation.events < _IDLE_EVENTS
    level = "guess" if guess else "fair" if seconds < _LONG_S else "good"
    return Trust(level, reasons, round(seconds, 3), observation.from_start, observation.events, dict(observation.lost))


def _syscalls(evidence: Evidence) -> Syscalls:
    usage, granted = evidence.usage, evidence.granted
    native = {name for name in NAMES if any(code < ENTRY_CODES for code in codes(name, usage.machine))}
    held = CAPABILITIES if granted.capabilities is None else granted.capabilities
    default = default_profile(held, usage.machine).allowed & native
    used, allowed = {call.name for call in usage.needed}, evidence.profile.allowed
    comments = {name: rule.comment for rule in evidence.profile.rules for name in rule.names}
    return Syscalls(
        now=granted.seccomp,
        used=sorted(used),
        added=[Added(name, comments[name].removeprefix("margin: ")) for name in sorted(allowed - used)],
        allowed=len(allowed),
        default_allows=len(default),
        beyond_default=sorted((used & native) - default),
        dropped=_risks(of_calls((native if granted.seccomp == "unconfined" else default) - allowed)),
    )


def _risks(dangers: Iterable[Danger]) -> list[Risk]:
    return [Risk(one.name, one.weight, one.text) for one in dangers]


def _capabilities(evidence: Evidence) -> Capabilities:
    now = evidence.granted.capabilities
    uses = evidence.usage.capabilities

    def by(verdict: Verdict) -> set[str]:
        return {use.name for use in uses if use.verdict is verdict and not use.own_namespace}

    needed = by(Verdict.NEEDED)
    passing = sorted(by(Verdict.IN_PASSING) - needed)
    watched = "capabilities" in evidence.activity.seen
    return Capabilities(
        now=None if now is None else list(now),
        recommended=sorted(needed) if watched else None,
        smaller={name: sorted(others) for name, others in sorted(instead(uses).items())},
        in_passing=passing,
        why_in_passing={name: why for name in passing if (why := _why(name, uses))},
        denied=sorted(by(Verdict.DENIED) - needed),
        dropped=_risks(of_capabilities(set(now or ()) - needed)) if watched else [],
    )


def _why(capability: str, uses: Iterable[CapabilityUse]) -> str | None:
    calls = {call for use in uses if use.name == capability and use.verdict is Verdict.IN_PASSING for call in use.calls}
    return next((why for call in sorted(calls) if (why := reason(capability, call))), None)


def _places(evidence: Evidence) -> tuple[Place, ...] | None:
    if "writes" not in evidence.activity.seen:
        return None
    mounted = [one.target for one in evidence.granted.mounts or ()]
    return places(evidence.activity, mounted, evidence.look)


def _writable(place: Place) -> Writable:
    return Writable(place.path, place.kind, place.tmpfs_options if place.kind == "tmpfs" else "", place.example)


def _yes(value: bool | None) -> str | None:
    return None if value is None else "yes" if value else "no"


def _settings(evidence: Evidence, found: tuple[Place, ...] | None) -> Iterable[Setting]:
    granted, activity = evidence.granted, evidence.activity
    privileged = "its capabilities, devices and profile below say what it needs instead"
    yield Setting("privileged", _yes(granted.privileged), "no", privileged if granted.privileged else "")
    yield _user(evidence)
    if "gains" not in activity.seen:
        yield Setting("no_new_privs", _yes(granted.no_new_privs), None, _unseen("gains"))
    elif activity.gained:
        who = ", ".join(sorted(activity.gained))
        yield Setting("no_new_privs", _yes(granted.no_new_privs), "no", f"run with more rights than before: {who}")
    else:
        yield Setting("no_new_privs", _yes(granted.no_new_privs), "yes", "no program gained rights by being run")
    yield Setting("read_only_root", _yes(granted.read_only_root), *_read_only(activity, found))


def _read_only(activity: Activity, found: tuple[Place, ...] | None) -> tuple[str | None, str]:
    if found is None:
        return None, _unseen("writes")
    if kept := [one for one in found if one.kind == "image"]:
        told = ", ".join(one.example for one in kept[:3])
        return "no", f"it writes among the image's own files: {told}{' …' if len(kept) > 3 else ''}"
    part = "" if "changes" in activity.seen else f"; {_unseen('changes')}"
    if not found:
        return "yes", f"nothing was written to it{part}"
    return "yes", f"what was written to it lies in {len(found)} director{'y' if len(found) == 1 else 'ies'}{part}"


def _user(evidence: Evidence) -> Setting:
    now = evidence.granted.user
    shown = None if now is None else now or "root"
    if evidence.activity.users is None:
        return Setting("user", shown, None, "not known: the ids that it has in its user namespace could not be told")
    users = sorted(evidence.activity.users)
    if "users" not in evidence.activity.seen or not users:
        return Setting("user", shown, None, "no process was seen")
    told = ", ".join(f"{uid}:{gid}" for uid, gid in users)
    others = [(uid, gid) for uid, gid in users if uid]
    if now is not None and now not in _ROOT_USERS:
        return Setting("user", shown, shown, f"it ran as {told}")
    if len(others) == len(users) == 1:
        return Setting("user", shown, told, f"it ran as {told} only")
    if others:
        then = ", ".join(f"{uid}:{gid}" for uid, gid in others)
        return Setting("user", shown, shown, f"it starts as root and goes on as {then}: it needs root to start")
    if evidence.usage.capabilities and not any(one.verdict is Verdict.NEEDED for one in evidence.usage.capabilities):
        return Setting("user", shown, shown, "it ran as root and used none of root's capabilities: try another user")
    return Setting("user", shown, shown, "it ran as root")


def _mount(one: Mounted, evidence: Evidence) -> Mount:
    advice, reason = _advice(one, evidence.activity, from_start=evidence.usage.observation.from_start)
    return Mount(one.target, one.source, one.writable, advice, reason)


def _advice(one: Mounted, activity: Activity, *, from_start: bool) -> tuple[str, str]:
    if "uses" not in activity.seen:
        return "keep", _unseen("uses")
    if not activity.is_used(one.target):
        unseen = "" if "sockets" in activity.seen else f"; {_unseen('sockets')}"
        if not from_start:
            return "keep", f"nothing in it was opened meanwhile, but it may have been before{unseen}"
        return "remove", f"nothing in it was opened{unseen}"
    if from_start and one.writable and one.type != "tmpfs" and not activity.is_written(one.target):
        return "read-only", "it was only read"
    return "keep", "it was written" if activity.is_written(one.target) else "it was read"


def _device(path: str, evidence: Evidence) -> Device:
    activity = evidence.activity
    used = path in activity.used or "uses" not in activity.seen or not evidence.usage.observation.from_start
    return Device(path, "keep" if used or path in STANDARD_DEVICES else "remove")


def _unseen(subject: str) -> str:
    about, tracker = SUBJECTS[subject]
    return f"not known {about}: `{tracker}` did not watch"


def _not_known(evidence: Evidence) -> Iterable[str]:
    seen = evidence.activity.seen
    for subject, (about, tracker) in SUBJECTS.items():
        if subject not in seen and _PART_OF.get(subject, subject) in {subject, *seen}:
            yield f"{about}: tracker `{tracker}` did not watch"
    if unnamed := sorted(call.name for call in evidence.usage.needed if call.name.startswith("#")):
        yield f"calls that have no name here, and that no profile can allow: {', '.join(unnamed)}"
    granted = evidence.granted
    missing = [
        name
        for name, value in (
            ("its capabilities", granted.capabilities),
            ("its mounts", granted.mounts),
            ("its devices", granted.devices),
            ("its seccomp profile", granted.seccomp),
        )
        if value is None
    ]
    if missing:
        yield f"what it has now of {', '.join(missing)}: it does not run, or its runtime does not say"
