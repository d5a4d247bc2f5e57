"""The trackers there are: every folder here that declares one."""

from __future__ import annotations

import difflib
import importlib
from functools import cache
from pathlib import Path

from eunomia.errors import UsageError
from eunomia.trackers.declaration import Tracker

_FOLDER = Path(__file__).parent


@cache
def names() -> tuple[str, ...]:
    """Names of all trackers, sorted."""
    return tuple(sorted(path.parent.name for path in _FOLDER.glob("*/__init__.py")))


@cache
def get(name: str) -> Tracker:
    """A tracker by its own name."""
    tracker: Tracker = importlib.import_module(f"eunomia.trackers.{name}").TRACKER
    return tracker


@cache
def counting() -> tuple[str, ...]:
    """Names of those that have something to count; processes first, for other trackers' events are told of by them."""
    return tuple(sorted((name for name in names() if get(name).metrics), key=lambda name: (name != "process", name)))


def folder(name: str) -> Path:
    """Where a tracker lies."""
    return _FOLDER / name


def resolve(name: str) -> str:
    """A tracker's own name from that or an alias.

    Raises:
        UsageError: there is none; names the nearest.
    """
    if name in names():
        return name
    aliases = {alias: owner for owner in names() for alias in get(owner).aliases}
    if name in aliases:
        return aliases[name]
    near = difflib.get_close_matches(name, [*names(), *aliases], n=3, cutoff=0.4)
    hint = f"; did you mean {' or '.join(near)}?" if near else f"; there are: {', '.join(names())}"
    raise UsageError(f"there is no tracker {name!r}{hint}")
