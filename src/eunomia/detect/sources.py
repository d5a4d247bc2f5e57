"""Parts that fields are made of: columns that a tracker may or may not have, and what is derived from them."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from eunomia.detect.container_facts import ContainerFacts, FactsOf, nothing
from eunomia.schema.batch import Schema

Names = Callable[[int], str | None]
"""From a number, such as a user's, to a name."""

_BASENAME = r"([^/]*)\z"


def root_only(number: int) -> str | None:
    """What can be said of users and groups without asking the host."""
    return None if number else "root"


@dataclass(frozen=True)
class Source:
    """A tracker's columns.

    Attributes:
        tracker: its name.
        schema: what its batches have.
        users, groups: names of users and groups of the host.
        containers: what is known of containers.
    """

    tracker: str
    schema: Schema
    users: Names = field(default=root_only)
    groups: Names = field(default=root_only)
    containers: FactsOf = field(default=nothing)

    def column(self, *names: str) -> pl.Expr | None:
        """The first of these columns that there is."""
        return next((pl.col(name) for name in names if name in self.schema), None)

    def text(self, *names: str) -> pl.Expr | None:
        """As text, the first of these columns that has a value."""
        found = [self._as_text(name) for name in names if name in self.schema]
        return (found[0] if len(found) == 1 else pl.coalesce(found)) if found else None

    def _as_text(self, name: str) -> pl.Expr:
        return pl.col(name) if self.schema[name].dtype == pl.String else pl.col(name).cast(pl.String)

    def of_container(self, fact: Callable[[ContainerFacts], Any], dtype: type[pl.DataType]) -> pl.Expr | None:
        """Something known of the container that an event is of; null outside of containers."""
        if "container_id" not in self.schema:
            return None
        return named(pl.col("container_id"), lambda one: None if one == "host" else fact(self.containers(one)), dtype)

    def is_a(self, *trackers: str) -> bool:
        """Whether it is one of these trackers."""
        return self.tracker in trackers

    def when_event(self, expr: pl.Expr | None, *events: str) -> pl.Expr | None:
        """Null in other events."""
        if expr is None or "event" not in self.schema:
            return None
        return pl.when(pl.col("event").cast(pl.String).is_in(events)).then(expr)

    # Paths

    def path(self) -> pl.Expr | None:
        """The file that an event is about."""
        return self.text("path") if self.is_a("files", "sensitive") else None

    def directory(self) -> pl.Expr | None:
        """Where that file lies."""
        path = self.path()
        if path is None:
            return None
        head = path.str.extract(r"\A(.*)/[^/]*\z")
        return pl.when(head == "").then(pl.lit("/")).otherwise(head)

    # Processes

    def arguments(self) -> pl.Expr | None:
        """The arguments as one text, without the program's own name."""
        if "args" not in self.schema:
            return None
        if self._has_list("args"):
            return pl.col("args").list.slice(1).list.join(" ")
        return without_first_word(pl.col("args"))

    def command_line(self) -> pl.Expr | None:
        """The program's name and its arguments."""
        if "args" not in self.schema:
            return self.text("comm")
        if not self._has_list("args"):
            return command_line(pl.col("comm"), pl.col("args"))
        return pl.concat_list("comm", pl.col("args").list.slice(1)).list.join(" ").fill_null(pl.col("comm"))

    def whole_line(self) -> pl.Expr | None:
        """All arguments, the first too."""
        if "args" not in self.schema:
            return None
        return pl.col("args").list.join(" ") if self._has_list("args") else pl.col("args")

    def own_name(self) -> pl.Expr | None:
        """The first argument: the name that the program was called by."""
        if "args" not in self.schema:
            return None
        if self._has_list("args"):
            return pl.col("args").list.get(0, null_on_oob=True)
        return _first_word(pl.col("args"))

    def _has_list(self, name: str) -> bool:
        return isinstance(self.schema[name].dtype, pl.List)

    def ancestor(self, part: str, number: int) -> pl.Expr | None:
        """A part of the parent (1), that one's parent (2) …"""
        known = [self._parent(part)] if number == 1 else []
        if "ancestors" in self.schema:
            known.append(_part(pl.col("ancestors").list.get(number - 1, null_on_oob=True), part))
        there = [expr for expr in known if expr is not None]
        return (there[0] if len(there) == 1 else pl.coalesce(there)) if there else None

    def _parent(self, part: str) -> pl.Expr | None:
        name = f"parent_{part}"
        if name in self.schema and self._has_list(name):
            return pl.col(name).list.join(" ")
        return self.text(name)

    def ancestors(self, part: str) -> pl.Expr | None:
        """That part of all of them."""
        if "ancestors" in self.schema:
            return pl.col("ancestors").list.eval(_part(pl.element(), part))
        own = self.ancestor(part, 1)
        return None if own is None else pl.concat_list(own).list.drop_nulls()

    # Sockets

    def is_ours(self, *, server: bool) -> pl.Expr:
        """Whether this side of a connection is the server's, or the client's."""
        return pl.col("direction").cast(pl.String) == ("in" if server else "out")

    def side(self, kind: str, *, server: bool) -> pl.Expr | None:
        """The `addr` or `port` of a connection's server or client."""
        if self.is_a("tcp"):
            ours, theirs = pl.col(f"s{kind}"), pl.col(f"d{kind}")
            known = pl.col("direction").is_not_null()
            return pl.when(known).then(pl.when(self.is_ours(server=server)).then(ours).otherwise(theirs))
        return self.own_side(kind) if server else None

    def own_side(self, kind: str) -> pl.Expr | None:
        """The `addr` or `port` of this side."""
        return pl.col(f"s{kind}") if self.is_a("tcp") else self._told(kind, own=True)

    def other_side(self, kind: str) -> pl.Expr | None:
        """The `addr` or `port` of the other side."""
        return pl.col(f"d{kind}") if self.is_a("tcp") else self._told(kind, own=False)

    def _told(self, kind: str, *, own: bool) -> pl.Expr | None:
        """The one address of a sensitive call: the other side's where a socket becomes a standard descriptor."""
        address = self.column({"addr": "address", "port": "port"}[kind]) if self.is_a("sensitive") else None
        if address is None:
            return None
        is_others = pl.col("event").cast(pl.String) == "dup_stdio"
        return pl.when(~is_others if own else is_others).then(address)


def _part(process: pl.Expr, part: str) -> pl.Expr:
    found = process.struct.field(part)
    return found.cast(pl.String) if part == "pid" else found


def without_first_word(args: pl.Expr) -> pl.Expr:
    """Arguments in one text, without the first."""
    return args.str.replace(r"\A\S+\s?", "")


def _first_word(args: pl.Expr) -> pl.Expr:
    return args.str.extract(r"\A(\S+)")


def command_line(name: pl.Expr, args: pl.Expr) -> pl.Expr:
    """A program's name in place of the first of its arguments, which are one text."""
    return pl.concat_str(name, args.str.replace(r"\A\S+", "").fill_null(""))


def basename(path: pl.Expr) -> pl.Expr:
    """A path's last part."""
    return path.str.extract(_BASENAME)


def named(values: pl.Expr, name: Callable[[Any], Any], dtype: type[pl.DataType] = pl.String) -> pl.Expr:
    """Names, or others that are known of them, for values; each value that occurs is looked up once."""

    def look_up(found: pl.Series) -> pl.Series:
        known: Mapping[Any, Any] = {value: name(value) for value in found.drop_nulls().unique().to_list()}
        return found.replace_strict(known, default=None, return_dtype=dtype)

    return values.map_batches(look_up, return_dtype=dtype, is_elementwise=True)


def decoded(text: str) -> str | None:
    """What is written in base 64; nothing when that is no text."""
    try:
        return b64decode(text, validate=True).decode()
    except ValueError:
        return None
