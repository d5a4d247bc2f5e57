"""What an object holds, against its source."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from build_bpf import ARCHITECTURES, HEADERS, object_path
from eunomia.kernel import elf
from eunomia.kernel.elf import ElfError
from eunomia.kernel.spec import MapSpec, ObjectSpec
from eunomia.schema.layout import LayoutError
from tests.bpf_objects import SOURCES, compile_text, fixture, fixture_file

_PROGRAM = re.compile(r'^SEC\("([^"]+)"\)\n(?:int|s64|long) (?:BPF_\w+\()?(\w+)', re.MULTILINE)
_CONSTANT = re.compile(r"^const volatile (?:struct |enum )?\w+ (\w+)", re.MULTILINE)
_MAP_TYPE = re.compile(r"\b(BPF_MAP_TYPE_\w+) = (\d+)")
_MAP = re.compile(
    r"^struct \{\n\t__uint\(type, (\w+)\);.*\n(?:\t__(?!uint\(max).*\n)*"
    r"(?:\t__uint\(max_entries, (\w+)\);.*\n)?(?:\t__.*\n)*\} (\w+)"
    r' SEC\("\.maps"\);',
    re.MULTILINE,
)
_MACRO = re.compile(r'^#define (\w+)\([^)]*\)((?:.*\\\n)+\t\} name SEC\("\.maps"\))', re.MULTILINE)
"""One that makes maps alike: its last argument is the map's name."""
_INCLUDE = re.compile(r'^#include "(.*)"', re.MULTILINE)


def text_of(source: Path) -> str:
    """A program's source with the headers of ours that it includes."""
    text = source.read_text()
    named = [folder / name for name in _INCLUDE.findall(text) for folder in (source.parent, HEADERS)]
    return "".join(text_of(path) for path in named if path.exists()) + text


JOBS = [(source, arch) for source in SOURCES for arch in ARCHITECTURES]


@pytest.fixture(params=JOBS, ids=lambda job: f"{job[0].name}-{job[1]}")
def job(request: pytest.FixtureRequest) -> tuple[ObjectSpec, str]:
    source, arch = request.param
    return ObjectSpec.read(object_path(source, arch)), text_of(source)


def test_programs(job: tuple[ObjectSpec, str]) -> None:
    spec, text = job
    written = {name: section for section, name in _PROGRAM.findall(text)}
    assert written
    assert spec.programs == written


def test_constants(job: tuple[ObjectSpec, str]) -> None:
    spec, text = job
    assert set(_CONSTANT.findall(text)) <= set(spec.constants)
    assert "agent_pid" in spec.constants
    assert {"filter_kinds", "cgroup_controller", "few_kinds", "few_0"} <= set(spec.immediates)
    for name, variable in spec.constants.items():
        assert variable.name == name
        assert variable.size in (1, 2, 4, 8) or spec.btf.resolve(variable.type_id)[0].kind == "array"
    ends = [(variable.offset, variable.offset + variable.size) for variable in spec.constants.values()]
    assert all(end <= start for (_, end), (start, _) in pairwise(sorted(ends)))


def test_maps(job: tuple[ObjectSpec, str]) -> None:
    spec, text = job
    types = {name: int(number) for name, number in _MAP_TYPE.findall(text)}
    written = {name: (types[kind], int(size) if size.isdigit() else None) for kind, size, name in _MAP.findall(text)}
    for macro, body in _MACRO.findall(text):
        ((alike, most),) = re.findall(r"__uint\(type, (\w+)\)[^_]*__uint\(max_entries, (\d+)\)", body)
        for named in re.findall(rf"^{macro}\((?:.*, )?(\w+)\);", text, re.MULTILINE):
            written[named] = (types[alike], int(most))
    if "\nEVENTS(" in text:
        written["events"] = (types["BPF_MAP_TYPE_RINGBUF"], None)
    if "\nTOTALS(" in text:
        hash_type, array_type = types["BPF_MAP_TYPE_HASH"], types["BPF_MAP_TYPE_ARRAY"]
        written |= {"totals_0": (hash_type, None), "totals_1": (hash_type, None), "totals_turn": (array_type, 1)}
        written |= {"totals_fills": (array_type, 2), "totals_bell": (types["BPF_MAP_TYPE_RINGBUF"], 65536)}
    if "\nTOTALS_FRONT(" in text:
        written["totals_front"] = (types["BPF_MAP_TYPE_PERCPU_ARRAY"], 2)
    for program in re.findall(r"^RELAY\((\w+)\);", text, re.MULTILINE):
        written[f"{program}_next"] = (types["BPF_MAP_TYPE_PROG_ARRAY"], 1)
    assert set(spec.maps) == set(written)
    for name, (kind, size) in written.items():
        found = spec.maps[name]
        assert (found.name, found.type, found.max_entries) == (name, kind, size or found.max_entries)
        assert (found.value_bytes > 0) == (kind != types["BPF_MAP_TYPE_RINGBUF"])
        assert (spec.maps[name].max_entries > 0) == (kind != types["BPF_MAP_TYPE_TASK_STORAGE"])


def test_name() -> None:
    path = fixture_file("flood")
    assert ObjectSpec.read(path).name == "flood"
    assert ObjectSpec.read(path, "other").name == "other"
    assert ObjectSpec.read(path).data == path.read_bytes()


def test_fixture() -> None:
    spec = fixture("flood")
    assert spec.programs == {"flood_btf": "tp_btf/sys_enter", "flood_raw": "raw_tp/sys_enter"}
    assert spec.maps["events"] == MapSpec("events", 27, 64 * 1024)
    assert spec.constants["flood_pid"].size == 4
    assert [column.name for column in spec.event.schema][-2:] == ["number", "text"]
    assert fixture("maps").maps["t_lru"] == MapSpec("t_lru", 9, 20000, 16, 1)


def test_event_and_nothing_else() -> None:
    with pytest.raises(LayoutError, match=r"object maps declares no event: EVENTS\(struct NAME, bytes\) is missing"):
        _ = fixture("maps").event


def test_functions_that_are_no_programs(tmp_path: Path) -> None:
    spec = compile_text(
        "static __noinline int helper(int n) { return n + (int)bpf_get_prandom_u32(); }\n"
        'SEC("raw_tp/sys_enter") int program(void *ctx) { return helper(1) + helper(2); }',
        tmp_path,
    )
    assert spec.programs == {"program": "raw_tp/sys_enter"}


def test_object_without_types() -> None:
    data = fixture_file("flood").read_bytes().replace(b".BTF\0", b".XXX\0")
    with pytest.raises(ElfError, match=r"no type information \(\.BTF\): compile with clang -g"):
        ObjectSpec.parse("bare", data)


def test_no_object(tmp_path: Path) -> None:
    path = tmp_path / "x.bpf.o"
    path.write_text("int main;")
    with pytest.raises(ElfError, match="not a 64-bit"):
        ObjectSpec.read(path)


def test_immediates(job: tuple[ObjectSpec, str]) -> None:
    """Every number that stands for a constant is found and written over, and nothing else changes."""
    spec, _ = job
    marks = {name: number.to_bytes(4, "little") for name, number in spec.immediates.items()}
    code = elf.parse(spec.with_immediates({"filter_kinds": 2})).sections
    before = elf.parse(spec.data).sections
    for section in {".text", *spec.programs.values()} & set(before):
        assert not any(mark in code[section] for mark in marks.values())
        expected = before[section]
        for name, mark in marks.items():
            expected = expected.replace(mark, bytes([2 if name == "filter_kinds" else 0, 0, 0, 0]))
        assert code[section] == expected
    assert code.keys() == before.keys()
