"""Writes BTF, for types that no compiler here makes and for those that are broken."""

from __future__ import annotations

import struct
from collections.abc import Sequence

KINDS = (
    *("void", "int", "ptr", "array", "struct", "union", "enum", "fwd", "typedef", "volatile", "const", "restrict"),
    *("func", "func_proto", "var", "datasec", "float", "decl_tag", "type_tag", "enum64"),
)


class BtfBytes:
    """Collects types; each method gives the id of the type it adds."""

    def __init__(self) -> None:
        self._strings = b"\0"
        self._types: list[bytes] = []

    def text(self, text: str) -> int:
        """Offset of a string."""
        if not text:
            return 0
        at = len(self._strings)
        self._strings += text.encode() + b"\0"
        return at

    def add(
        self, kind: str | int, name: str = "", size: int = 0, *, count: int = 0, flag: bool = False, rest: bytes = b""
    ) -> int:
        """A type of any kind, also an unknown one; `size` is the type referred to where the kind has one."""
        number = KINDS.index(kind) if isinstance(kind, str) else kind
        info = number << 24 | count | flag << 31
        self._types.append(struct.pack("<III", self.text(name), info, size) + rest)
        return len(self._types)

    def integer(self, size: int, *, signed: bool = False, boolean: bool = False, name: str = "number") -> int:
        """An integer type."""
        encoding = signed | boolean << 2
        return self.add("int", name, size, rest=struct.pack("<I", encoding << 24 | size * 8))

    def array(self, element: int, length: int, index: int = 1) -> int:
        """An array type."""
        return self.add("array", rest=struct.pack("<III", element, index, length))

    def structure(self, name: str, size: int, members: Sequence[tuple[str, int, int]]) -> int:
        """A struct of (member, type, offset in bytes)."""
        rest = b"".join(struct.pack("<III", self.text(one), kind, offset * 8) for one, kind, offset in members)
        return self.add("struct", name, size, count=len(members), rest=rest)

    def enum64(self, name: str, values: Sequence[tuple[str, int]], *, signed: bool) -> int:
        """An enum of 64 bits."""
        rest = b"".join(
            struct.pack("<III", self.text(one), value & 0xFFFFFFFF, value >> 32 & 0xFFFFFFFF) for one, value in values
        )
        return self.add("enum64", name, 8, count=len(values), flag=signed, rest=rest)

    def section(self) -> bytes:
        """The whole section."""
        types = b"".join(self._types)
        return (
            struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(self._strings))
            + types
            + self._strings
        )
