"""Events as people read them: names for numbers, each different number of a batch written once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column
from eunomia.trackers.paths import tidy
from eunomia.trackers.sensitive import names
from eunomia.trackers.texts import DEVICE, device_name, written

_TEXTS = {
    "command_nr": Column("command", pl.String, "what bpf, ptrace, keyctl, reboot, quotactl, fsconfig were told to do"),
    "flags": Column("flags", pl.String, "flags of the call by name, such as CLONE_NEWUSER|CLONE_NEWNS; 0 for none"),
    "family_nr": Column("family", pl.String, "address family of a socket, such as AF_PACKET"),
    "type_nr": Column("type", pl.String, "type of a socket, key, BPF program or map, perf event"),
    "protocol_nr": Column("protocol", pl.String, "protocol of a socket, by name where it has one"),
    "ip": Column("address", pl.String, "address: bind, listen: one's own; dup_stdio: the other side's"),
    "device": DEVICE,
}
_DROPPED = ("named", "has_address")
_KEYS = ("add_key", "request_key")
_NO_DEVICE = device_name(0)
_HIGH = 2**32


class Decode(Handler):
    """Gives the calls' numbers their names.

    Args:
        schema: the columns before it.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = self.columns(schema)

    def columns(self, schema: Schema) -> Schema:
        """Text for numbers."""
        return Schema(tuple(_TEXTS.get(column.name, column) for column in schema if column.name not in _DROPPED))

    def handle(self, batch: Batch) -> Batch:
        """The same events, worded."""
        frame = tidy(batch.frame, "named", "path", "host_path")
        event = pl.col("event").cast(pl.String)
        is_key, is_socket = event.is_in(_KEYS), event.is_in(names.SOCKET_EVENTS)
        frame = frame.with_columns(
            _by_event(frame, "command_nr", _command).alias("command"),
            _by_event(frame, "flags", _flags),
            _type(frame).alias("type"),
            _protocol(frame).alias("protocol"),
            written(frame["family_nr"], lambda family: names.FAMILIES.get(family, str(family))).alias("family"),
            written(frame["device"], device_name),
            address=pl.when("has_address").then("ip"),
            port=pl.when("has_address").then("port"),
            inode=pl.when(pl.col("inode") > 0).then("inode"),
        ).with_columns(
            family=pl.when(is_socket).then("family"),
            protocol=pl.when(is_socket).then("protocol"),
            type=pl.when(is_key).then("path2").otherwise("type"),
            path2=pl.when(~is_key).then("path2"),
            device=pl.when(~pl.col("named"), pl.col("device") != _NO_DEVICE).then("device"),
        )
        return Batch(batch.source, self._schema, frame.select(column.name for column in self._schema))


def _named(known: Mapping[int, str] | None, number: int) -> str | None:
    return None if known is None else known.get(number, str(number))


def _command(event: str, number: int) -> str | None:
    return _named(names.COMMANDS.get(event), number >> names.QUOTA_TYPE_BITS if event == "quotactl" else number)


def _flags(event: str, flags: int) -> str | None:
    known = names.FLAGS.get(event)
    return None if known is None else names.flag_names(known, flags)


def _by_event(frame: pl.DataFrame, column: str, word: Callable[[str, int], str | None]) -> pl.Series:
    """Each pair of a kind of event and a number, as one number, is written once."""
    kinds = frame["event"].to_physical().cast(pl.UInt64)
    events = frame["event"].dtype.categories.to_list()  # type: ignore[attr-defined]
    return written((kinds * _HIGH + frame[column]).alias(column), lambda key: word(events[key // _HIGH], key % _HIGH))


def _type(frame: pl.DataFrame) -> pl.Series:
    """What bpf(2) makes is told by its command."""

    def of_event(event: str, number: int) -> str | None:
        return _named(names.TYPES.get(event), number)

    def of_command(command: int) -> pl.Series:
        is_made = (frame["event"] == "bpf") & (frame["command_nr"] == command)
        numbers = frame["type_nr"].set(~is_made, None)
        return written(numbers, lambda number: _named(names.BPF_TYPES[command], number))

    texts = [_by_event(frame, "type_nr", of_event), *(of_command(command) for command in names.BPF_TYPES)]
    return pl.select(pl.coalesce(texts)).to_series()


def _protocol(frame: pl.DataFrame) -> pl.Series:
    keys = frame["family_nr"].cast(pl.UInt64) * _HIGH + frame["protocol_nr"]

    def word(key: int) -> str:
        family, protocol = divmod(key, _HIGH)
        return names.PROTOCOLS.get(family, {}).get(protocol, str(protocol))

    return written(keys, word)
