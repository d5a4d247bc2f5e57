"""Fields of the language: what each says, and the simplest ways to make one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import polars as pl

from eunomia.detect.compare import Kind
from eunomia.detect.sources import Source

Made = pl.Expr | tuple[pl.Expr, ...] | str | None
"""What a field stands for: one value, several of which any may match, a text that it always is, or nothing here."""
Make = Callable[[Source, str], Made]
"""Makes it of a tracker's columns and the field's argument, which is empty where there is none."""

NOT_SEEN = "; nothing here sees it"
"""Ends the description of a field that nothing here fills."""


@dataclass(frozen=True)
class FieldInfo:
    """A field of the language.

    Attributes:
        name: with its dots.
        type: how its values compare.
        description: what it says, in one line.
        arguments: whether it takes one: `proc.aname[2]`.
        make: what it is made of; None for a field that nothing here fills, which its description then says.
        type_with_argument: its type when an argument is given, where that differs.
    """

    name: str
    type: Kind
    description: str
    arguments: Literal["", "optional", "required"] = ""
    make: Make | None = None
    type_with_argument: Kind | None = None

    def kind(self, argument: str | None) -> Kind:
        """How it compares."""
        return self.type if argument is None or self.type_with_argument is None else self.type_with_argument


def column_of(*names: str) -> Make:
    """The first of these columns that there is."""
    return lambda source, _: source.column(*names)


def text_of(*names: str) -> Make:
    """As text, the first of these columns that has a value."""
    return lambda source, _: source.text(*names)


def always(text: str) -> Make:
    """The same in every event."""
    return lambda _source, _: text


def only_for(tracker: str, make: Make) -> Make:
    """Nothing in other trackers' events."""
    return lambda source, argument: make(source, argument) if source.is_a(tracker) else None


def path_when(*events: str) -> Make:
    """The path, in these events."""
    return lambda source, _: source.when_event(source.path(), *events)
