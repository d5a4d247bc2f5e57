"""Parquet footers: read, move by an offset, merge, write.

A footer is one struct, FileMetaData, in the Thrift compact protocol
(https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md), read here into a tree without its
schema, so what a later Polars adds is carried over. Field numbers are those of
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

MAGIC = b"PAR1"
_TAIL = 8  # a file ends with the footer's length, 4 bytes little endian, and the magic

# FileMetaData
_SCHEMA, _NUM_ROWS, _ROW_GROUPS = 2, 3, 4
# RowGroup
_COLUMNS, _GROUP_FILE_OFFSET, _ORDINAL = 1, 5, 7
# ColumnChunk
_CHUNK_FILE_OFFSET, _META_DATA, _OFFSET_INDEX_OFFSET, _COLUMN_INDEX_OFFSET = 2, 3, 4, 6
# ColumnMetaData: data_page_offset, index_page_offset, dictionary_page_offset, bloom_filter_offset
_PAGE_OFFSETS = (9, 10, 11, 14)


class Kind(IntEnum):
    """The compact protocol's type codes. Maps, sets and uuids are left out: parquet.thrift has none."""

    TRUE = 1
    FALSE = 2
    I8 = 3
    I16 = 4
    I32 = 5
    I64 = 6
    DOUBLE = 7
    BINARY = 8
    LIST = 9
    STRUCT = 12


_INTEGERS = (Kind.I16, Kind.I32, Kind.I64)


@dataclass
class List:
    """A list of one kind. A list of booleans holds their codes, 1 and 2."""

    kind: Kind
    items: list[Value]


@dataclass
class Struct:
    """Field number -> (kind, value), in the order they were read."""

    fields: dict[int, tuple[Kind, Value]]

    def struct(self, field: int) -> Struct | None:
        """The struct in that field, None when it is not set."""
        value = self.fields[field][1] if field in self.fields else None
        return value if isinstance(value, Struct) else None

    def structs(self, field: int) -> list[Struct]:
        """The structs of the list in that field, empty when it is not set."""
        value = self.fields[field][1] if field in self.fields else None
        return [item for item in value.items if isinstance(item, Struct)] if isinstance(value, List) else []

    def integer(self, field: int) -> int:
        """The integer in that field, 0 when it is not set."""
        value = self.fields[field][1] if field in self.fields else None
        return value if isinstance(value, int) else 0


Value = int | bytes | List | Struct | None
"""TRUE and FALSE carry None, I8 and DOUBLE their raw bytes."""


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def struct(self) -> Struct:
        fields: dict[int, tuple[Kind, Value]] = {}
        number = 0
        while head := self._take(1)[0]:
            number = number + (head >> 4) if head >> 4 else self._integer()
            kind = Kind(head & 15)
            fields[number] = (kind, None if kind in (Kind.TRUE, Kind.FALSE) else self._value(kind))
        return Struct(fields)

    def _value(self, kind: Kind) -> Value:
        if kind in _INTEGERS:
            return self._integer()
        if kind is Kind.BINARY:
            return self._take(self._varint())
        if kind is Kind.STRUCT:
            return self.struct()
        if kind is Kind.LIST:
            head = self._take(1)[0]
            size, item = (self._varint() if head >> 4 == 15 else head >> 4), Kind(head & 15)
            return List(item, [self._value(item) for _ in range(size)])
        return self._take(8 if kind is Kind.DOUBLE else 1)

    def _integer(self) -> int:
        zigzag = self._varint()
        return (zigzag >> 1) ^ -(zigzag & 1)

    def _varint(self) -> int:
        result = shift = 0
        while True:
            byte = self._take(1)[0]
            result |= (byte & 127) << shift
            if byte < 128:
                return result
            shift += 7

    def _take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        if len(taken) != size:
            raise ValueError("the Parquet footer ends too early")
        self._at += size
        return taken


def decode(data: bytes) -> Struct:
    """One struct in the compact protocol; bytes behind it are ignored. ValueError when it is not one."""
    return _Reader(data).struct()


def encode(tree: Struct) -> bytes:
    """The struct in the compact protocol."""
    out = bytearray()
    _put(out, Kind.STRUCT, tree)
    return bytes(out)


def _put(out: bytearray, kind: Kind, value: Value) -> None:
    if isinstance(value, int):
        out += _varint(value << 1 if value >= 0 else ~(value << 1))
    elif isinstance(value, bytes):
        out += _varint(len(value)) + value if kind is Kind.BINARY else value
    elif isinstance(value, List):
        out += _list_head(len(value.items), value.kind)
        for item in value.items:
            _put(out, value.kind, item)
    elif isinstance(value, Struct):
        last = 0
        for number, (field_kind, field) in value.fields.items():
            _put_field_head(out, number, last, field_kind)
            _put(out, field_kind, field)
            last = number
        out.append(0)


def _put_field_head(out: bytearray, number: int, last: int, kind: Kind) -> None:
    if 0 < number - last < 16:
        out.append((number - last) << 4 | kind)
    else:
        out.append(kind)
        _put(out, Kind.I16, number)


def _list_head(size: int, kind: Kind) -> bytes:
    return bytes([size << 4 | kind]) if size < 15 else bytes([0xF0 | kind]) + _varint(size)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


@dataclass(frozen=True)
class Part:
    """The row groups of one Parquet file, ready to stand in another's footer: how many, their rows, their encoding."""

    groups: int
    rows: int
    encoded: bytes


def split(file: bytes) -> tuple[bytes, Struct]:
    """A whole Parquet file as its data (what stands between the magic and the footer) and its FileMetaData."""
    end = len(file) - _TAIL - int.from_bytes(file[-_TAIL:-4], "little")
    if file[:4] != MAGIC or file[-4:] != MAGIC or end < len(MAGIC):
        raise ValueError("not a Parquet file")
    return file[len(MAGIC) : end], decode(file[end:-_TAIL])


def part(metadata: Struct, start: int, like: Struct) -> Part:
    """The row groups of `metadata` as they are once their data begins at byte `start` of a file with `like`'s columns.

    Changes `metadata`. ValueError when the columns differ.
    """
    if metadata.fields[_SCHEMA] != like.fields[_SCHEMA]:
        raise ValueError("row groups of other columns cannot stand in one Parquet file")
    groups = metadata.structs(_ROW_GROUPS)
    for group in groups:
        _move(group, start - len(MAGIC))
        # An i16 that would overflow in a long run; optional, but then in all row groups or in none.
        group.fields.pop(_ORDINAL, None)
    return Part(len(groups), metadata.integer(_NUM_ROWS), b"".join(map(encode, groups)))


def footer(like: Struct, parts: Iterable[Part]) -> bytes:
    """A file's end: FileMetaData like `like` with the row groups of `parts`, its length and the magic.

    Row groups come encoded, so that the thousandth costs what the first did.
    """
    parts = tuple(parts)
    fields = {**like.fields, _NUM_ROWS: (Kind.I64, sum(each.rows for each in parts))}
    before = {number: field for number, field in fields.items() if number < _ROW_GROUPS}
    behind = {number: field for number, field in fields.items() if number > _ROW_GROUPS}
    out = bytearray(encode(Struct(dict(sorted(before.items()))))[:-1])  # less the byte that ends the struct
    _put_field_head(out, _ROW_GROUPS, max(before), Kind.LIST)
    out += _list_head(sum(each.groups for each in parts), Kind.STRUCT)
    out += b"".join(each.encoded for each in parts)
    for last, number in zip((_ROW_GROUPS, *behind), behind, strict=False):
        _put_field_head(out, number, last, behind[number][0])
        _put(out, *behind[number])
    out.append(0)
    return bytes(out) + len(out).to_bytes(4, "little") + MAGIC


def _move(group: Struct, by: int) -> None:
    _add(group, (_GROUP_FILE_OFFSET,), by)
    for chunk in group.structs(_COLUMNS):
        _add(chunk, (_CHUNK_FILE_OFFSET, _OFFSET_INDEX_OFFSET, _COLUMN_INDEX_OFFSET), by)
        if (column := chunk.struct(_META_DATA)) is not None:
            _add(column, _PAGE_OFFSETS, by)


def _add(struct: Struct, numbers: Iterable[int], by: int) -> None:
    for number in numbers:
        if offset := struct.integer(number):  # 0 stands for "none" in the offsets that are required but deprecated
            struct.fields[number] = (struct.fields[number][0], offset + by)
