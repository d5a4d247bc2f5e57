"""The ELF reader against llvm-readelf, and on damaged objects."""

from __future__ import annotations

import re
import struct
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eunomia.kernel import elf
from eunomia.kernel.elf import ElfError
from eunomia.kernel.spec import ObjectSpec
from eunomia.schema.btf import BtfError
from tests.bpf_objects import OBJECTS

_SECTION = re.compile(r"^ *\[ *(\d+)\] (.*?) +([A-Z0-9_]+) +[0-9a-f]{16} ([0-9a-f]+) ([0-9a-f]+) ", re.MULTILINE)
_FUNCTION = re.compile(r"^ *\d+: [0-9a-f]+ +\d+ FUNC +\S+ +\S+ +(\d+) (\S+)$", re.MULTILINE)


def readelf(option: str, path: Path) -> str:
    return subprocess.run(["llvm-readelf", "-W", option, path], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: path.name)
def test_sections_and_functions(path: Path) -> None:
    data = path.read_bytes()
    parsed = elf.parse(data)
    heads = _SECTION.findall(readelf("-S", path))
    assert len(heads) > 10
    names = {number: name.strip() for number, name, *_ in heads}
    for number, name, kind, offset, size in heads:
        at = int(offset, 16)
        body = b"" if kind in ("NULL", "NOBITS") else data[at : at + int(size, 16)]
        assert parsed.sections[name.strip()] == body, (number, name)
    assert set(parsed.sections) == set(names.values())
    functions = _FUNCTION.findall(readelf("-s", path))
    assert functions
    assert parsed.functions == {name: names[section] for section, name in functions}


@pytest.mark.parametrize(
    "data", [b"", b"\x7fELF", b"MZ" + bytes(100), b"\x7fELF\x01\x01" + bytes(100), b"\x7fELF\x02\x02" + bytes(100)]
)
def test_no_elf(data: bytes) -> None:
    with pytest.raises(ElfError):
        elf.parse(data)


def test_nothing_in_it() -> None:
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 1, 247, 1, 0, 0, 0, 0, 64, 0, 0, 64, 0, 0)
    parsed = elf.parse(header)
    assert (parsed.sections, parsed.functions) == ({}, {})


DATA = min(OBJECTS, key=lambda path: path.stat().st_size if path.exists() else 0).read_bytes() if OBJECTS else b""
many = settings(max_examples=150, deadline=None)


@many
@given(st.integers(0, len(DATA) - 1))
def test_truncated(length: int) -> None:
    # The section headers stand at the end: whatever is missing, they are.
    with pytest.raises(ElfError):
        elf.parse(DATA[:length])


# Where an object's fate is decided: its header, and the section headers at its end.
interesting = st.integers(0, 63) | st.integers(len(DATA) - 64 * 20, len(DATA) - 1) | st.integers(0, len(DATA) - 1)


@many
@given(st.lists(st.tuples(interesting, st.integers(0, 255)), min_size=1, max_size=6))
def test_damaged(changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(DATA)
    for at, value in changes:
        damaged[at] = value
    with suppress(ElfError):
        elf.parse(bytes(damaged))


@many
@given(st.lists(st.tuples(interesting, st.integers(0, 255)), min_size=1, max_size=6))
def test_damaged_object(changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(DATA)
    for at, value in changes:
        damaged[at] = value
    with suppress(ElfError, BtfError):
        ObjectSpec.parse("damaged", bytes(damaged))
