"""Falco's fields of processes, their ancestors and their programs."""

from __future__ import annotations

import polars as pl

from eunomia.detect.compare import Kind
from eunomia.detect.field import NOT_SEEN, FieldInfo, Made, Make, column_of, only_for, text_of
from eunomia.detect.sources import Source, command_line, named
from eunomia.schema.capabilities import capability_names

_T, _N, _B = Kind.TEXT, Kind.NUMBER, Kind.TRUTH
_TTY = 34816
"""Device number of the first terminal; which one it is nobody tells."""


def _ancestor(part: str) -> Make:
    """Without an argument all ancestors; [0] is the process itself, [1] its parent."""

    def make(source: Source, argument: str) -> Made:
        if not argument:
            return source.ancestors(part)
        own = {"comm": ("comm",), "exe": ("exe", "executable", "exe_path"), "pid": ("pid",)}[part]
        return source.ancestor(part, int(argument)) if int(argument) else source.text(*own)

    return make


def _ancestor_line(source: Source, argument: str) -> Made:
    number = int(argument or 1)
    if not number:
        return source.command_line()
    name, args = source.ancestor("comm", number), source.ancestor("args", number)
    return name if name is None or args is None else command_line(name, args)


def _ancestor_name(source: Source, argument: str) -> Made:
    arguments = source.ancestor("args", int(argument or 1))
    return None if arguments is None else arguments.str.extract(r"\A(\S+)")


def _directory(source: Source, _: str) -> Made:
    cwd = source.text("cwd")
    return None if cwd is None else pl.when(cwd.str.ends_with("/")).then(cwd).otherwise(pl.concat_str(cwd, pl.lit("/")))


def _age_of_executable(source: Source, _: str) -> Made:
    changed = source.column("exe_ctime_ns")
    return None if changed is None else pl.col("time").dt.epoch("ns") - changed.cast(pl.Int64)


def _terminal(source: Source, _: str) -> Made:
    stdin = source.text("stdin")
    return None if stdin is None else pl.when(stdin == "tty").then(_TTY).when(stdin.is_not_null()).then(0)


def _capabilities(*names: str) -> Make:
    def make(source: Source, _: str) -> Made:
        held = source.column(*names)
        return None if held is None else named(held, lambda one: " ".join(capability_names(one)))

    return make


FIELDS = (
    FieldInfo("proc.name", _T, "the program's name, at most 15 characters", "", text_of("comm")),
    FieldInfo("proc.pname", _T, "the parent's name", "", lambda source, _: source.ancestor("comm", 1)),
    FieldInfo("proc.exe", _T, "the first argument: what the program was called as", "", lambda s, _: s.own_name()),
    FieldInfo("proc.pexe", _T, "the same of the parent", "", _ancestor_name),
    FieldInfo("proc.exepath", _T, "path of the executable", "", text_of("exe", "executable", "exe_path")),
    FieldInfo("proc.pexepath", _T, "the same of the parent", "", lambda source, _: source.ancestor("exe", 1)),
    FieldInfo("proc.cmdline", _T, "name and arguments", "", lambda s, _: s.command_line()),
    FieldInfo("proc.pcmdline", _T, "name and arguments of the parent", "", lambda s, _: _ancestor_line(s, "1")),
    FieldInfo("proc.acmdline", _T, "name and arguments of an ancestor, [1] the parent", "required", _ancestor_line),
    FieldInfo("proc.exeline", _T, "the arguments with the first", "", lambda s, _: s.whole_line()),
    FieldInfo("proc.args", _T, "the arguments without the first", "", lambda source, _: source.arguments()),
    FieldInfo("proc.env", _T, f"an environment variable{NOT_SEEN}", "optional"),
    FieldInfo("proc.cwd", _T, "working directory, with a slash at its end", "", _directory),
    FieldInfo("proc.tty", _N, "whether the program was started on a terminal; 0 if not", "", _terminal),
    FieldInfo("proc.sname", _T, "name of the session's leader", "", text_of("session_comm")),
    FieldInfo(
        "proc.aname", Kind.ANY, "names of the ancestors, of which any may match", "optional", _ancestor("comm"), _T
    ),
    FieldInfo("proc.aexe", Kind.ANY, "their executables, likewise", "optional", _ancestor("exe"), _T),
    FieldInfo("proc.aexepath", Kind.ANY, "their executables, likewise", "optional", _ancestor("exe"), _T),
    FieldInfo("proc.apid", Kind.ANY, "their process ids, likewise", "optional", _ancestor("pid"), _T),
    FieldInfo("proc.pid", _N, "process id as the host sees it", "", column_of("pid")),
    FieldInfo("proc.ppid", _N, "process id of the parent", "", column_of("ppid")),
    FieldInfo("proc.vpid", _N, f"process id as the container sees it{NOT_SEEN}"),
    FieldInfo("proc.sid", _N, f"id of the session{NOT_SEEN}"),
    FieldInfo("proc.is_vpgid_leader", _B, f"whether the process leads its group{NOT_SEEN}"),
    FieldInfo("proc.is_sid_leader", _B, f"whether the process leads its session{NOT_SEEN}"),
    FieldInfo(
        "proc.duration",
        _N,
        "how long a process has lived, in nanoseconds, when it ends",
        "",
        only_for("process", column_of("duration")),
    ),
    FieldInfo(
        "proc.is_exe_upper_layer", _B, "whether the executable is not of the image", "", column_of("exe_upper_layer")
    ),
    FieldInfo("proc.is_exe_from_memfd", _B, "whether the executable lies in memory only", "", column_of("exe_memfd")),
    FieldInfo("proc.is_exe_writable", _B, f"whether the user may write the executable{NOT_SEEN}"),
    FieldInfo("proc.exe_ino", _N, "inode number of the executable", "", column_of("exe_inode")),
    FieldInfo(
        "proc.exe_ino.ctime", _N, "when its inode changed, nanoseconds since 1970", "", column_of("exe_ctime_ns")
    ),
    FieldInfo(
        "proc.exe_ino.ctime_duration_proc_start",
        _N,
        "exec: how long before it that inode changed, in nanoseconds",
        "",
        _age_of_executable,
    ),
    FieldInfo(
        "proc.exe_ino.ctime_duration_pidns_start",
        _N,
        f"how long after the container's start that inode changed{NOT_SEEN}",
    ),
    FieldInfo("proc.exe_ino.mtime", _N, f"when the executable was written{NOT_SEEN}"),
    FieldInfo("thread.tid", _N, "thread id as the host sees it", "", column_of("tid")),
    FieldInfo("thread.cap_effective", _T, "effective capabilities, where they change", "", _capabilities("effective")),
    FieldInfo("thread.cap_permitted", _T, "permitted capabilities, where they change", "", _capabilities("permitted")),
)
"""Fields of processes."""
