"""From what a container was seen to do to a policy that allows no more, and a policy as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from eunomia.privileges.activity import Activity, is_below, parent
from eunomia.privileges.policy import FAMILIES, PATH_BYTES, Listing, Policy
from eunomia.privileges.usage import Usage

_NUMBERED = "/proc"
"""Its directories are called after processes, which have other numbers the next time."""
_PATTERNS = frozenset("*?[\0")
_SOCKETS = ("socket", "socketpair")


def policy_of(usage: Usage, activity: Activity, capabilities: Iterable[str] | None) -> Policy:
    """A policy; what was not watched for it says nothing of.

    Programs are not in it: of a script, only the interpreter is known.

    Args:
        usage: its system calls, for the sockets that it makes.
        activity: where it writes.
        capabilities: those that it needs; None where that is not known.
    """
    writes = {"writes", "changes"} <= activity.seen
    return Policy(
        write=Listing(_written(activity)) if writes else Listing(),
        sockets=_families(usage),
        capabilities=Listing() if capabilities is None else Listing(tuple(sorted(capabilities))),
    )


def _written(activity: Activity) -> tuple[str, ...]:
    _, files = activity.files
    found = {_sayable(f"{path.rstrip('/')}/") for path in (*activity.written, *activity.made) if path != "/"}
    found |= {_sayable(path) for path in (*activity.made, *activity.changed)}
    found |= {_sayable(path) for path in files if parent(path) == "/"}
    found = {one for one in found if one.startswith("/") and one != "/"}
    return tuple(sorted(one for one in found if not _covered(one, found)))


def _sayable(path: str) -> str:
    """A path as an entry; the directory that it is in where it is none."""
    if is_below(path, _NUMBERED):
        return f"{_NUMBERED}/"
    while path not in ("", "/") and (_PATTERNS & set(path) or len(path.encode()) > PATH_BYTES):
        path = f"{parent(path.rstrip('/')).rstrip('/')}/"
    return path


def _covered(entry: str, entries: Iterable[str]) -> bool:
    """Whether another one allows it as well."""
    return any(one.endswith("/") and entry != one and entry.startswith(one) for one in entries)


def _families(usage: Usage) -> Listing:
    """Those of its sockets; nothing where the arguments of a call are not known."""
    calls = [call for call in usage.needed if call.name in _SOCKETS]
    if not usage.needed or any((call, 0) not in usage.arguments for call in calls):
        return Listing()
    names = {number: name for name, number in FAMILIES.items()}
    seen = {number for call in calls for number in usage.arguments[call, 0]}
    return Listing(tuple(sorted(names[number] for number in seen if number in names)))


def write(policy: Policy, about: str = "") -> str:
    """The text that is read as this policy. `about` is a line for a person."""
    return "\n".join(_lines(policy, about)) + "\n"


def _lines(policy: Policy, about: str) -> Iterator[str]:
    if about:
        yield f"# {' '.join(one if one.isprintable() else '?' for one in about.split())}"
    yield f'action = "{policy.answer}"'
    if policy.mounts:
        yield "mounts = true"
    for kind in policy.kinds:
        listing: Listing = getattr(policy, kind)
        yield f"\n[{kind}]"
        if listing.allow is not None:
            yield _array("allow", listing.allow)
        if listing.deny:
            yield _array("deny", listing.deny)


def _array(name: str, entries: tuple[str, ...]) -> str:
    # JSON's strings are TOML's as well (DEL apart, which TOML wants escaped): https://toml.io/en/v1.0.0#string
    texts = [json.dumps(one, ensure_ascii=False).replace("\x7f", "\\u007f") for one in entries]
    return f"{name} = [{''.join(f'{chr(10)}  {one},' for one in texts)}{chr(10) if texts else ''}]"
