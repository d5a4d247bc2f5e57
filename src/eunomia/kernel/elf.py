"""The sections and symbols of an ELF object, as far as a BPF object needs them: System V ABI, chapter 4."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_SYMTAB, _NOBITS = 2, 8
_OBJECT, _FUNCTION = 1, 2


class ElfError(ValueError):
    """The bytes are no 64-bit little-endian ELF object."""


@dataclass(frozen=True)
class Elf:
    """An object's parts.

    Attributes:
        sections: section name -> bytes.
        functions: function name -> name of the section it lies in.
        variables: variable name -> where it lies in its section, in bytes.
    """

    sections: dict[str, bytes]
    functions: dict[str, str]
    variables: dict[str, int]


def _text(table: bytes, offset: int) -> str:
    return table[offset : table.index(b"\0", offset)].decode()


def parse(data: bytes) -> Elf:
    """Reads an object.

    Raises:
        ElfError: it is not 64-bit little-endian ELF, or cut short.
    """
    if data[:6] != b"\x7fELF\x02\x01":
        raise ElfError("not a 64-bit little-endian ELF object")
    try:
        header = _HEADER.unpack_from(data)
        at, size, count, names_at = header[6], header[11], header[12], header[13]
        heads = [_SECTION.unpack_from(data, at + index * size) for index in range(count)]
        bodies = [b"" if head[1] == _NOBITS else data[head[4] : head[4] + head[5]] for head in heads]
        names = [_text(bodies[names_at], head[0]) for head in heads]
        functions, variables = {}, {}
        for head, body in zip(heads, bodies, strict=True):
            if head[1] != _SYMTAB:
                continue
            for name, info, _other, section, value, _size in _SYMBOL.iter_unpack(body):
                if info & 0xF == _FUNCTION and section < count:
                    functions[_text(bodies[head[6]], name)] = names[section]
                if info & 0xF == _OBJECT:
                    variables[_text(bodies[head[6]], name)] = value
    except (struct.error, IndexError, OverflowError, ValueError) as error:
        raise ElfError(f"the object is cut short or damaged: {error}") from error
    return Elf(dict(zip(names, bodies, strict=True)), functions, variables)
