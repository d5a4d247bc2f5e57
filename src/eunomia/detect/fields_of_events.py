"""Falco's fields of an event: its call, its result, its arguments."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from eunomia.detect.compare import Kind
from eunomia.detect.events import TYPE_OF
from eunomia.detect.field import NOT_SEEN, FieldInfo, Made, Make, always, only_for, path_when, text_of
from eunomia.detect.sources import Source, named

_T, _N, _B, _F = Kind.TEXT, Kind.NUMBER, Kind.TRUTH, Kind.FLAGS


def _type(source: Source, _: str) -> Made:
    syscall = source.text("syscall") if source.is_a("process", "syscall") else None
    names = {event: name for (tracker, event), name in TYPE_OF.items() if source.is_a(tracker)}
    event = source.text("event") if names else None
    if event is None:
        return syscall
    told = event.replace_strict(names, default=event, return_dtype=pl.String)
    return told if syscall is None else pl.coalesce(syscall, told)


def _result(source: Source, _: str) -> Made:
    error = source.text("error")
    return None if error is None else error.fill_null("SUCCESS")


def _raw_result(source: Source, _: str) -> Made:
    if "error" not in source.schema:
        return source.column("returned")
    number = -pl.col("error").to_physical().cast(pl.Int64)
    success = source.column("returned", "fd")
    return pl.coalesce(number, pl.lit(0) if success is None else success.cast(pl.Int64), pl.lit(0))


def _failed(source: Source, _: str) -> Made:
    error = source.column("error")
    return None if error is None else error.is_not_null()


def _opened(pattern: str) -> Make:
    """By flags that only calls have which open; of other events it is false."""

    def make(source: Source, _: str) -> Made:
        flags = source.text("flags") if source.is_a("files") else None
        return None if flags is None else flags.str.contains(pattern).fill_null(value=False)

    return make


def _opened_executable(source: Source, _: str) -> Made:
    """A file made so that it can be executed."""
    mode = source.text("mode") if source.is_a("files") else None
    return source.when_event(None if mode is None else mode.str.contains(r"[1357][0-7]{0,2}\z"), "open", "create")


def _argument(source: Source, name: str) -> Made:
    make = _ARGUMENTS.get(name)
    made = None if make is None else make(source, "")
    return made.cast(pl.String) if isinstance(made, pl.Expr) else made


def _user(source: Source, _: str) -> Made:
    numbers = source.column("euid", "owner")
    if numbers is None:
        return None
    return numbers.cast(pl.String), named(numbers, source.users)


_ARGUMENTS: Mapping[str, Make] = {
    "flags": text_of("flags"),
    "mode": text_of("mode"),
    "oldpath": path_when("rename", "link"),
    "newpath": text_of("new_path"),
    "target": path_when("symlink"),
    "linkpath": text_of("new_path"),
    "path": lambda source, _: source.path(),
    "name": lambda source, _: source.path() if source.path() is not None else source.text("name"),
    "filename": lambda source, _: source.path() if source.path() is not None else source.text("filename"),
    "domain": only_for("sensitive", text_of("family")),
    "type": only_for("sensitive", text_of("type")),
    "proto": only_for("sensitive", text_of("protocol")),
    "request": only_for("sensitive", text_of("command")),
    "cmd": only_for("sensitive", text_of("command")),
    "pid": only_for("sensitive", text_of("target_pid")),
    "uid": _user,
    "fd": text_of("fd"),
    "res": _result,
    "exe": lambda source, _: source.own_name(),
    "args": lambda source, _: source.arguments(),
    "comm": text_of("comm"),
}
"""The arguments of calls by the names that Falco gives them."""


def _time(form: str) -> Make:
    return lambda source, _: pl.col("time").dt.strftime(form) if "time" in source.schema else None


def _counted() -> pl.Expr:
    return pl.int_range(1, pl.len() + 1, dtype=pl.Int64)


def _nanoseconds(source: Source) -> Made:
    return pl.col("time").dt.epoch("ns") if "time" in source.schema else None


FIELDS = (
    FieldInfo("evt.num", _N, "number of the event, counted from 1 in each batch", "", lambda _s, _: _counted()),
    FieldInfo("evt.type", _T, "the system call, or what else happened, by Falco's name", "", _type),
    FieldInfo("evt.dir", _T, "always <: events are told when they have happened", "", always("<")),
    FieldInfo("evt.source", _T, "always syscall", "", always("syscall")),
    FieldInfo("evt.time", _T, "time of day, UTC, with nanoseconds", "", _time("%H:%M:%S%.9f")),
    FieldInfo("evt.time.s", _T, "time of day, UTC, in seconds", "", _time("%H:%M:%S")),
    FieldInfo("evt.time.iso8601", _T, "date and time, UTC", "", _time("%Y-%m-%dT%H:%M:%S%.9fZ")),
    FieldInfo("evt.datetime", _T, "date and time, UTC", "", _time("%Y-%m-%d %H:%M:%S%.9f")),
    FieldInfo("evt.rawtime", _N, "nanoseconds since 1970", "", lambda source, _: _nanoseconds(source)),
    FieldInfo("evt.res", _T, "name of the error such as EACCES, or SUCCESS", "", _result),
    FieldInfo("evt.rawres", _N, "what the call returned: below zero the number of the error", "", _raw_result),
    FieldInfo("evt.failed", _B, "whether the call failed", "", _failed),
    FieldInfo("evt.is_open_read", _B, "whether a file was opened to read it", "", _opened(r"O_RDONLY|O_RDWR")),
    FieldInfo("evt.is_open_write", _B, "whether a file was opened to write it", "", _opened(r"O_WRONLY|O_RDWR")),
    FieldInfo("evt.is_open_create", _B, "whether a file may be made by opening it", "", _opened(r"O_CREAT|O_TMPFILE")),
    FieldInfo("evt.is_open_exec", _B, "whether a file was made that can be executed", "", _opened_executable),
    FieldInfo("evt.buffer", _T, f"the data read or written{NOT_SEEN}"),
    FieldInfo("evt.args", _T, f"all arguments of the call in one text{NOT_SEEN}; name the one that matters"),
    FieldInfo("evt.info", _T, f"all arguments of the call in one text{NOT_SEEN}; name the one that matters"),
    FieldInfo("evt.hostname", _T, "name of the machine; alerts tell it as node, rules cannot ask for it"),
    FieldInfo(
        "evt.arg",
        _F,
        f"an argument of the call by name, also written evt.arg.NAME; there are {', '.join(sorted(_ARGUMENTS))}",
        "required",
        _argument,
    ),
)
"""Fields of the event itself."""

ARGUMENT_NAMES = frozenset(_ARGUMENTS)
"""What `evt.arg` can be asked for."""
