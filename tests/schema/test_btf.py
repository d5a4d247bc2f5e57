"""The BTF reader against bpftool's, on every object there is, and on bytes that are broken."""

from __future__ import annotations

import json
import signal
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eunomia.kernel import elf
from eunomia.schema.btf import Btf, BtfError, BtfType
from tests.bpf_objects import OBJECTS, fixture_file
from tests.btf_bytes import BtfBytes


@cache
def reference_missing() -> str:
    """Why bpftool cannot be asked, or nothing."""
    try:
        done = subprocess.run(["bpftool", "version"], capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr


needs_bpftool = pytest.mark.skipif(bool(reference_missing()), reason=f"bpftool does not work: {reference_missing()}")


def reference(path: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        ["bpftool", "--json", "btf", "dump", "file", str(path)], capture_output=True, text=True, check=True
    )
    types: list[dict[str, Any]] = json.loads(done.stdout)["types"]
    return types


def read(path: Path) -> Btf:
    return Btf(elf.parse(path.read_bytes()).sections[".BTF"])


Told = dict[str, Any]


def _as_int(item: BtfType) -> Told:
    encoding = "BOOL" if item.boolean else "SIGNED" if item.signed else "(none)"
    return {"size": item.size, "encoding": encoding}


def _as_array(item: BtfType) -> Told:
    return {"type_id": item.target, "nr_elems": item.length}


def _as_struct(item: BtfType) -> Told:
    members = []
    for member in item.members:
        told: Told = {"name": member.name or "(anon)", "type_id": member.type_id, "bits_offset": member.offset_bits}
        members.append(told | ({"bitfield_size": member.width_bits} if member.width_bits else {}))
    return {"size": item.size, "vlen": len(members), "members": members}


def _as_enum(item: BtfType) -> Told:
    values = [{"name": name, "val": value} for name, value in item.values]
    return {"size": item.size, "encoding": "SIGNED" if item.signed else "UNSIGNED", "values": values}


def _as_datasec(item: BtfType) -> Told:
    keys = ("type_id", "offset", "size")
    return {"size": item.size, "vars": [dict(zip(keys, triple, strict=True)) for triple in item.variables]}


def _as_tag(item: BtfType) -> Told:
    return {"type_id": item.target, "component_idx": item.component}


def _as_reference(item: BtfType) -> Told:
    return {"type_id": item.target}


_AS: dict[str, Callable[[BtfType], Told]] = {
    "int": _as_int,
    "array": _as_array,
    "struct": _as_struct,
    "union": _as_struct,
    "enum": _as_enum,
    "enum64": _as_enum,
    "fwd": lambda _item: {},
    "func_proto": lambda item: {"ret_type_id": item.target},
    "datasec": _as_datasec,
    "float": lambda item: {"size": item.size},
    "decl_tag": _as_tag,
}


def _words(told: Told) -> Told:
    # clang 14 marks no enum as signed; bpftool then extends the sign of a negative value and prints it unsigned.
    return told | {"values": [value | {"val": value["val"] & 0xFFFFFFFF} for value in told["values"]]}


def assert_same(ours: BtfType, theirs: Told) -> None:
    """Every fact that we read is the one that bpftool reads."""
    expected = _AS.get(ours.kind, _as_reference)(ours)
    if ours.kind == "enum" and not ours.signed:
        expected, theirs = _words(expected), _words(theirs)
    assert (ours.id, ours.kind, ours.name or "(anon)") == (theirs["id"], theirs["kind"].lower(), theirs["name"])
    assert expected == {key: theirs.get(key) for key in expected}, ours


def assert_same_types(btf: Btf, types: list[Told]) -> None:
    assert len(btf.types) == len(types) + 1
    for ours, theirs in zip(btf.types[1:], types, strict=True):
        assert_same(ours, theirs)


def test_there_are_objects() -> None:
    assert OBJECTS
    assert not [path for path in OBJECTS if not path.exists()], "`make build` first"


@needs_bpftool
@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: path.name)
def test_every_type_of_every_object(path: Path) -> None:
    assert_same_types(read(path), reference(path))


@needs_bpftool
@pytest.mark.parametrize("name", ["kinds", "shapes"])
def test_kinds_that_trackers_do_not_use(name: str) -> None:
    assert_same_types(read(fixture_file(name)), reference(fixture_file(name)))


@needs_bpftool
def test_kinds_that_our_compiler_does_not_make(tmp_path: Path) -> None:
    written = BtfBytes()
    number = written.integer(4, signed=True)
    written.enum64("wide", [("A", 0), ("B", 2**63), ("C", 2**64 - 1)], signed=False)
    written.enum64("below", [("D", -1), ("E", -(2**63)), ("F", 2**40 + 1)], signed=True)
    values = struct.pack("<IiIi", written.text("G"), -5, written.text("H"), 5)
    written.add("enum", "signed", 4, count=2, flag=True, rest=values)
    written.add("float", "double", 8)
    written.add("type_tag", "user", number)
    written.add("restrict", "", written.add("ptr", "", number))
    written.integer(1, boolean=True)
    path = tmp_path / "btf"
    path.write_bytes(written.section())
    btf = Btf(written.section())
    assert_same_types(btf, reference(path))
    assert btf.types[2].values == (("A", 0), ("B", 2**63), ("C", 2**64 - 1))
    assert btf.types[3].values == (("D", -1), ("E", -(2**63)), ("F", 2**40 + 1))
    assert btf.types[4].values == (("G", -5), ("H", 5))


def test_what_is_asked_of_types() -> None:
    btf = read(fixture_file("kinds"))
    everything = btf.find("struct", "everything")
    assert everything is not None
    members = {member.name: member for member in everything.members}
    assert btf.tags(everything.id) == ("doc:a tag on a type",)
    variable = btf.variable_id("everything")
    assert variable is not None
    assert btf.tags(variable) == ("doc:a tag on a variable",)
    assert btf.tags(everything.id, 0) == ()
    assert members["narrow"].width_bits == 37
    item, names = btf.resolve(members["call"].type_id)
    assert (item.kind, names) == ("ptr", ("callback",))
    item, names = btf.resolve(members["narrow"].type_id)
    assert (item.kind, item.size, item.signed, names) == ("int", 8, True, ("s64", "__s64"))
    assert btf.bare(members["text"].type_id).kind == "ptr"
    assert btf.size(members["matrix"].type_id) == 48
    assert btf.size(members["tagged"].type_id) == 8
    assert btf.size(members["ratio"].type_id) == 4
    (things,) = btf.variables(".data.things")
    assert (things.name, things.offset, things.size) == ("everything", 0, everything.size)
    assert btf.variables(".nothing") == ()
    assert btf.find("struct", "nobody") is None
    assert btf.variable_id("nobody") is None


@pytest.mark.parametrize("kind", [0, 20, 31])
def test_unknown_kind(kind: int) -> None:
    written = BtfBytes()
    written.integer(4)
    written.add(kind, "later")
    with pytest.raises(BtfError, match=rf"type 2 is of unknown kind {kind}"):
        Btf(written.section())


@pytest.mark.parametrize("head", [b"\xeb\x9f\x01", b"\x9f\xeb\x02", b"\0\0\1"])
def test_not_ours(head: bytes) -> None:
    with pytest.raises(BtfError, match="little-endian BTF version 1"):
        Btf(head + BtfBytes().section()[3:])


SAMPLE = elf.parse(fixture_file("kinds").read_bytes()).sections[".BTF"]
quick = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@contextmanager
def no_hang(seconds: float = 0.5) -> Iterator[None]:
    """Ends what does not end by itself."""

    def give_up(_number: int, _frame: object) -> None:
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def examine(data: bytes) -> None:
    """Asks everything there is to ask."""
    with no_hang():
        btf = Btf(data)
        for item in btf.types:
            btf.resolve(item.id)
            btf.size(item.id)
            btf.tags(item.id)
            for member in item.members:
                btf.bare(member.type_id)
            if item.kind == "datasec":
                btf.variables(item.name)


def test_the_sample_is_sound() -> None:
    examine(SAMPLE)


@quick
@given(st.integers(0, len(SAMPLE) - 1))
def test_truncated(length: int) -> None:
    # Cut where a string or a type should be: never a part of the truth, never another exception.
    with pytest.raises(BtfError):
        Btf(SAMPLE[:length])


@quick
@given(st.lists(st.tuples(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_damaged(changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(SAMPLE)
    for at, value in changes:
        damaged[at] = value
    with suppress(BtfError):
        examine(bytes(damaged))


@quick
@given(st.binary(max_size=200))
def test_anything_behind_a_header(rest: bytes) -> None:
    header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(rest), 0, len(rest))
    with suppress(BtfError):
        examine(header + rest)


@pytest.mark.parametrize("kind", ["typedef", "const", "volatile", "restrict", "type_tag", "array"])
def test_a_type_of_itself(kind: str) -> None:
    written = BtfBytes()
    if kind == "array":
        written.array(1, 2)
    else:
        written.add(kind, "ring", 1)
    with pytest.raises(BtfError), no_hang():
        Btf(written.section()).size(1)


def test_a_type_that_is_not_there() -> None:
    written = BtfBytes()
    written.add("ptr", "", 7)
    written.add("const", "", 7)
    with pytest.raises(BtfError):
        Btf(written.section()).resolve(2)
