"""C structs as columns: every shape that a layout knows, compiled by the real compiler, against plain Python."""

from __future__ import annotations

import io
import mmap
import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eunomia.pipeline.handler import Handler
from eunomia.schema import arrow
from eunomia.schema.batch import Batch
from eunomia.schema.btf import Btf
from eunomia.schema.layout import Layout, LayoutError
from eunomia.schema.semantic import ERRNO_NAMES, SEMANTICS, SIGNAL_NAMES
from eunomia.sinks.csvfile import CsvSink
from eunomia.sinks.jsonlines import JsonLinesSink
from eunomia.sinks.outputs import OutputFile
from eunomia.sinks.parquet import ParquetSink
from tests.bpf_objects import buffer_of, decode, fixture, fixture_file
from tests.btf_bytes import BtfBytes


def shape(name: str) -> Layout:
    return Layout(fixture("shapes").btf, name)


def one(name: str, record: bytes) -> dict[str, Any]:
    (row,) = decode(shape(name), record).to_dicts()
    return row


# Numbers. Python's struct module lays members out as C does: an independent account of where they are.

NUMBERS = struct.Struct("@BhbIqHQi?PPI0Q")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(min_size=NUMBERS.size, max_size=NUMBERS.size), max_size=5))
def test_numbers(records: list[bytes]) -> None:
    layout = shape("numbers")
    assert layout.size == NUMBERS.size
    assert decode(layout, *records).rows() == [NUMBERS.unpack(record) for record in records]


def test_columns_of_numbers() -> None:
    schema = shape("numbers").schema
    kinds = [pl.UInt8, pl.Int16, pl.Int8, pl.UInt32, pl.Int64, pl.UInt16, pl.UInt64, pl.Int32, pl.Boolean]
    assert [column.dtype for column in schema] == [*kinds, pl.UInt64, pl.UInt64, pl.UInt32]
    assert (schema["u1"].description, schema["s1"].description) == ("one byte", "")
    assert [column.name for column in schema if column.show == "hex"] == ["pointer", "next"]


def test_frame_has_the_schemas_types() -> None:
    for name in (*SHAPES, "nested"):
        layout = shape(name)
        assert decode(layout).schema == layout.schema.polars(), name
        assert decode(layout, b"").schema == layout.schema.polars(), name


def test_addresses() -> None:
    mapped = bytes(10) + b"\xff\xff"
    some, other = mapped + bytes([10, 0, 0, 1]), b"\x20\x01\x0d\xb8" + bytes(11) + b"\1"
    record = struct.pack("@H16s16s16s", 443, some, other, some)
    assert one("addresses", record) == {"port": 443, "near": "10.0.0.1", "far": "2001:db8::1", "maybe": "10.0.0.1"}
    record = struct.pack("@H16s16s16s", 443, some, bytes(16), bytes(16))
    assert one("addresses", record) == {"port": 443, "near": "10.0.0.1", "far": "::", "maybe": None}
    assert shape("addresses").schema["far"].dtype == pl.String
    assert shape("addresses").schema["far"].description == "the other side"


ARRAYS = struct.Struct("@3B2h3I2q")


@given(st.lists(st.binary(min_size=ARRAYS.size, max_size=ARRAYS.size), max_size=4))
@settings(max_examples=50, deadline=None)
def test_arrays(records: list[bytes]) -> None:
    layout = shape("arrays")
    assert layout.size == ARRAYS.size
    rows = [ARRAYS.unpack(record) for record in records]
    expected = [(list(r[:3]), list(r[3:5]), list(r[5:8]), list(r[8:])) for r in rows]
    assert decode(layout, *records).rows() == expected


def test_anonymous_structs_are_opened() -> None:
    layout = shape("nested")
    values = {column.name: number for number, column in enumerate(layout.schema, start=1)}
    assert values == {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5}
    record = struct.pack("@IQHBxB", 1, 2, 3, 4, 5)
    assert one("nested", record) == values
    assert layout.schema["first"].description == "inside"


# Enums


def test_enums() -> None:
    layout = shape("enums")
    assert layout.schema["colour"].dtype == pl.Enum(["red", "green", "blue"])
    assert layout.schema["tiny"].dtype == pl.Enum(["a", "1", "2", "3", "4", "b"])
    form = struct.Struct("<IBB")
    rows = [form.pack(0, 0, 2), form.pack(2, 5, 0), form.pack(1, 3, 1)]
    assert decode(layout, *rows).rows() == [("red", "a", "blue"), ("blue", "b", "red"), ("green", "3", "green")]


@pytest.mark.parametrize("wrong", [3, 255, 2**31, 2**32 - 1])
def test_values_outside_of_an_enum_are_null(wrong: int) -> None:
    # The row after it keeps its own value: what is null must not shift anything.
    frame = decode(shape("enums"), struct.pack("<IB", wrong, 6), struct.pack("<IB", 2, 5))
    assert frame["colour"].to_list() == [None, "blue"]
    assert frame["tiny"].to_list() == [None, "b"]


def signed_enum(size: int, values: list[tuple[str, int]]) -> Layout:
    written = BtfBytes()
    if size == 8:
        enum = written.enum64("balance", values, signed=True)
    else:
        rest = b"".join(struct.pack("<Ii", written.text(name), value) for name, value in values)
        enum = written.add("enum", "balance", size, count=len(values), flag=True, rest=rest)
    written.structure("event", size, [("balance", enum, 0)])
    return Layout(Btf(written.section()), "event")


@pytest.mark.parametrize("size", [4, 8])
def test_signed_enums(size: int) -> None:
    layout = signed_enum(size, [("BALANCE_OWED", -2), ("BALANCE_EVEN", 0), ("BALANCE_PLUS", 3)])
    assert layout.schema["balance"].dtype == pl.Enum(["even", "1", "2", "plus"])
    rows = [value.to_bytes(size, "little", signed=True) for value in (0, -2, 3, 2, -(2 ** (size * 8 - 1)))]
    assert decode(layout, *rows)["balance"].to_list() == ["even", None, "plus", "2", None]


def test_an_enum_of_negative_values_alone() -> None:
    layout = signed_enum(4, [("BALANCE_OWED", -2)])
    assert decode(layout, struct.pack("<i", -2))["balance"].to_list() == [None]


ROOT = Path(__file__).parents[2]


def in_a_process(code: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """For what may take the whole process with it."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, env=environment, check=False)


BOUNDED = """
import resource, sys
from pathlib import Path
from eunomia.kernel.spec import ObjectSpec
from eunomia.schema.layout import Layout, LayoutError
resource.setrlimit(resource.RLIMIT_DATA, (1 << 29, 1 << 29))
try:
    print(Layout(ObjectSpec.read(Path(sys.argv[1])).btf, sys.argv[2]).schema.polars())
except LayoutError as error:
    print(error)
"""


@pytest.mark.parametrize(("name", "member"), [("owing", "balance"), ("with_far_enum", "far")])
def test_enums_with_huge_values_take_no_memory(name: str, member: str) -> None:
    # clang before 15 does not mark an enum as signed, so that -2 looks like 4294967294.
    done = in_a_process(BOUNDED, fixture_file("shapes"), name)
    assert done.returncode == 0, done.stderr[-300:]
    assert member in done.stdout


def test_enumerators_that_differ_in_case_alone() -> None:
    try:
        assert one("with_twins", struct.pack("<I", 1))["twins"] is not None
    except LayoutError as error:
        assert "with_twins" in str(error)


# Bit fields

BITS = (
    # name, byte of the storage unit, its size, first bit, width
    ("one", 0, 4, 0, 1),
    ("three", 0, 4, 1, 3),
    ("eleven", 0, 4, 4, 11),
    ("seventeen", 0, 4, 15, 17),
    ("five", 4, 1, 3, 5),
    ("thirty_three", 8, 8, 0, 33),
    ("thirty_one", 8, 8, 33, 31),
    ("sixteen", 16, 2, 0, 16),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(min_size=24, max_size=24), min_size=1, max_size=4))
def test_bit_fields(records: list[bytes]) -> None:
    layout = shape("bits")
    assert layout.size == 24
    expected = [
        tuple(
            int.from_bytes(r[at : at + size], "little") >> first & (1 << width) - 1
            for _, at, size, first, width in BITS
        )
        for r in records
    ]
    frame = decode(layout, *records)
    assert frame.columns == [name for name, *_ in BITS]
    assert frame.schema["one"] == pl.Boolean
    assert frame.rows() == expected


def test_signed_bit_fields() -> None:
    record = bytearray(16)
    record[0:4] = (-3 & 7 | (-70_000 & (1 << 29) - 1) << 3).to_bytes(4, "little")
    record[8:16] = (-(2**39) & (1 << 40) - 1 | (-1 & 0xFFFF) << 48).to_bytes(8, "little")
    assert one("signed_bits", bytes(record)) == {"three": -3, "whole": -70_000, "forty": -(2**39), "full": -1}


def test_bit_fields_of_a_packed_struct() -> None:
    try:
        row = one("crossing", (0b1010101_0011).to_bytes(2, "little"))
    except LayoutError as error:
        assert "crossing, member high" in str(error)
    else:
        assert row == {"low": 0b0011, "high": 0b1010101}


# Meanings


def test_the_fixture_has_every_meaning() -> None:
    held = [column.name for name in ("meanings", "numbers_or_none") for column in shape(name).schema]
    assert {f"m_{name}" for name in SEMANTICS} == set(held)


def test_numbers_or_none() -> None:
    form = struct.Struct("<IIQqqQQQIIiB3x")
    some = form.pack(9, 1, 2, 0, -5, 3, 0, 0, 0, 4, 0, 0)
    none = form.pack(9, 0, 0, -1, -(2**63), 2**64 - 1, 2**64 - 1, 2**64 - 1, 2**32 - 1, 0, -1, 2)
    frame = decode(shape("numbers_or_none"), some, none)
    assert frame.rows() == [(1, 2, 0, -5, 3, 0, 0, 0, 4, 0, False), (None,) * 11]
    assert one("numbers_or_none", form.pack(9, 1, 2, 0, -5, 3, 0, 0, 0, 4, 0, 1))["m_optional_bool_t"] is True


MEANINGS = struct.Struct("@QQQIiHHHQqQB7x")


def test_meanings() -> None:
    layout = shape("meanings")
    full = MEANINGS.pack(1_500_000_001, 7, 2**64 - 1, 4026531840, 3, 2, 9, 4000, 10, 12, 11, 21)
    none = MEANINGS.pack(0, 0, 0, 0, -1, 0, 0, 1023, 0, -1, 0, 63)
    offset_ns = 1_700_000_000_000_000_000
    frame = layout.decode(buffer_of(full + none), 2, clock_offset_ns=offset_ns)
    assert frame["m_ktime_ns_t"].cast(pl.Int64).to_list() == [offset_ns + 1_500_000_001, offset_ns]
    assert frame["m_ktime_ns_t"][1] == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=1_700_000_000)
    assert frame.drop("m_ktime_ns_t").rows() == [
        (7, 2**64 - 1, 4026531840, 3, "ENOENT", "SIGKILL", None, 10, 12, 11, "CAP_SYS_ADMIN"),
        (None, 0, 0, None, None, None, None, 0, None, 0, "CAP_63"),
    ]
    shown = {column.name: column.show for column in layout.schema if column.show != "plain"}
    assert shown == {
        "m_ktime_ns_t": "time",
        "m_duration_ns_t": "duration",
        "m_bytes_t": "bytes",
        "m_optional_bytes_t": "bytes",
        "m_hex_t": "hex",
    }


@pytest.mark.parametrize(("at", "names"), [("m_errno_t", ERRNO_NAMES), ("m_signal_nr_t", SIGNAL_NAMES)])
def test_every_number_of_a_name(at: str, names: tuple[str, ...]) -> None:
    values = [*range(1, len(names)), len(names), 65535]
    frame = decode(shape("meanings"), *(MEANINGS.pack(0, 0, 0, 0, 0, v, v, 0, 0, 0, 0, 0) for v in values))
    assert frame[at].to_list() == [*names[1:], None, None]


# What no column can be made of


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("with_union", "member either: union"),
        ("with_struct", "member named: struct inner"),
        ("with_float", "member ratio: float"),
        ("with_matrix", "member matrix: array"),
        ("with_int128", "member huge: int __int128 of 16 bytes"),
    ],
)
def test_refused(name: str, message: str) -> None:
    with pytest.raises(LayoutError, match=rf"struct {name}, {message}"):
        shape(name)


def test_no_such_struct() -> None:
    with pytest.raises(LayoutError, match="no type information of struct nowhere"):
        shape("nowhere")


def test_refused_anonymous_union() -> None:
    with pytest.raises(LayoutError, match=r"struct with_hidden_union.*union"):
        shape("with_hidden_union")


def test_refused_without_any_column() -> None:
    with pytest.raises(LayoutError, match="with_padding_only"):
        shape("with_padding_only")


def test_refused_text_of_no_length() -> None:
    with pytest.raises(LayoutError, match="with_endless_text, member rest"):
        shape("with_endless_text")


def test_a_length_of_what_is_no_text_is_a_number() -> None:
    assert one("lengths_of_nothing", struct.pack("<III", 1, 2, 3)) == {"path_len": 1, "header": 2, "header_len": 3}


# Strings

TEXTS = struct.Struct("<H16s16sB24s5s")


def texts(until_nul: bytes = b"", sized: bytes = b"", words: bytes = b"", last: bytes = b"") -> bytes:
    return TEXTS.pack(len(sized), until_nul, sized, len(words), words, last)


def expected_text(raw: bytes) -> str | None:
    return raw.decode("utf-8", "backslashreplace") or None


# Around 12 bytes strings change their form in memory; 16 fills the whole field.
LENGTHS = range(17)


@pytest.mark.parametrize("length", LENGTHS)
def test_strings_of_every_length(length: int) -> None:
    text = b"abcdefghijklmnop"[:length]
    row = one("texts", texts(text, text, text + b"\0", text[:5]))
    whole = text.decode()
    assert row == {"until_nul": whole or None, "sized": whole or None, "words": [whole], "last": whole[:5] or None}


def test_text_ends_at_its_nul() -> None:
    assert one("texts", texts(b"ab\0cd", b"ab\0cd", last=b"a\0b\0c")) == {
        "until_nul": "ab",
        "sized": "ab\0cd",
        "words": None,
        "last": "a",
    }


@pytest.mark.parametrize("length", [17, 255, 65535])
def test_length_beyond_the_field(length: int) -> None:
    record = bytearray(texts(b"", b"x" * 16, b"y" * 24, b"z" * 5))
    record[0:2] = length.to_bytes(2, "little")
    record[34] = min(length + 8, 255)
    row = one("texts", bytes(record))
    assert (row["sized"], row["words"]) == ("x" * 16, ["y" * 24])


NEGATIVE = """
import struct, sys
from pathlib import Path
from eunomia.kernel.spec import ObjectSpec
from eunomia.schema.layout import Layout
from tests.bpf_objects import decode
layout = Layout(ObjectSpec.read(Path(sys.argv[1])).btf, "signed_length")
frame = decode(layout, struct.pack("<i16sxxxxQ16s", int(sys.argv[2]), b"name", 2**63 + 1, b"w" * 16))
assert frame.row(0) in [(None, None), (None, "w" * 16)], frame.row(0)
"""


@pytest.mark.parametrize("length", [-2, -14])  # ENOENT, EFAULT
def test_a_negative_length_is_none(length: int) -> None:
    # In a process of its own, since what goes wrong there is a segmentation fault.
    done = in_a_process(NEGATIVE, fixture_file("shapes"), str(length))
    assert done.returncode == 0, (done.returncode, done.stderr[-300:])


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"caf\xc3\xa9", "café"),
        (b"caf\xe9", r"caf\xe9"),
        (b"\xff\xfe", r"\xff\xfe"),
        (b"\xed\xa0\x80", r"\xed\xa0\x80"),
        (b"0123456789abc\xf0", r"0123456789abc\xf0"),
        ("日本語".encode(), "日本語"),
    ],
)
def test_what_is_no_utf8(raw: bytes, shown: str) -> None:
    # A row of plain text beside it stays as it is.
    frame = decode(shape("texts"), texts(raw, raw, raw + b"\0x\0"), texts(b"plain", b"plain", b"plain\0"))
    assert frame["until_nul"].to_list() == frame["sized"].to_list() == [shown, "plain"]
    assert frame["words"].to_list() == [[shown, "x"], ["plain"]]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", None),
        (b"\0", [""]),
        (b"a", ["a"]),
        (b"a\0", ["a"]),
        (b"a\0b\0", ["a", "b"]),
        (b"a\0b", ["a", "b"]),
        (b"a\0\0b\0", ["a", "", "b"]),
        (b"\0\0", ["", ""]),
        (b"a b\0'\n\0", ["a b", "'\n"]),
        (b"0123456789abcdef\0" + b"x" * 7, ["0123456789abcdef", "x" * 7]),
    ],
)
def test_argument_lists(raw: bytes, words: list[str] | None) -> None:
    assert one("texts", texts(words=raw))["words"] == words


raw_text = st.binary(max_size=16) | st.text(max_size=5).map(lambda text: text.encode()[:16])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(raw_text, raw_text, st.binary(max_size=24), st.binary(max_size=5)), max_size=6))
def test_any_strings(rows: list[tuple[bytes, bytes, bytes, bytes]]) -> None:
    expected = [
        (
            expected_text(until_nul.partition(b"\0")[0]),
            expected_text(sized),
            expected_words(words),
            expected_text(last.partition(b"\0")[0]),
        )
        for until_nul, sized, words, last in rows
    ]
    assert decode(shape("texts"), *(texts(*row) for row in rows)).rows() == expected
    assert not arrow._held


def expected_words(raw: bytes) -> list[str] | None:
    if not raw:
        return None
    return [part.decode("utf-8", "backslashreplace") for part in raw.removesuffix(b"\0").split(b"\0")]


# Structs that nobody thought of


@dataclass(frozen=True)
class Part:
    """A member of a random struct: how it is told to BTF, and how plain Python reads it."""

    size: int
    add: Callable[[BtfBytes], int]
    read: Callable[[bytes], object]
    length_bytes: int = 0


def number(code: str) -> Part:
    form = struct.Struct(f"<{code}")
    signed, boolean = code.islower(), code == "?"
    return Part(
        form.size,
        lambda btf: btf.integer(form.size, signed=signed and not boolean, boolean=boolean),
        lambda raw: form.unpack(raw)[0],
    )


def array(code: str, length: int) -> Part:
    form = struct.Struct(f"<{length}{code}")
    return Part(
        form.size,
        lambda btf: btf.array(btf.integer(form.size // length, signed=code.islower()), length),
        lambda raw: list(form.unpack(raw)),
    )


def char(btf: BtfBytes) -> int:
    return btf.integer(1, signed=True, name="char")


def text(length: int) -> Part:
    return Part(length, lambda btf: btf.array(char(btf), length), lambda raw: expected_text(raw.partition(b"\0")[0]))


def sized_text(length: int, length_bytes: int, *, argv: bool) -> Part:
    def add(btf: BtfBytes) -> int:
        return btf.array(btf.add("typedef", "argv_t", char(btf)) if argv else char(btf), length)

    def read(raw: bytes) -> object:
        given_length = int.from_bytes(raw[:length_bytes], "little")
        body = raw[length_bytes:][: min(given_length, length)]
        return expected_words(body) if argv else expected_text(body)

    return Part(length, add, read, length_bytes)


CODES = "bBhHiIqQ"
parts = st.one_of(
    st.sampled_from([*CODES, "?"]).map(number),
    st.builds(array, st.sampled_from(CODES), st.integers(1, 4)),
    st.builds(text, st.integers(1, 40)),
    st.builds(sized_text, st.integers(1, 40), st.sampled_from([1, 2, 4]), argv=st.booleans()),
)


@dataclass(frozen=True)
class RandomStruct:
    """A struct at random, with gaps between its members, and how plain Python reads a record of it."""

    layout: Layout
    reads: tuple[tuple[int, Part], ...]

    def row(self, record: bytes) -> tuple[object, ...]:
        return tuple(part.read(record[at : at + part.length_bytes + part.size]) for at, part in self.reads)


@st.composite
def structs(draw: st.DrawFn) -> RandomStruct:
    btf, members, reads, at = BtfBytes(), [], [], 0
    for index, part in enumerate(draw(st.lists(parts, min_size=1, max_size=8))):
        at += draw(st.integers(0, 3))
        reads.append((at, part))
        if part.length_bytes:
            members.append((f"m{index}_len", btf.integer(part.length_bytes), at))
            at += part.length_bytes
        members.append((f"m{index}", part.add(btf), at))
        at += part.size
    btf.structure("event", at + draw(st.integers(0, 5)), members)
    return RandomStruct(Layout(Btf(btf.section()), "event"), tuple(reads))


@settings(max_examples=150, deadline=None)
@given(structs(), st.data())
def test_random_structs(made: RandomStruct, data: st.DataObject) -> None:
    layout = made.layout
    records = data.draw(st.lists(st.binary(min_size=layout.size, max_size=layout.size), max_size=4))
    start, gap = data.draw(st.integers(0, 9)), data.draw(st.integers(0, 9))
    noise = b"\xee" * start + b"".join(record + b"\xee" * gap for record in records)
    frame = layout.decode(buffer_of(noise), len(records), start=start, stride=layout.size + gap)
    assert frame.schema == layout.schema.polars()
    assert frame.rows() == [made.row(record) for record in records]


# Memory

SHAPES = ("numbers", "arrays", "addresses", "enums", "bits", "meanings", "texts")


# One record alone lies in a row by itself, which NumPy and Polars may take for a reason not to copy.
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("name", SHAPES)
def test_a_frame_does_not_change_with_its_buffer(name: str, count: int) -> None:
    layout = shape(name)
    data = np.frombuffer(mmap.mmap(-1, layout.size * count + arrow.INLINE_BYTES), np.uint8)  # aligned, as rows are
    data[:] = 0x41
    frame = layout.decode(data, count)
    expected = layout.decode(data.copy(), count).rows()
    data[:] = 0x42
    assert frame.rows() == expected
    # Of a single row Polars keeps a second copy of each value, and that is what it gave.
    assert list(zip(*(column.to_list() for column in frame), strict=True)) == expected
    assert not arrow._held


MARK = b"\x5a" * 4  # ZZZZ

CONTENTS = [(b"", b"", b"", b""), (b"a", b"bc", b"d\0ef\0", b"g"), (b"h" * 13, b"i" * 14, b"j" * 15, b"kl")]


def marked() -> tuple[Layout, pl.DataFrame]:
    """Records in a buffer that was full of Z before, as a ring's memory is full of older events."""
    layout, stride = shape("texts"), 80
    data = np.full(stride * len(CONTENTS) + arrow.INLINE_BYTES, MARK[0], np.uint8)
    for index, (until_nul, sized, words, last) in enumerate(CONTENTS):
        at = index * stride
        for offset, part in (
            (0, len(sized).to_bytes(2, "little")),
            (2, until_nul + b"\0"),
            (18, sized),
            (34, bytes([len(words)])),
            (35, words),
            (59, last + b"\0"),
        ):
            data[at + offset : at + offset + len(part)] = np.frombuffer(part, np.uint8)
    return layout, layout.decode(data, len(CONTENTS), stride=stride)


def test_marked_records_are_what_they_should_be() -> None:
    _, frame = marked()
    assert frame.row(1) == ("a", "bc", ["d", "ef"], "g")
    assert frame.row(2) == ("h" * 13, "i" * 14, ["j" * 15], "kl")


@pytest.mark.parametrize("sink", [JsonLinesSink, CsvSink, ParquetSink])
def test_nothing_of_older_records_is_written(sink: type[Handler], tmp_path: Path) -> None:
    layout, frame = marked()
    path = tmp_path / "out"
    target = path if sink is ParquetSink else OutputFile(path)
    made: Handler = sink(target, layout.schema)  # type: ignore[call-arg]
    made.handle(Batch("test", layout.schema, frame))
    made.close()
    written = path.read_bytes()
    assert len(written) > 50
    assert b"Z" * 2 not in written
    if sink is ParquetSink:
        assert pl.read_parquet(path).rows() == frame.rows()


def test_nothing_of_older_records_is_in_the_frame() -> None:
    # Uncompressed: these hold the columns' memory as it is.
    _, frame = marked()
    for write in (frame.write_ipc, frame.write_parquet):
        out = io.BytesIO()
        write(out, compression="uncompressed")
        assert re.search(rb"h{13}", out.getvalue()), "the search itself has to work"
        assert b"Z" * 2 not in out.getvalue()
