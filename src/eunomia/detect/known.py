"""Falco's fields: what each says, and what it is made of here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from eunomia.detect.compare import Kind
from eunomia.detect.events import TYPE_OF
from eunomia.detect.sources import Source, basename, command_line, named
from eunomia.schema.capabilities import capability_names

Made = pl.Expr | tuple[pl.Expr, ...] | str | None
"""What a field stands for: one value, several of which any may match, a text that it always is, or nothing here."""
Make = Callable[[Source, str], Made]
"""Makes it of a tracker's columns and the field's argument, which is empty where there is none."""


@dataclass(frozen=True)
class FieldInfo:
    """A field of the language.

    Attributes:
        name: with its dots.
        type: how its values compare.
        description: what it says, in one line.
        arguments: whether it takes one: `proc.aname[2]`.
        make: what it is made of; None for a field that nothing here fills, which its description then says.
        type_with_argument: its type when an argument is given, where that differs.
    """

    name: str
    type: Kind
    description: str
    arguments: Literal["", "optional", "required"] = ""
    make: Make | None = None
    type_with_argument: Kind | None = None

    def kind(self, argument: str | None) -> Kind:
        """How it compares."""
        return self.type if argument is None or self.type_with_argument is None else self.type_with_argument


_TTY = 34816
"""Device number of the first terminal; which one it is nobody tells."""
_REPOSITORY = r"\A(.*?)(?::[^:/@]+)?(?:@[^/]*)?\z"


def _column(*names: str) -> Make:
    return lambda source, _: source.column(*names)


def _text(*names: str) -> Make:
    return lambda source, _: source.text(*names)


def _always(text: str) -> Make:
    return lambda _source, _: text


def _of(tracker: str, make: Make) -> Make:
    return lambda source, argument: make(source, argument) if source.is_a(tracker) else None


# evt


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


def _path_argument(*events: str) -> Make:
    return lambda source, _: source.when_event(source.path(), *events)


def _user(source: Source, _: str) -> Made:
    numbers = source.column("euid", "owner")
    if numbers is None:
        return None
    return numbers.cast(pl.String), named(numbers, source.users)


_ARGUMENTS: Mapping[str, Make] = {
    "flags": _text("flags"),
    "mode": _text("mode"),
    "oldpath": _path_argument("rename", "link"),
    "newpath": _text("new_path"),
    "target": _path_argument("symlink"),
    "linkpath": _text("new_path"),
    "path": lambda source, _: source.path(),
    "name": lambda source, _: source.path() if source.path() is not None else source.text("name"),
    "filename": lambda source, _: source.path() if source.path() is not None else source.text("filename"),
    "domain": _of("sensitive", _text("family")),
    "type": _of("sensitive", _text("type")),
    "proto": _of("sensitive", _text("protocol")),
    "request": _of("sensitive", _text("command")),
    "cmd": _of("sensitive", _text("command")),
    "pid": _of("sensitive", _text("target_pid")),
    "uid": _user,
    "fd": _text("fd"),
    "res": _result,
    "exe": lambda source, _: source.own_name(),
    "args": lambda source, _: source.arguments(),
    "comm": _text("comm"),
}
"""The arguments of calls by the names that Falco gives them."""


def _time(form: str) -> Make:
    return lambda source, _: pl.col("time").dt.strftime(form) if "time" in source.schema else None


# fd


def _is_directory(source: Source) -> pl.Expr:
    flags, event = source.text("flags"), source.text("event")
    opened = flags.str.contains("O_DIRECTORY", literal=True) if flags is not None else pl.lit(value=False)
    return opened | (event.is_in(("mkdir", "rmdir")) if event is not None else pl.lit(value=False))


def _descriptor_type(directory: str, file: str, inet: str, inet6: str, unix: str) -> Make:
    def make(source: Source, _: str) -> Made:
        if source.is_a("files"):
            return pl.when(_is_directory(source)).then(pl.lit(directory)).otherwise(pl.lit(file))
        if source.is_a("tcp"):
            is_six = pl.col("daddr").str.contains(":", literal=True)
            return pl.when(is_six).then(pl.lit(inet6)).otherwise(pl.lit(inet))
        if source.is_a("ipc"):
            return pl.when(pl.col("kind").cast(pl.String) == "unix").then(pl.lit(unix))
        family = source.text("family") if source.is_a("sensitive") else None
        types = {"AF_INET": inet, "AF_INET6": inet6, "AF_UNIX": unix}
        return None if family is None else family.replace_strict(types, default=None, return_dtype=pl.String)

    return make


def _descriptor(source: Source, _: str) -> Made:
    """A path, or a connection as client->server."""
    if source.is_a("tcp"):
        ends = [pl.format("{}:{}", f"{end}addr", f"{end}port") for end in "sd"]
        ours, theirs = (pl.format("{}->{}", *pair) for pair in (ends, ends[::-1]))
        return pl.when(source.is_ours(server=True)).then(theirs).otherwise(ours)
    if source.is_a("ipc"):
        return source.text("name")
    path = source.path()
    if not source.is_a("sensitive") or not {"address", "port"} <= {column.name for column in source.schema}:
        return path
    listening = pl.format("{}:{}", "address", "port")
    return listening if path is None else pl.coalesce(path, listening)


def _raw_descriptor(source: Source, argument: str) -> Made:
    return source.text("name") if source.is_a("files", "ipc") else _descriptor(source, argument)


def _file_name(source: Source, _: str) -> Made:
    path = source.path()
    return None if path is None else basename(path)


def _both(kind: str) -> Make:
    def make(source: Source, _: str) -> Made:
        sides = (source.own_side(kind), source.other_side(kind))
        return tuple(side for side in sides if side is not None) or None

    return make


def _connected(source: Source, _: str) -> Made:
    return pl.col("event").cast(pl.String) != "fail" if source.is_a("tcp") else None


# proc


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


# user, container


def _user_name(source: Source, _: str) -> Made:
    return source.text("user") if "user" in source.schema else _name_of(source, "uid")


def _name_of(source: Source, column: str) -> Made:
    numbers = source.column(column)
    return None if numbers is None else named(numbers, source.users if column == "uid" else source.groups)


def _container_name(source: Source, _: str) -> Made:
    identifier, name = source.text("container_id"), source.text("container_name")
    if identifier is None or name is None:
        return None
    return pl.when(identifier == "host").then(pl.lit("host")).otherwise(name)


def _container_info(source: Source, argument: str) -> Made:
    name = _container_name(source, argument)
    if not isinstance(name, pl.Expr):
        return None
    return pl.format("container_id={} container_name={}", "container_id", name.fill_null("<NA>"))


def _image(pattern: str) -> Make:
    def make(source: Source, _: str) -> Made:
        image = source.text("image")
        return None if image is None else image.str.extract(pattern)

    return make


def _pod(number: int) -> Make:
    def make(source: Source, _: str) -> Made:
        pod = source.text("pod")
        return None if pod is None else pod.str.splitn("/", 2).struct.field(f"field_{number}")

    return make


_T, _N, _B, _F = Kind.TEXT, Kind.NUMBER, Kind.TRUTH, Kind.FLAGS
_NOT_SEEN = "; nothing here sees it"

_FIELDS = (
    # evt
    FieldInfo("evt.num", _N, "number of the event, counted from 1 in each batch", "", lambda _s, _: _counted()),
    FieldInfo("evt.type", _T, "the system call, or what else happened, by Falco's name", "", _type),
    FieldInfo("evt.dir", _T, "always <: events are told when they have happened", "", _always("<")),
    FieldInfo("evt.source", _T, "always syscall", "", _always("syscall")),
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
    FieldInfo("evt.buffer", _T, f"the data read or written{_NOT_SEEN}"),
    FieldInfo("evt.args", _T, f"all arguments of the call in one text{_NOT_SEEN}; name the one that matters"),
    FieldInfo("evt.info", _T, f"all arguments of the call in one text{_NOT_SEEN}; name the one that matters"),
    FieldInfo("evt.hostname", _T, "name of the machine; alerts tell it as node, rules cannot ask for it"),
    FieldInfo(
        "evt.arg",
        _F,
        f"an argument of the call by name, also written evt.arg.NAME; there are {', '.join(sorted(_ARGUMENTS))}",
        "required",
        _argument,
    ),
    # fd
    FieldInfo("fd.num", _N, "number of the descriptor", "", _column("fd")),
    FieldInfo(
        "fd.type",
        _T,
        "file, directory, ipv4, ipv6 or unix",
        "",
        _descriptor_type("directory", "file", "ipv4", "ipv6", "unix"),
    ),
    FieldInfo("fd.typechar", _T, "the same as d, f, 4, 6 or u", "", _descriptor_type("d", "f", "4", "6", "u")),
    FieldInfo("fd.name", _T, "the file's path, or the connection as client:port->server:port", "", _descriptor),
    FieldInfo("fd.nameraw", _T, "the path as it was given to the call", "", _raw_descriptor),
    FieldInfo("fd.name_changed", _B, "whether the event gave the socket its name", "", lambda s, _: _is_tcp(s)),
    FieldInfo("fd.directory", _T, "the directory that the file lies in", "", lambda source, _: source.directory()),
    FieldInfo("fd.filename", _T, "the file's name without its directory", "", _file_name),
    FieldInfo("fd.connected", _B, "whether the connection is established", "", _connected),
    FieldInfo("fd.ip", Kind.ADDRESS, "either side's address", "", _both("addr")),
    FieldInfo("fd.cip", Kind.ADDRESS, "the client's address", "", lambda s, _: s.side("addr", server=False)),
    FieldInfo("fd.sip", Kind.ADDRESS, "the server's address", "", lambda s, _: s.side("addr", server=True)),
    FieldInfo("fd.lip", Kind.ADDRESS, "this side's address", "", lambda source, _: source.own_side("addr")),
    FieldInfo("fd.rip", Kind.ADDRESS, "the other side's address", "", lambda source, _: source.other_side("addr")),
    FieldInfo("fd.port", _N, "either side's port", "", _both("port")),
    FieldInfo("fd.cport", _N, "the client's port", "", lambda s, _: s.side("port", server=False)),
    FieldInfo("fd.sport", _N, "the server's port", "", lambda s, _: s.side("port", server=True)),
    FieldInfo("fd.lport", _N, "this side's port", "", lambda source, _: source.own_side("port")),
    FieldInfo("fd.rport", _N, "the other side's port", "", lambda source, _: source.other_side("port")),
    FieldInfo("fd.net", Kind.NETWORK, "either side's address, compared with networks", "", _both("addr")),
    FieldInfo("fd.cnet", Kind.NETWORK, "the client's, likewise", "", lambda s, _: s.side("addr", server=False)),
    FieldInfo("fd.snet", Kind.NETWORK, "the server's, likewise", "", lambda s, _: s.side("addr", server=True)),
    FieldInfo("fd.lnet", Kind.NETWORK, "this side's, likewise", "", lambda source, _: source.own_side("addr")),
    FieldInfo("fd.rnet", Kind.NETWORK, "the other side's, likewise", "", lambda s, _: s.other_side("addr")),
    FieldInfo("fd.l4proto", _T, "tcp for a connection", "", lambda source, _: "tcp" if source.is_a("tcp") else None),
    FieldInfo(
        "fd.sockfamily", _T, "ip or unix", "", lambda source, _: {"tcp": "ip", "ipc": "unix"}.get(source.tracker)
    ),
    FieldInfo("fd.sip.name", _T, "the server's name, with tcp's option resolve", "", _of("tcp", _text("peer_name"))),
    FieldInfo("fd.cip.name", _T, f"the client's name{_NOT_SEEN}"),
    FieldInfo(
        "fd.rip.name", _T, "the other side's name, with tcp's option resolve", "", _of("tcp", _text("peer_name"))
    ),
    FieldInfo("fd.lip.name", _T, f"this side's name{_NOT_SEEN}"),
    FieldInfo("fs.path.name", _T, "path of the file", "", lambda source, _: source.path()),
    FieldInfo("fs.path.nameraw", _T, "the path as it was given to the call", "", _of("files", _text("name"))),
    FieldInfo("fs.path.source", _T, "rename, link: the path before", "", _path_argument("rename", "link", "symlink")),
    FieldInfo("fs.path.target", _T, "rename, link, symlink: the new path", "", _text("new_path")),
    # proc
    FieldInfo("proc.name", _T, "the program's name, at most 15 characters", "", _text("comm")),
    FieldInfo("proc.pname", _T, "the parent's name", "", lambda source, _: source.ancestor("comm", 1)),
    FieldInfo("proc.exe", _T, "the first argument: what the program was called as", "", lambda s, _: s.own_name()),
    FieldInfo("proc.pexe", _T, "the same of the parent", "", _ancestor_name),
    FieldInfo("proc.exepath", _T, "path of the executable", "", _text("exe", "executable", "exe_path")),
    FieldInfo("proc.pexepath", _T, "the same of the parent", "", lambda source, _: source.ancestor("exe", 1)),
    FieldInfo("proc.cmdline", _T, "name and arguments", "", lambda s, _: s.command_line()),
    FieldInfo("proc.pcmdline", _T, "name and arguments of the parent", "", lambda s, _: _ancestor_line(s, "1")),
    FieldInfo("proc.acmdline", _T, "name and arguments of an ancestor, [1] the parent", "required", _ancestor_line),
    FieldInfo("proc.exeline", _T, "the arguments with the first", "", lambda s, _: s.whole_line()),
    FieldInfo("proc.args", _T, "the arguments without the first", "", lambda source, _: source.arguments()),
    FieldInfo("proc.env", _T, f"an environment variable{_NOT_SEEN}", "optional"),
    FieldInfo("proc.cwd", _T, "working directory, with a slash at its end", "", _directory),
    FieldInfo("proc.tty", _N, "whether the program was started on a terminal; 0 if not", "", _terminal),
    FieldInfo("proc.sname", _T, "name of the session's leader", "", _text("session_comm")),
    FieldInfo(
        "proc.aname", Kind.ANY, "names of the ancestors, of which any may match", "optional", _ancestor("comm"), _T
    ),
    FieldInfo("proc.aexe", Kind.ANY, "their executables, likewise", "optional", _ancestor("exe"), _T),
    FieldInfo("proc.aexepath", Kind.ANY, "their executables, likewise", "optional", _ancestor("exe"), _T),
    FieldInfo("proc.apid", Kind.ANY, "their process ids, likewise", "optional", _ancestor("pid"), _T),
    FieldInfo("proc.pid", _N, "process id as the host sees it", "", _column("pid")),
    FieldInfo("proc.ppid", _N, "process id of the parent", "", _column("ppid")),
    FieldInfo("proc.vpid", _N, f"process id as the container sees it{_NOT_SEEN}"),
    FieldInfo("proc.sid", _N, f"id of the session{_NOT_SEEN}"),
    FieldInfo("proc.is_vpgid_leader", _B, f"whether the process leads its group{_NOT_SEEN}"),
    FieldInfo("proc.is_sid_leader", _B, f"whether the process leads its session{_NOT_SEEN}"),
    FieldInfo(
        "proc.duration",
        _N,
        "how long a process has lived, in nanoseconds, when it ends",
        "",
        _of("process", _column("duration")),
    ),
    FieldInfo(
        "proc.is_exe_upper_layer", _B, "whether the executable is not of the image", "", _column("exe_upper_layer")
    ),
    FieldInfo("proc.is_exe_from_memfd", _B, "whether the executable lies in memory only", "", _column("exe_memfd")),
    FieldInfo("proc.is_exe_writable", _B, f"whether the user may write the executable{_NOT_SEEN}"),
    FieldInfo("proc.exe_ino", _N, "inode number of the executable", "", _column("exe_inode")),
    FieldInfo("proc.exe_ino.ctime", _N, "when its inode changed, nanoseconds since 1970", "", _column("exe_ctime_ns")),
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
        f"how long after the container's start that inode changed{_NOT_SEEN}",
    ),
    FieldInfo("proc.exe_ino.mtime", _N, f"when the executable was written{_NOT_SEEN}"),
    FieldInfo("thread.tid", _N, "thread id as the host sees it", "", _column("tid")),
    FieldInfo("thread.cap_effective", _T, "effective capabilities, where they change", "", _capabilities("effective")),
    FieldInfo("thread.cap_permitted", _T, "permitted capabilities, where they change", "", _capabilities("permitted")),
    # user, group
    FieldInfo("user.uid", _N, "real user id as the host sees it", "", _column("uid")),
    FieldInfo("user.name", _T, "that user's name on the host", "", _user_name),
    FieldInfo("user.loginuid", _N, f"user id of the login{_NOT_SEEN}"),
    FieldInfo("user.loginname", _T, f"name of the user who logged in{_NOT_SEEN}"),
    FieldInfo("group.gid", _N, "real group id as the host sees it", "", _column("gid")),
    FieldInfo("group.name", _T, "that group's name on the host", "", lambda source, _: _name_of(source, "gid")),
    # container, k8s
    FieldInfo("container.id", _T, "the container's id, twelve digits, or host", "", _text("container_id")),
    FieldInfo("container.name", _T, "the container's name, or host", "", _container_name),
    FieldInfo("container.info", _T, "id and name of the container in one text", "", _container_info),
    FieldInfo("container.image", _T, "the container's image", "", _text("image")),
    FieldInfo("container.image.repository", _T, "the image without its tag", "", _image(_REPOSITORY)),
    FieldInfo("container.image.tag", _T, "the image's tag", "", _image(r":([^:/@]+)(?:@[^/]*)?\z")),
    FieldInfo("container.image.digest", _T, "the image's digest", "", _image(r"@([^/]+)\z")),
    FieldInfo("container.type", _T, f"the container's runtime{_NOT_SEEN}"),
    FieldInfo("container.privileged", _B, f"whether the container is privileged{_NOT_SEEN}"),
    FieldInfo("container.mounts", _T, f"what is mounted into the container{_NOT_SEEN}"),
    FieldInfo("container.mount.dest", _T, f"where a source is mounted in the container{_NOT_SEEN}", "required"),
    FieldInfo("container.start_ts", _N, f"when the container was started{_NOT_SEEN}"),
    FieldInfo("container.duration", _N, f"how long the container has run{_NOT_SEEN}"),
    FieldInfo("k8s.ns.name", _T, "namespace of the pod", "", _pod(0)),
    FieldInfo("k8s.pod.name", _T, "name of the pod", "", _pod(1)),
)


def _counted() -> pl.Expr:
    return pl.int_range(1, pl.len() + 1, dtype=pl.Int64)


def _nanoseconds(source: Source) -> Made:
    return pl.col("time").dt.epoch("ns") if "time" in source.schema else None


def _is_tcp(source: Source) -> Made:
    return pl.col("event").cast(pl.String) == "connect" if source.is_a("tcp") else None


KNOWN: Mapping[str, FieldInfo] = {info.name: info for info in _FIELDS}
"""Falco's fields by name."""
ARGUMENT_NAMES = frozenset(_ARGUMENTS)
"""What `evt.arg` can be asked for."""
