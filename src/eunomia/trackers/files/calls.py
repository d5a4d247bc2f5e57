"""Events: each call with its flags and modes as people write them."""

from __future__ import annotations

import os
from collections.abc import Mapping

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column
from eunomia.trackers.declaration import Options
from eunomia.trackers.paths import chosen, tidy
from eunomia.trackers.texts import DEVICE, device_name, written

_PATHS = ("path", "host_path", "new_path", "new_host_path")
_NAMED = ("named", "new_named")
_TEXTS = {
    "flags": Column("flags", pl.String, "flags of the call by name, such as O_RDWR|O_CREAT; 0 for none"),
    "mode": Column(
        "mode", pl.String, "permissions asked for, in octal; mknod: and the kind of file, 60000 a block device"
    ),
    "device": DEVICE,
}
_LARGEFILE = 0o400000 if os.uname().machine == "aarch64" else 0o100000  # 0 in Python, where it makes no difference
_ACCESS = ("O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE")
# Those that hold others' bits come first.
_OPEN = {
    **{name: getattr(os, name) for name in ("O_TMPFILE", "O_SYNC", "O_CREAT", "O_EXCL", "O_NOCTTY", "O_TRUNC")},
    **{name: getattr(os, name) for name in ("O_APPEND", "O_NONBLOCK", "O_DSYNC", "O_ASYNC", "O_DIRECT")},
    "O_LARGEFILE": _LARGEFILE,
    **{name: getattr(os, name) for name in ("O_DIRECTORY", "O_NOFOLLOW", "O_NOATIME", "O_CLOEXEC", "O_PATH")},
}
_RENAME = {"RENAME_NOREPLACE": 1, "RENAME_EXCHANGE": 2, "RENAME_WHITEOUT": 4}
_AT = {"AT_SYMLINK_NOFOLLOW": 0x100, "AT_SYMLINK_FOLLOW": 0x400, "AT_EMPTY_PATH": 0x1000}
_UNLINK = {"AT_REMOVEDIR": 0x200}
_OPENS = ("open", "create")


def flag_names(event: str, flags: int) -> str:
    """Flags of a call as they are written in C; bits without a name as a number."""
    if event in _OPENS:
        return "|".join((_ACCESS[flags & os.O_ACCMODE], *_names(_OPEN, flags & ~os.O_ACCMODE)))
    known = {"rename": _RENAME, "unlink": _UNLINK, "rmdir": _UNLINK}.get(event, _AT)
    return "|".join(_names(known, flags)) or "0"


def _names(known: Mapping[str, int], flags: int) -> list[str]:
    found = []
    for name, bits in known.items():
        if flags & bits == bits:
            found.append(name)
            flags &= ~bits
    return [*found, *([f"{flags:#x}"] if flags else [])]


class Calls(Handler):
    """Writes out flags and modes, and leaves out what was not chosen.

    Args:
        options: of the tracker.
        schema: the columns before it.
    """

    selects = True

    def __init__(self, options: Options, schema: Schema) -> None:
        self._chosen = chosen(options["include"], options["exclude"], _PATHS)
        self._schema = self.columns(schema)

    def columns(self, schema: Schema) -> Schema:
        """Text for numbers."""
        return Schema(tuple(_TEXTS.get(column.name, column) for column in schema if column.name not in _NAMED))

    def handle(self, batch: Batch) -> Batch:
        """The events that are left."""
        frame = batch.frame
        for named, path in zip(_NAMED, ("", "new_"), strict=True):
            frame = tidy(frame, named, f"{path}path", f"{path}host_path")
        if self._chosen is not None:
            frame = frame.filter(self._chosen)
        frame = frame.with_columns(
            _flags(frame),
            written(frame["mode"], lambda mode: f"{mode:04o}"),
            written(frame["device"], device_name),
            size=pl.when(pl.col("event") == "truncate").then("size"),
        )
        return Batch(batch.source, self._schema, frame.select(column.name for column in self._schema))


def _flags(frame: pl.DataFrame) -> pl.Series:
    """Each pair of a kind and its flags, as one number, is written once."""
    kinds = frame["event"].to_physical().cast(pl.UInt64)
    names = dict(frame.select(kinds, pl.col("event").cast(pl.String).alias("name")).unique().iter_rows())
    keys = (kinds * 2**32 + frame["flags"]).alias("flags")
    return written(keys, lambda key: flag_names(names[key >> 32], key & 0xFFFFFFFF))
