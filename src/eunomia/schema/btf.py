"""BTF, the type information that the compiler leaves in a BPF object.

Format: Documentation/bpf/btf.rst in the kernel tree. Only reading, only what a layout needs; unknown kinds of a later
compiler are an error, since their length is unknown.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

_MAGIC = 0xEB9F
_HEADER = struct.Struct("<HBBIIIII")
_TYPE = struct.Struct("<III")

_KINDS = [
    "void",
    "int",
    "ptr",
    "array",
    "struct",
    "union",
    "enum",
    "fwd",
    "typedef",
    "volatile",
    "const",
    "restrict",
    "func",
    "func_proto",
    "var",
    "datasec",
    "float",
    "decl_tag",
    "type_tag",
    "enum64",
]
_MODIFIERS = {"volatile", "const", "restrict", "type_tag"}


class BtfError(ValueError):
    """The bytes are not BTF that we can read."""


@dataclass(frozen=True)
class Member:
    """A struct's member. Offset and width are in bits; width 0 means that it is no bit field."""

    name: str
    type_id: int
    offset_bits: int
    width_bits: int


@dataclass(frozen=True)
class Variable:
    """A variable in a data section: its type, its size, and where it lies in the section, in bytes.

    Compilers leave the place at 0 for the linker to fill in: in an unlinked object the symbol table has it.
    """

    name: str
    type_id: int
    offset: int
    size: int


@dataclass(frozen=True)
class BtfType:
    """One type. `target` is the type that a typedef, pointer, array, variable or tag refers to."""

    id: int
    kind: str
    name: str
    size: int = 0
    target: int = 0
    members: tuple[Member, ...] = ()
    values: tuple[tuple[str, int], ...] = ()
    variables: tuple[tuple[int, int, int], ...] = ()
    length: int = 0
    component: int = -1
    signed: bool = False
    boolean: bool = False


class Btf:
    """All types of one object, by id and by name.

    Args:
        data: the bytes of the `.BTF` section, little endian.

    Raises:
        BtfError: the bytes are cut short, of another endianness, or hold a kind unknown to us.
    """

    def __init__(self, data: bytes) -> None:
        try:
            magic, version, _flags, header, type_off, type_len, str_off, str_len = _HEADER.unpack_from(data)
            if magic != _MAGIC or version != 1:
                raise BtfError(f"not little-endian BTF version 1 (magic {magic:#x}, version {version})")
            self._strings = data[header + str_off : header + str_off + str_len]
            types = data[header + type_off : header + type_off + type_len]
            self.types: tuple[BtfType, ...] = (BtfType(0, "void", "void"), *self._parse(types))
            self._check(len(data) >= header + max(type_off + type_len, str_off + str_len))
        except BtfError:
            raise
        except (struct.error, IndexError, ValueError) as error:
            raise BtfError(f"BTF is cut short or damaged: {error}") from error

    def _check(self, whole: bool) -> None:
        """References that lead nowhere, or round in a circle, are found here, once."""
        if not whole:
            raise BtfError("BTF is cut short")
        count = len(self.types)
        for item in self.types:
            variables = (variable for variable, _, _ in item.variables)
            referred = (item.target, *(member.type_id for member in item.members), *variables)
            if any(one >= count for one in referred):
                raise BtfError(f"type {item.id} refers to a type that is not there")
        for item in self.types:
            current, steps = item, 0
            while current.kind in _MODIFIERS or current.kind in ("typedef", "array"):
                current, steps = self.types[current.target], steps + 1
                if steps > count:
                    raise BtfError(f"type {item.id} is made of itself")

    def _name(self, offset: int) -> str:
        return self._strings[offset : self._strings.index(b"\0", offset)].decode()

    def _parse(self, data: bytes) -> Iterator[BtfType]:
        at, type_id = 0, 1
        while at < len(data):
            name_off, info, size = _TYPE.unpack_from(data, at)
            number, count, flag = (info >> 24) & 0x1F, info & 0xFFFF, bool(info >> 31)
            if not 0 < number < len(_KINDS):
                raise BtfError(f"type {type_id} is of unknown kind {number}: a newer compiler than we know")
            read = _READERS.get(_KINDS[number], _read_reference)
            parsed, used = read(self, data, at + _TYPE.size, count, size, flag)
            yield BtfType(type_id, _KINDS[number], self._name(name_off), **parsed)
            at, type_id = at + _TYPE.size + used, type_id + 1

    @cached_property
    def _named(self) -> Mapping[tuple[str, str], BtfType]:
        return {(item.kind, item.name): item for item in self.types if item.name}

    def find(self, kind: str, name: str) -> BtfType | None:
        """The type of that kind and name, or None."""
        return self._named.get((kind, name))

    def bare(self, type_id: int) -> BtfType:
        """The type without const, volatile, restrict and type tags, typedefs kept."""
        item = self.types[type_id]
        while item.kind in _MODIFIERS:
            item = self.types[item.target]
        return item

    def resolve(self, type_id: int) -> tuple[BtfType, tuple[str, ...]]:
        """The type behind all typedefs, with the typedefs' names, outermost first."""
        item, names = self.bare(type_id), []
        while item.kind == "typedef":
            names.append(item.name)
            item = self.bare(item.target)
        return item, tuple(names)

    def size(self, type_id: int) -> int:
        """Size of a type in bytes."""
        item, _ = self.resolve(type_id)
        if item.kind == "array":
            return item.length * self.size(item.target)
        return 8 if item.kind == "ptr" else item.size

    @cached_property
    def _tags(self) -> Mapping[tuple[int, int], tuple[str, ...]]:
        tags: dict[tuple[int, int], tuple[str, ...]] = {}
        for item in self.types:
            if item.kind == "decl_tag":
                key = (item.target, item.component)
                tags[key] = (*tags.get(key, ()), item.name)
        return tags

    def tags(self, type_id: int, component: int = -1) -> tuple[str, ...]:
        """The `btf_decl_tag` texts on a type or variable (component -1) or on its nth member."""
        return self._tags.get((type_id, component), ())

    def variables(self, section: str) -> tuple[Variable, ...]:
        """The variables of a data section such as `.rodata` or `.maps`, in order of offset."""
        found = self.find("datasec", section)
        if found is None:
            return ()
        triples = sorted(found.variables, key=lambda triple: triple[1])
        return tuple(Variable(self.types[var].name, self.types[var].target, off, size) for var, off, size in triples)

    def variable_id(self, name: str) -> int | None:
        """The type id of a global variable, for its tags."""
        found = self.find("var", name)
        return None if found is None else found.id


_Parsed = tuple[dict[str, Any], int]


def _read_int(_btf: Btf, data: bytes, at: int, _count: int, size: int, _flag: bool) -> _Parsed:
    (info,) = struct.unpack_from("<I", data, at)
    encoding = (info >> 24) & 0xF
    return {"size": size, "signed": bool(encoding & 1), "boolean": bool(encoding & 4)}, 4


def _read_array(_btf: Btf, data: bytes, at: int, _count: int, _size: int, _flag: bool) -> _Parsed:
    target, _index, length = struct.unpack_from("<III", data, at)
    return {"target": target, "length": length}, 12


def _read_struct(btf: Btf, data: bytes, at: int, count: int, size: int, flag: bool) -> _Parsed:
    members = []
    for step in range(count):
        name, type_id, offset = struct.unpack_from("<III", data, at + 12 * step)
        # With the flag, the top byte of the offset is a bit field's width.
        where, width = (offset & 0xFFFFFF, offset >> 24) if flag else (offset, 0)
        members.append(Member(btf._name(name), type_id, where, width))
    return {"size": size, "members": tuple(members)}, 12 * count


def _read_enum(btf: Btf, data: bytes, at: int, count: int, size: int, flag: bool) -> _Parsed:
    form = "<Ii" if flag else "<II"
    pairs = [struct.unpack_from(form, data, at + 8 * step) for step in range(count)]
    return {"size": size, "signed": flag, "values": tuple((btf._name(name), value) for name, value in pairs)}, 8 * count


def _read_enum64(btf: Btf, data: bytes, at: int, count: int, size: int, flag: bool) -> _Parsed:
    triples = [struct.unpack_from("<III", data, at + 12 * step) for step in range(count)]
    wide = [(name, high << 32 | low) for name, low, high in triples]
    values = tuple((btf._name(name), value - (flag and value >> 63) * (1 << 64)) for name, value in wide)
    return {"size": size, "signed": flag, "values": values}, 12 * count


def _read_func_proto(_btf: Btf, _data: bytes, _at: int, count: int, target: int, _flag: bool) -> _Parsed:
    return {"target": target}, 8 * count


def _read_var(_btf: Btf, _data: bytes, _at: int, _count: int, target: int, _flag: bool) -> _Parsed:
    return {"target": target}, 4


def _read_datasec(_btf: Btf, data: bytes, at: int, count: int, size: int, _flag: bool) -> _Parsed:
    triples = tuple(struct.unpack_from("<III", data, at + 12 * step) for step in range(count))
    return {"size": size, "variables": triples}, 12 * count


def _read_decl_tag(_btf: Btf, data: bytes, at: int, _count: int, target: int, _flag: bool) -> _Parsed:
    (component,) = struct.unpack_from("<i", data, at)
    return {"target": target, "component": component}, 4


def _read_float(_btf: Btf, _data: bytes, _at: int, _count: int, size: int, _flag: bool) -> _Parsed:
    return {"size": size}, 0


def _read_reference(_btf: Btf, _data: bytes, _at: int, _count: int, target: int, _flag: bool) -> _Parsed:
    return {"target": target}, 0


_READERS = {
    "int": _read_int,
    "array": _read_array,
    "struct": _read_struct,
    "union": _read_struct,
    "enum": _read_enum,
    "enum64": _read_enum64,
    "func_proto": _read_func_proto,
    "var": _read_var,
    "datasec": _read_datasec,
    "decl_tag": _read_decl_tag,
    "float": _read_float,
}
