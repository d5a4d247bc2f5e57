"""From a C struct in BTF to NumPy records and on to a Polars frame.

The struct is the only schema. Conventions on its members:

- an anonymous struct inside (the shared prefix) counts as if its members stood there themselves;
- `char NAME[N]` is a string that ends at its NUL; beside a member `NAME_len` it is that many bytes instead, and the
  length is no column of its own; of type `argv_t` it is a list of strings, each ended by a NUL;
- an array of type `ip_t` is an IP address, shown as text; of type `optional_ip_t` zeros are none;
- an enum's values are named after its enumerators, lower case, without the enum's own name in front
  (`enum kind { KIND_EXEC }` gives `exec`);
- a member whose name starts with `_` is padding;
- a `btf_decl_tag("doc:…")` on a member describes the column.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from eunomia.schema.address import texts
from eunomia.schema.arrow import INLINE_BYTES, Bytes, StringViews
from eunomia.schema.batch import Schema
from eunomia.schema.btf import Btf, BtfType, Member
from eunomia.schema.semantic import PLAIN, SEMANTICS, Column, Semantic, dense_names

_LENGTH = "_len"
_DOC = "doc:"
_MOST_NAMES = 65536
_ONE_BY_ONE = 64
_NO_ADDRESS = "::"
_SEVERAL = ("text", "argv", "address", "array")


class LayoutError(ValueError):
    """A struct holds something that no column can be made of."""


@dataclass(frozen=True)
class Field:
    """Where a column's values lie in a record and how they become a series.

    Attributes:
        form: `number`, `bits`, `text` or `argv`, `address`, or `array` of numbers.
        offset: in bytes from the record's start.
        storage: NumPy type of one element.
        count: elements of a text, address or array.
        shift, width: of a bit field within its storage unit.
        length_field: the member that tells a text's length, if there is one.
    """

    column: Column
    semantic: Semantic
    form: str
    offset: int
    storage: np.dtype[Any]
    count: int = 1
    shift: int = 0
    width: int = 0
    length_field: str | None = None


def doc(tags: tuple[str, ...]) -> str:
    """The description among an item's declaration tags, or nothing."""
    return next((tag.removeprefix(_DOC) for tag in tags if tag.startswith(_DOC)), "")


def _flatten(btf: Btf, struct: BtfType, base: int = 0) -> Iterator[tuple[Member, int, str]]:
    """Members with their absolute bit offsets and descriptions, anonymous structs opened."""
    for index, member in enumerate(struct.members):
        inner, _ = btf.resolve(member.type_id)
        if inner.kind == "struct" and not member.name:
            yield from _flatten(btf, inner, base + member.offset_bits)
        elif not member.name and not member.width_bits:
            raise LayoutError(f"struct {struct.name}: an anonymous {inner.kind} cannot be columns")
        elif member.name:
            yield member, base + member.offset_bits, doc(btf.tags(struct.id, index))


def enum_names(item: BtfType) -> tuple[str, ...]:
    """Names for the values 0 … highest of an enum."""
    prefix = f"{item.name}_".upper()
    named = {value: name.removeprefix(prefix).lower() for name, value in item.values}
    # Compilers before clang 15 do not say that an enum is signed: what is beyond a signed number is negative there.
    highest = max((value for value in named if value < 1 << item.size * 8 - 1), default=-1)
    if highest >= _MOST_NAMES or len({*named.values()}) < len(named):
        raise LayoutError(f"enum {item.name or '(anonymous)'} has values above {_MOST_NAMES} or names that are alike")
    return dense_names(named, highest + 1)


def _is_text(btf: Btf, member: Member) -> bool:
    item, _ = btf.resolve(member.type_id)
    return item.kind == "array" and btf.resolve(item.target)[0].name == "char"


def _number_type(item: BtfType) -> np.dtype[Any]:
    if item.kind == "ptr":
        return np.dtype("<u8")
    if item.kind not in ("int", "enum", "enum64") or item.size not in (1, 2, 4, 8):
        raise LayoutError(f"{item.kind} {item.name or '(anonymous)'} of {item.size} bytes cannot be a column")
    return np.dtype(f"<{'i' if item.signed else 'u'}{item.size}")


def _meaning(item: BtfType, typedefs: tuple[str, ...]) -> Semantic:
    for name in typedefs:
        if name in SEMANTICS:
            return SEMANTICS[name]
    if item.kind in ("enum", "enum64"):
        return Semantic(names=enum_names(item))
    if item.boolean:
        return Semantic(dtype=pl.Boolean)
    return Semantic(show="hex") if item.kind == "ptr" else PLAIN


def _polars_type(semantic: Semantic, storage: np.dtype[Any]) -> Any:
    if semantic.names is not None:
        return pl.Enum(semantic.names)
    return semantic.dtype or pl.Series(np.empty(0, storage)).dtype


def _field(btf: Btf, member: Member, offset_bits: int, text: str, names: frozenset[str]) -> Field:
    item, typedefs = btf.resolve(member.type_id)
    offset = offset_bits // 8
    if item.kind == "array":
        if not item.length:
            raise LayoutError("an array of no length cannot be a column")
        element, element_typedefs = btf.resolve(item.target)
        if element.name == "char":
            return _text(member, offset, text, item.length, "argv_t" in element_typedefs, names)
        storage = _number_type(element)
        if "ip_t" in typedefs:
            optional = Semantic(null=0) if "optional_ip_t" in typedefs else PLAIN
            return Field(Column(member.name, pl.String, text), optional, "address", offset, storage, item.length)
        array = Column(
            member.name,
            pl.Array(_polars_type(PLAIN, storage), item.length),
            text,
            _meaning(element, element_typedefs).show,
        )
        return Field(array, PLAIN, "array", offset, storage, item.length)
    storage, semantic = _number_type(item), _meaning(item, typedefs)
    if member.width_bits:
        unit = storage.itemsize * 8
        start = offset_bits // unit * unit
        if offset_bits + member.width_bits > start + unit:
            raise LayoutError("a bit field that crosses its storage unit (packed) cannot be a column")
        if member.width_bits == 1 and semantic is PLAIN:
            semantic = Semantic(dtype=pl.Boolean)
        column = Column(member.name, _polars_type(semantic, storage), text, semantic.show)
        return Field(column, semantic, "bits", start // 8, storage, shift=offset_bits - start, width=member.width_bits)
    return Field(
        Column(member.name, _polars_type(semantic, storage), text, semantic.show), semantic, "number", offset, storage
    )


def _text(member: Member, offset: int, text: str, count: int, argv: bool, names: frozenset[str]) -> Field:
    length = member.name + _LENGTH
    column = Column(member.name, pl.List(pl.String) if argv else pl.String, text)
    known = length if length in names else None
    return Field(column, PLAIN, "argv" if argv else "text", offset, np.dtype("u1"), count, length_field=known)


class Layout:
    """How one C struct becomes columns.

    Args:
        btf: the object's types.
        struct_name: name of the struct.

    Attributes:
        schema: the columns.
        size: of a record, in bytes.
        dtype: NumPy type of a record; only what is needed to read it.

    Raises:
        LayoutError: there is no such struct, or a member that cannot be a column; the message names it.
    """

    def __init__(self, btf: Btf, struct_name: str) -> None:
        struct = btf.find("struct", struct_name)
        if struct is None:
            raise LayoutError(f"the object has no type information of struct {struct_name}")
        members = [entry for entry in _flatten(btf, struct) if not entry[0].name.startswith("_")]
        names = frozenset(member.name for member, _, _ in members)
        texts = frozenset(member.name for member, _, _ in members if _is_text(btf, member))
        fields = []
        lengths: dict[str, tuple[np.dtype[Any], int]] = {}
        for member, offset_bits, text in members:
            try:
                if member.name.endswith(_LENGTH) and member.name.removesuffix(_LENGTH) in texts:
                    lengths[member.name] = (_number_type(btf.resolve(member.type_id)[0]), offset_bits // 8)
                else:
                    fields.append(_field(btf, member, offset_bits, text, names))
            except LayoutError as error:
                raise LayoutError(f"struct {struct_name}, member {member.name}: {error}") from error
        if not fields:
            raise LayoutError(f"struct {struct_name} has no member that could be a column")
        self.fields = tuple(fields)
        self.size = struct.size
        self.schema = Schema(tuple(field.column for field in fields))
        self.dtype = self._dtype(lengths)
        self._finish = [expression for field in fields if (expression := _finish(field)) is not None]

    def _dtype(self, lengths: dict[str, tuple[np.dtype[Any], int]]) -> np.dtype[Any]:
        parts: list[tuple[str, Any, int]] = [(name, kind, at) for name, (kind, at) in lengths.items()]
        for field in self.fields:
            form = (field.storage, (field.count,)) if field.form in _SEVERAL else field.storage
            parts.append((field.column.name, form, field.offset))
        names, formats, offsets = zip(*parts, strict=True)
        return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": self.size})

    def decode(
        self, data: Bytes, count: int, *, start: int = 0, stride: int = 0, clock_offset_ns: int = 0
    ) -> pl.DataFrame:
        """Turns records that lie in a buffer at a fixed stride into a frame.

        Args:
            data: the buffer, shape (bytes,); at least INLINE_BYTES bytes must follow the last record.
            count: how many records.
            start: where the first one begins, in bytes.
            stride: bytes from one record's start to the next one's; 0 means the struct's size.
            clock_offset_ns: what is added to kernel times to give nanoseconds since 1970 (UTC).

        Returns:
            `count` rows with the columns of `schema`; nothing in them refers to the buffer.
        """
        stride = stride or self.size
        records = np.ndarray((count,), dtype=self.dtype, buffer=data, offset=start, strides=(stride,))
        places = np.arange(count, dtype=np.int64) * stride + start
        series = [self._series(field, records, data, places, clock_offset_ns) for field in self.fields]
        # One query for all columns: each costs about 0.1 ms, whatever is in it.
        return pl.DataFrame(series).with_columns_seq(self._finish)

    def _series(
        self, field: Field, records: npt.NDArray[Any], data: Bytes, places: npt.NDArray[np.int64], clock_offset_ns: int
    ) -> pl.Series:
        values = records[field.column.name]
        if field.form in ("text", "argv"):
            lengths = _lengths(field, records)
            return _strings(field, data, places + field.offset, lengths)
        if field.form == "address":
            written = texts(values).alias(field.column.name)
            return written if field.semantic is PLAIN else written.set(written == _NO_ADDRESS, None)
        if field.form == "array":
            return pl.Series(field.column.name, np.array(values, order="C"), dtype=field.column.dtype)
        if field.form == "bits":
            # Up to the top and down again: what comes in from above are zeros, or the sign.
            unit = field.storage.itemsize * 8
            up, down = unit - field.width - field.shift, unit - field.width
            values = values << field.storage.type(up) >> field.storage.type(down)
        # A copy of a single record's, too, which numpy takes for contiguous: the buffer is the caller's.
        return _numbers(field, values.copy(), clock_offset_ns)


def _numbers(field: Field, values: npt.NDArray[Any], clock_offset_ns: int) -> pl.Series:
    name, semantic = field.column.name, field.semantic
    if semantic.show == "time":
        return pl.Series(name, values.astype(np.int64) + clock_offset_ns).cast(field.column.dtype)
    missing = None if semantic.null is None else values == semantic.null
    if semantic.dtype is pl.Boolean:
        values = values != 0
    if semantic.names is not None:
        if semantic.positions is not None:
            last = len(semantic.positions) - 1
            values = np.where(values > last, len(semantic.names), semantic.positions[np.minimum(values, last)])
        # Polars takes numbers for an Enum's positions; one outside of them has no name and becomes null.
        outside = (values < 0) | (values >= len(semantic.names))
        missing = outside if missing is None else missing | outside
        values = np.where(missing, 0, values).astype(np.uint32)
    series = pl.Series(name, values)
    if missing is not None and missing.any():
        series = series.set(pl.Series(missing), None)
    return series


def _finish(field: Field) -> pl.Expr | None:
    """What is done with a column in Polars, on all of them at once.

    Strings get memory of Polars' own, which holds them and nothing else of the drained buffer. So a batch that is kept
    does not keep its ring's bytes, and Polars lets go of the buffer here and now, on this thread. Padding to no width
    is the cheapest thing that copies; a test watches that it still does.
    """
    column = pl.col(field.column.name)
    if field.form == "text":
        return column.str.pad_end(0)
    if field.form == "argv":
        return column.str.pad_end(0).str.split("\0")
    return column.cat.to(field.column.dtype) if field.semantic.names is not None else None


def _lengths(field: Field, records: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Bytes of each string: what the event says, or up to the first NUL. Never more than the field holds."""
    if field.length_field is not None:
        lengths: npt.NDArray[np.int64] = np.clip(records[field.length_field], 0, field.count).astype(np.int64)
        return lengths
    ends = np.ascontiguousarray(records[field.column.name]) == 0
    found = ends.argmax(axis=1)
    return np.where(ends[np.arange(len(found)), found], found, field.count).astype(np.int64)


def _strings(field: Field, data: Bytes, offsets: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> pl.Series:
    if field.form == "argv":  # the NUL behind the last argument separates nothing
        ended = (lengths > 0) & (data[offsets + np.maximum(lengths - 1, 0)] == 0)
        lengths, missing = lengths - ended, lengths == 0
    else:
        missing = lengths == 0
    return to_string(pl.Series(StringViews(data, offsets, lengths, missing))).alias(field.column.name)


def to_string(binary: pl.Series) -> pl.Series:
    r"""Bytes as text. What is not UTF-8 is shown as `\xNN`: the kernel takes any bytes in names and arguments."""
    try:
        return binary.cast(pl.String)
    except pl.exceptions.ComputeError:
        if len(binary) > _ONE_BY_ONE:  # so that one bad string costs those around it, and not the whole column
            half = len(binary) // 2
            return pl.concat([to_string(binary[:half]), to_string(binary[half:])])
        decoded = [None if value is None else value.decode("utf-8", "backslashreplace") for value in binary]
        return pl.Series(binary.name, decoded, dtype=pl.String)


__all__ = ["INLINE_BYTES", "Field", "Layout", "LayoutError", "doc", "enum_names", "to_string"]
