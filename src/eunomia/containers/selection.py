"""Which containers are meant: `-c` with an id, a prefix of one, or a name, for those that run and those yet to come."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from eunomia.containers.cgroup_path import shorten
from eunomia.containers.container import Container
from eunomia.errors import UsageError

_HEX = frozenset("0123456789abcdef")
_MIN_PREFIX = 2


@dataclass(frozen=True)
class Known:
    """A container that could be meant: its full id, and its name if it has one."""

    id: str
    name: str | None
    others: tuple[str, ...] = ()
    """Other names it answers to: those of its pod."""


@dataclass(frozen=True)
class Selection:
    """Containers by full id or by name; whoever has one of them is meant, now or later.

    Attributes:
        ids: full ids, or prefixes given for a container still to come.
        names: names as the runtime says them.
    """

    ids: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.ids or self.names)

    def matches(self, container: Container) -> bool | None:
        """Whether a container, or one that it runs in, is meant; None as long as that hangs on a name to come."""
        around = list(container.around())
        if any(self.names & one.names or any(one.id.startswith(prefix) for prefix in self.ids) for one in around):
            return True
        return None if self.names and not all(one.answered for one in around) else False


def _could_be_id(text: str) -> bool:
    return len(text) >= _MIN_PREFIX and set(text) <= _HEX


def _find(text: str, known: Sequence[Known]) -> list[Known]:
    """Those with that name, of which a pod's is that of several, or the one with that id or a beginning of it."""
    exact = [one for one in known if text in (one.name, one.id, *one.others)]
    if exact or not _could_be_id(text):
        return exact
    found = [one for one in known if one.id.startswith(text)]
    if len(found) > 1:
        listed = ", ".join(f"{shorten(one.id)} ({one.name or 'no name'})" for one in found[:5])
        raise UsageError(f"{text!r} is the beginning of {len(found)} container ids: {listed}; give more of it")
    return found


def _nearest(text: str, known: Sequence[Known]) -> str:
    choices = {one.name or shorten(one.id): one for one in known}
    near = difflib.get_close_matches(text, choices, n=3, cutoff=0.3) or sorted(choices)[:3]
    listed = ", ".join(f"{name} ({shorten(choices[name].id)})" for name in near)
    return f"the nearest are {listed}" if near else "no container is known at all"


def select(wanted: Iterable[str], known: Sequence[Known], *, wait: bool, advice: str) -> tuple[Selection, list[str]]:
    """Finds the containers that are meant.

    Args:
        wanted: ids, prefixes of ids or names.
        known: what there is now, running or not.
        wait: whether one that is not there yet is waited for.
        advice: what to add when one is not found.

    Returns:
        The selection, and those of `wanted` that are not there yet.

    Raises:
        UsageError: one is unknown and not waited for, or a prefix is ambiguous.
    """
    ids: set[str] = set()
    names: set[str] = set()
    missing = []
    for text in (one.removeprefix("/") for one in wanted):
        found = _find(text, known)
        if not found:
            if not wait:
                raise UsageError(f"no container {text!r}: {_nearest(text, known)}{advice}")
            missing.append(text)
            names.add(text)
            if _could_be_id(text):
                ids.add(text)
        else:
            ids.update(one.id for one in found)
            if any(text in (one.name, *one.others) for one in found):  # whoever has that name later is meant as well
                names.add(text)
    return Selection(frozenset(ids), frozenset(names)), missing
