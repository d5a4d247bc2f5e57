"""Which recorded events are meant: the filters of a run, as Polars expressions."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from eunomia.errors import UsageError
from eunomia.record.reading import Record, collect
from eunomia.schema.batch import Schema

ID_DIGITS = 12
"""Of a container's id, in events."""
_MIN_PREFIX = 2


@dataclass(frozen=True)
class Selection:
    """Kinds are combined with AND, the values of one kind with OR; nothing given means everything.

    Attributes:
        containers: names, ids or prefixes of ids; `host` for what runs outside of containers.
        pids, uids, mnt_namespaces, pid_namespaces: as the columns of these names hold them.
        since, until: when, the latter not included.
    """

    containers: tuple[str, ...] = ()
    pids: tuple[int, ...] = ()
    uids: tuple[int, ...] = ()
    mnt_namespaces: tuple[int, ...] = ()
    pid_namespaces: tuple[int, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    def expression(self, schema: Schema) -> pl.Expr | None:
        """The condition on rows, but for the time; None when there is none. Rows without the column are left out."""
        kinds: Sequence[tuple[str, tuple[object, ...], Callable[[], pl.Expr]]] = (
            ("container_id", self.containers, self._container),
            ("pid", self.pids, lambda: pl.col("pid").is_in(list(self.pids))),
            ("uid", self.uids, lambda: pl.col("uid").is_in(list(self.uids))),
            ("mnt_ns", self.mnt_namespaces, lambda: pl.col("mnt_ns").is_in(list(self.mnt_namespaces))),
            ("pid_ns", self.pid_namespaces, lambda: pl.col("pid_ns").is_in(list(self.pid_namespaces))),
        )
        asked = [condition() if name in schema else pl.lit(False) for name, values, condition in kinds if values]
        return pl.all_horizontal(asked) if asked else None

    def _container(self) -> pl.Expr:
        return pl.any_horizontal(
            pl.col("container_id").is_in(list(self.containers)), pl.col("container_name").is_in(list(self.containers))
        )

    def resolved(self, record: Record) -> Selection:
        """The same with containers by what the record holds: whole ids and names.

        Raises:
            UsageError: one is not in the record, or the beginning of several ids.
        """
        if not self.containers:
            return self
        known = containers(record)
        return replace(self, containers=tuple(value for asked in self.containers for value in _find(asked, known)))


def containers(record: Record) -> dict[str, str | None]:
    """Id -> name of all containers whose events were recorded, `host` among them."""
    frames = [
        record[tracker].select("container_id", "container_name").unique()
        for tracker in record
        if "container_id" in record.schema(tracker)
    ]
    if not frames:
        return {}
    found = collect(pl.concat(frames).unique().sort("container_id", "container_name", nulls_last=False))
    return {one: name for one, name in found.iter_rows() if one is not None}


def _find(asked: str, known: dict[str, str | None]) -> list[str]:
    """The ids and names that are meant: a container by its name, or by its id, of which 2 digits may do."""
    text = asked.removeprefix("/")
    if text in known.values():
        return [text, *(one for one, name in known.items() if name == text)]
    short = text[:ID_DIGITS]
    found = [one for one in known if one == text or (len(short) >= _MIN_PREFIX and one.startswith(short))]
    if len(found) > 1 and short not in found:
        listed = ", ".join(f"{one} ({known[one] or 'no name'})" for one in found[:5])
        raise UsageError(f"{asked!r} is the beginning of {len(found)} container ids: {listed}; give more of it")
    if not found:
        raise UsageError(f"container {asked!r} is not in the record: {_nearest(text, known)}")
    return [short] if short in found else found


def _nearest(text: str, known: dict[str, str | None]) -> str:
    choices = {name or one: one for one, name in known.items()}
    near = difflib.get_close_matches(text, choices, n=3, cutoff=0.3) or sorted(choices)[:3]
    listed = ", ".join(name if choices[name] == name else f"{name} ({choices[name]})" for name in near)
    return f"the nearest are {listed}" if near else "no container is"
