"""What trackers have to report, so that the rules can find what they look for, and nothing more.

Whoever pays for a hook or a ring record that no rule needs is whoever runs us; so options follow from the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from eunomia.detect.rule import RuleSet, Step
from eunomia.detect.tree import And, Check, Node, Not, Or

MOST_NAMES = 256
LONGEST_NAME = 63
"""Bytes. Bounds of the files tracker's `reads_of`."""

_MECHANISMS = {
    "shm": "sysv_shm",
    "sem": "sysv_sem",
    "msg": "sysv_msg",
    "mq": "posix_mq",
    "posix": "posix_shm",
    "pipe": "pipe",
    "fifo": "pipe",
    "unix": "unix",
    "signal": "signal",
}
"""How the ipc tracker's events begin -> what its `kinds` calls that."""
_PATHS = ("fd.name", "path", "host_path")
_FILE_NAMES = ("fd.filename",)
_NOT_OF_OPENS = ("new_path", "new_host_path", "fs.path.target")
_EVENT_FIELDS = ("evt.type", "event")
_OPENS = ("open", "openat", "openat2", "creat", "open_by_handle_at")
_WRITE_ONLY = ("evt.is_open_write", "evt.is_open_create")
_YES = ("true", "yes", "1")
_WILD = frozenset("*?[")


def needs(rules: RuleSet) -> Mapping[str, dict[str, Any]]:
    """Trackers and their options, as the rules in use need them. `process` is among them as soon as there is a rule.

    It tells every other tracker's events who did them.
    """
    steps = [step for rule in rules.enabled for step in (rule.step, *(rule.sequence.steps if rule.sequence else ()))]
    if not steps:
        return {}
    events: dict[str, set[str]] = {"process": set()}
    for step in steps:
        for tracker, event in step.on:
            events.setdefault(tracker, set()).add(event)
    return {tracker: _options(tracker, names, _asking(tracker, steps)) for tracker, names in sorted(events.items())}


def _asking(tracker: str, steps: Iterable[Step]) -> list[Step]:
    return [step for step in steps if any(one == tracker for one, _ in step.on)]


def _options(tracker: str, events: set[str], steps: list[Step]) -> dict[str, Any]:
    match tracker:
        case "process":
            return _process(events)
        case "files":
            return _files(steps)
        case "syscall":
            return _syscall(steps)
        case "sensitive":
            return {"only": tuple(sorted(events))}
        case "tcp":
            return {"states": True} if "state" in events else {}
        case "ipc":
            return _ipc(events)
    return {}


def _process(events: set[str]) -> dict[str, Any]:
    """Forks in any case: a daemon that has left its parent is else taken for a child of the host's first process."""
    asked = {
        "failed_execs": "exec_failed",
        "credentials": "credentials",
        "namespaces": "namespace",
        "comms": "comm",
    }
    return {"forks": True} | {option: True for option, event in asked.items() if event in events}


def _ipc(events: set[str]) -> dict[str, Any]:
    kinds = {_MECHANISMS[event.partition("_")[0]] for event in events}
    anonymous = {"anonymous": True} if events & {"pipe", "unix_pair"} else {}
    return {"kinds": tuple(sorted(kinds)), **anonymous}


def _files(steps: list[Step]) -> dict[str, Any]:
    options: dict[str, Any] = {"events": True}
    found = [file_names(step.condition) for step in steps if ("files", "open") in step.on]
    names = frozenset[str]().union(*(one for one in found if one is not None))
    if None in found or len(names) > MOST_NAMES:
        return options
    return {**options, "reads_of": tuple(sorted(names))} if names else {**options, "reads": False}


def _syscall(steps: list[Step]) -> dict[str, Any]:
    """Single calls, and of these only the ones that rules name."""
    found = [_values(step.condition, ("syscall",)) for step in steps]
    names = frozenset[str]().union(*(one for one in found if one is not None))
    return {"events": True, "only": () if None in found else tuple(sorted(names))}


def reads_everything(rules: RuleSet) -> tuple[str, ...]:
    """The rules that need every file that is opened for reading, since they do not say which names those have."""
    return tuple(
        rule.name
        for rule in rules.enabled
        for step in (rule.step, *(rule.sequence.steps if rule.sequence else ()))
        if ("files", "open") in step.on and file_names(step.condition) is None
    )


def file_names(condition: Node) -> frozenset[str] | None:
    """The names, without directories, that a file opened for reading must have to meet a condition.

    None when it can be any; empty when such an open never meets it.
    """
    return _restricted(condition, _check_names)


def _values(condition: Node, fields: tuple[str, ...]) -> frozenset[str] | None:
    """The values that one of the fields must have; None when it can be any."""

    def literal(check: Check) -> frozenset[str] | None:
        return _texts(check) if check.field.name in fields and not check.field.transforms else None

    return _restricted(condition, literal)


def _restricted(condition: Node, of: Callable[[Check], frozenset[str] | None]) -> frozenset[str] | None:
    """Joins what single checks allow: of parts that must all hold the narrowest, of alternatives all together."""
    match condition:
        case And(parts):
            found = [one for part in parts if (one := _restricted(part, of)) is not None]
            return min(found, key=len) if found else None
        case Or(parts):
            each = [_restricted(part, of) for part in parts]
            return None if None in each else frozenset[str]().union(*(one for one in each if one is not None))
        case Check():
            return of(condition)
        case Not() | _:
            return None


def _texts(check: Check) -> frozenset[str] | None:
    """The texts that a check takes; None when it takes others."""
    if check.operator not in ("=", "==", "in") or check.modifier is not None:
        return None
    texts = [value for value in check.values if isinstance(value, str)]
    return frozenset(texts) if len(texts) == len(check.values) else None


def _check_names(check: Check) -> frozenset[str] | None:
    field = check.field
    if field.name in _NOT_OF_OPENS:
        return frozenset()  # missing there, so that nothing is true of it
    if field.transforms or field.argument is not None or check.modifier is not None:
        return None
    texts = [value for value in check.values if isinstance(value, str)]
    if len(texts) < len(check.values):
        return None
    if field.name in _WRITE_ONLY and check.operator in ("=", "==") and texts[0] in _YES:
        return frozenset()  # met by an open that can write, which is reported in any case
    if field.name in _EVENT_FIELDS:
        taken = _texts(check)
        return frozenset() if taken is not None and not taken & {*_OPENS} else None
    if field.name in _FILE_NAMES and check.operator in ("=", "==", "in", "glob"):
        return _last_parts(texts, check.operator)
    if field.name in _PATHS and check.operator in ("=", "==", "in", "glob", "endswith"):
        return _last_parts(texts, check.operator)
    return None


def _last_parts(texts: Iterable[str], operator: str) -> frozenset[str] | None:
    """The last components of paths; None where one is open or too long."""
    found = set()
    for text in texts:
        before, slash, name = text.rpartition("/")
        partial = operator == "endswith" and not slash
        wild = operator == "glob" and (_WILD & set(name) or (not slash and _WILD & set(before)))
        if not name or partial or wild or "\\" in name or len(name.encode()) > LONGEST_NAME:
            return None
        found.add(name)
    return frozenset(found)
