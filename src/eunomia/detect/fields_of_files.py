"""Falco's fields of files and connections."""

from __future__ import annotations

import polars as pl

from eunomia.detect.compare import Kind
from eunomia.detect.field import NOT_SEEN, FieldInfo, Made, Make, column_of, only_for, path_when, text_of
from eunomia.detect.sources import Source, basename

_T, _N, _B = Kind.TEXT, Kind.NUMBER, Kind.TRUTH


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


def _is_tcp(source: Source) -> Made:
    return pl.col("event").cast(pl.String) == "connect" if source.is_a("tcp") else None


FIELDS = (
    FieldInfo("fd.num", _N, "number of the descriptor", "", column_of("fd")),
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
    FieldInfo(
        "fd.sip.name", _T, "the server's name, with tcp's option resolve", "", only_for("tcp", text_of("peer_name"))
    ),
    FieldInfo("fd.cip.name", _T, f"the client's name{NOT_SEEN}"),
    FieldInfo(
        "fd.rip.name", _T, "the other side's name, with tcp's option resolve", "", only_for("tcp", text_of("peer_name"))
    ),
    FieldInfo("fd.lip.name", _T, f"this side's name{NOT_SEEN}"),
    FieldInfo("fs.path.name", _T, "path of the file", "", lambda source, _: source.path()),
    FieldInfo("fs.path.nameraw", _T, "the path as it was given to the call", "", only_for("files", text_of("name"))),
    FieldInfo("fs.path.source", _T, "rename, link: the path before", "", path_when("rename", "link", "symlink")),
    FieldInfo("fs.path.target", _T, "rename, link, symlink: the new path", "", text_of("new_path")),
)
"""Fields of files and connections."""
