"""A condition, parsed: what the parser makes and the compiler takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """Where a part of a condition stands: offsets in its text, in characters."""

    start: int
    end: int


@dataclass(frozen=True)
class FieldRef:
    """A field, with its argument if it has one: `proc.aname[2]` is ("proc.aname", "2").

    Attributes:
        transforms: functions around it, the outermost first: `tolower(basename(proc.exe))` has ("tolower", "basename").
        arguments: of `join`, `concat` and `getopt`, which take several and stand as the field's name; texts, or fields.
    """

    name: str
    argument: str | None
    span: Span
    transforms: tuple[str, ...] = ()
    arguments: tuple[str | FieldRef, ...] = ()


@dataclass(frozen=True)
class And:
    """All of them."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Or:
    """Any of them."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Not:
    """The opposite."""

    part: Node


@dataclass(frozen=True)
class Exists:
    """Whether a field has a value."""

    field: FieldRef


@dataclass(frozen=True)
class Check:
    """A field compared. `values` has one element for operators that take one.

    Attributes:
        operator: as it is written, such as `=`, `startswith`, `in`.
        values: texts as they are written, without their quotes; or a field (`val(field)`).
        modifier: `oneof`, `anyof` or `allof` for a string operator that takes a list; else None.
    """

    field: FieldRef
    operator: str
    values: tuple[str | FieldRef, ...]
    span: Span
    modifier: str | None = None


@dataclass(frozen=True)
class MacroRef:
    """A macro's name, as long as it has not been replaced by what it stands for."""

    name: str
    span: Span


Node = And | Or | Not | Exists | Check | MacroRef
