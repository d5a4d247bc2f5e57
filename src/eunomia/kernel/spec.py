"""What a BPF object holds, read from its file alone: no root, no kernel."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from eunomia.kernel import elf
from eunomia.schema.btf import Btf, BtfType, Variable
from eunomia.schema.layout import Layout, LayoutError

_MOVE_IMMEDIATE = rb"\xb7[\x00-\x09]\x00\x00"
"""BPF_ALU64 | BPF_MOV | BPF_K to any register: struct bpf_insn in include/uapi/linux/bpf.h, before its number."""

_POINTER_BYTES = 8


@dataclass(frozen=True)
class MapSpec:
    """A map as the program declares it. Type is a number of `enum bpf_map_type`; sizes are in bytes, 0 without one."""

    name: str
    type: int
    max_entries: int
    key_bytes: int = 0
    value_bytes: int = 0


@dataclass(frozen=True)
class Outline:
    """What is still asked of an object when it is loaded; its bytes and types, a MB of memory, are not among it.

    Attributes:
        name: for messages.
        programs: function name -> section name, such as `tp_btf/sched_process_exec`.
        maps: the maps, by name.
    """

    name: str
    programs: dict[str, str]
    maps: dict[str, MapSpec]


@dataclass(frozen=True)
class ObjectSpec:
    """A parsed object.

    Attributes:
        name: for messages.
        data: the file's bytes, as libbpf takes them.
        programs: function name -> section name, such as `tp_btf/sched_process_exec`.
        variables: name -> place in its section; the type information leaves places to the symbol table.
    """

    name: str
    data: bytes
    programs: dict[str, str]
    variables: dict[str, int]
    btf: Btf

    @classmethod
    def parse(cls, name: str, data: bytes) -> ObjectSpec:
        """Reads an object from bytes.

        Raises:
            ElfError, BtfError: the bytes are not a BPF object with type information.
        """
        parsed = elf.parse(data)
        if ".BTF" not in parsed.sections:
            raise elf.ElfError("no type information (.BTF): compile with clang -g -target bpf")
        programs = {name: section for name, section in parsed.functions.items() if section != ".text"}
        return cls(name, data, programs, parsed.variables, Btf(parsed.sections[".BTF"]))

    @classmethod
    def read(cls, path: Path, name: str = "") -> ObjectSpec:
        """Reads an object file."""
        return cls.parse(name or path.name.split(".")[0], path.read_bytes())

    @cached_property
    def constants(self) -> dict[str, Variable]:
        """The `const volatile` variables, which can be set before the object is loaded."""
        return {
            variable.name: replace(variable, offset=self.variables[variable.name])
            for variable in self.btf.variables(".rodata")
        }

    @cached_property
    def immediates(self) -> dict[str, int]:
        """The constants that stand in instructions: name -> the number that stands for it (filter.bpf.h)."""
        found = self.btf.find("enum", "immediate")
        return {name.lower().removeprefix("immediate_"): number for name, number in found.values} if found else {}

    def with_immediates(self, values: Mapping[str, int]) -> bytes:
        """The object's bytes with these values, or 0, in place of those numbers."""
        data = bytearray(self.data)
        for name, number in self.immediates.items():
            for found in re.finditer(_MOVE_IMMEDIATE + re.escape(struct.pack("<I", number)), self.data, re.DOTALL):
                struct.pack_into("<I", data, found.end() - 4, values.get(name, 0))
        return bytes(data)

    @cached_property
    def maps(self) -> dict[str, MapSpec]:
        """The maps, by name."""
        return {variable.name: self._map(variable) for variable in self.btf.variables(".maps")}

    def has_map(self, name: str) -> bool:
        """Whether there is such a map: one that is declared, or a section of variables, which libbpf makes one of."""
        return name in self.maps or bool(self.btf.variables(name))

    @property
    def outline(self) -> Outline:
        """What to keep of it."""
        return Outline(self.name, self.programs, self.maps)

    def _map(self, variable: Variable) -> MapSpec:
        definition, _ = self.btf.resolve(variable.type_id)
        # libbpf's __uint(name, value) declares a pointer to an array of that length.
        numbers = {member.name: self._uint(member.type_id) for member in definition.members}
        # __type(name, type) declares a pointer to that type.
        sizes = {member.name: self._size(member.type_id) for member in definition.members}
        return MapSpec(
            variable.name,
            numbers.get("type", 0),
            numbers.get("max_entries", 0),
            sizes.get("key", 0),
            sizes.get("value", 0),
        )

    def _size(self, type_id: int) -> int:
        pointer = self.btf.bare(type_id)
        if pointer.kind != "ptr":
            return 0
        item = self.btf.resolve(pointer.target)[0]
        return _POINTER_BYTES if item.kind == "ptr" else item.size

    def _uint(self, type_id: int) -> int:
        pointer = self.btf.bare(type_id)
        target: BtfType = self.btf.bare(pointer.target) if pointer.kind == "ptr" else pointer
        return target.length if target.kind == "array" else 0

    @cached_property
    def event(self) -> Layout:
        """The layout of the object's event: the struct that its `EVENTS()` declaration names."""
        return self._marked("event_type", "no event: EVENTS(struct NAME, bytes)")

    @cached_property
    def total(self) -> Layout:
        """The layout of what the object counts: the second struct that its `TOTALS()` declaration names."""
        return self._marked("total_type", "nothing that it counts: TOTALS(struct KEY, struct NAME, entries)")

    def _marked(self, marker_name: str, what: str) -> Layout:
        marker = self.constants.get(marker_name)
        if marker is None:
            raise LayoutError(f"object {self.name} declares {what} is missing")
        pointer = self.btf.bare(marker.type_id)
        return Layout(self.btf, self.btf.bare(pointer.target).name)
