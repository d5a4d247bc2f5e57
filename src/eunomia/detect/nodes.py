"""YAML as a tree whose every part knows where it stands.

Only what rule files need: mappings, sequences and texts. No tags, so nothing is ever constructed; aliases are followed,
and counted as if they were written out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from eunomia.detect.mistakes import Mistakes
from eunomia.detect.rule import Place

DEPTH = 24
"""Deeper nesting than this is refused."""
SIZE = 1_000_000
"""So many parts at most, aliases written out."""
BYTES = 16 << 20
"""No rule file is larger."""
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where PyYAML has it
_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map")} | {"!"}
_QUOTED = ("'", '"')


@dataclass(frozen=True)
class Source:
    """A file's text, and where its lines begin."""

    file: str
    text: str

    def place(self, offset: int) -> Place:
        """Line and column of a character."""
        line = self.text.count("\n", 0, offset)
        return Place(self.file, line + 1, offset - (self.text.rfind("\n", 0, offset) + 1) + 1)


@dataclass(frozen=True)
class Node:
    """A part of a file. `start` and `end` are offsets in its text."""

    source: Source = field(repr=False)
    start: int
    end: int

    @property
    def place(self) -> Place:
        """Where it begins."""
        return self.source.place(self.start)

    @property
    def size(self) -> int:
        """Parts that it consists of, itself among them."""
        return 1


@dataclass(frozen=True)
class Scalar(Node):
    """A text, without its quotes.

    Attributes:
        style: `"`, `'`, `|`, `>`, or nothing where it is written plainly.
    """

    value: str
    style: str

    @property
    def empty(self) -> bool:
        """Whether there is nothing, or null."""
        return not self.style and self.value in ("", "~", "null", "Null", "NULL")

    def at(self, offset: int) -> Place:
        """Where a character of the value stands in the file.

        Between the two lie quotes, escapes, line ends and indentation; whatever is no blank is found again in order.
        """
        written = self.source.text
        at = self._begin()
        for character in self.value[:offset]:
            if not character.isspace():
                found = written.find(character, at, self.end)
                at = found + 1 if found >= 0 else at  # an escape such as \\u00e9 is not found as it was meant
        wanted = self.value[offset : offset + 1]
        if wanted and not wanted.isspace():
            at = max(written.find(wanted, at, self.end), at)
        return self.source.place(at)

    def _begin(self) -> int:
        """Where the value begins, behind an anchor, an opening quote or the head of a block."""
        mark = self.style if self.style in _QUOTED else "\n" if self.style else ""
        return self.source.text.find(mark, self.start, self.end) + 1 if mark else self.start


@dataclass(frozen=True)
class Sequence(Node):
    """Parts in a row."""

    items: tuple[Node, ...]
    parts: int = 1

    @property
    def size(self) -> int:
        """Parts that it consists of."""
        return self.parts


@dataclass(frozen=True)
class Mapping(Node):
    """Parts by name, with the names' own places."""

    values: dict[str, Node]
    keys: dict[str, Scalar]
    parts: int = 1

    @property
    def size(self) -> int:
        """Parts that it consists of."""
        return self.parts


class _WrongError(Exception):
    def __init__(self, place: Place, what: str) -> None:
        super().__init__(what)
        self.place, self.what = place, what


def read(file: Path, mistakes: Mistakes) -> list[Node]:
    """The documents of a file; what is wrong with it is noted, and then there are none."""
    place = Place(str(file), 1, 1)
    mistakes.reading(place.file)
    try:
        if file.stat().st_size > BYTES:
            mistakes.add(place, f"larger than {BYTES >> 20} MiB, which no rule file is")
            return []
        text = file.read_bytes().decode().removeprefix("\ufeff")
    except OSError as error:
        mistakes.add(place, f"cannot be read: {error.strerror}")
        return []
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        mistakes.add(Place(str(file), line, 1), "not UTF-8, which YAML has to be")
        return []
    return compose(Source(str(file), text), mistakes)


def compose(source: Source, mistakes: Mistakes) -> list[Node]:
    """The documents of a text; what is wrong with it is noted, and then there are none."""
    try:
        return _Composer(source, mistakes).documents()
    except _WrongError as error:
        mistakes.add(error.place, error.what)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(source.file, mark.line + 1, mark.column + 1) if mark else Place(source.file, 1, 1)
        told = ", ".join(part for part in (error.context, error.problem) if part)
        mistakes.add(place, f"no YAML: {told}")
    except yaml.YAMLError as error:  # a character that may not stand in YAML
        mistakes.add(Place(source.file, 1, 1), f"no YAML: {' '.join(str(error).split())}")
    return []


class _Composer:
    """Makes nodes of the parser's events, as `yaml.compose` does, but within bounds."""

    def __init__(self, source: Source, mistakes: Mistakes) -> None:
        self._source = source
        self._mistakes = mistakes
        self._events: Iterator[Any] = yaml.parse(source.text, Loader=_LOADER)
        self._anchors: dict[str, Node] = {}

    def documents(self) -> list[Node]:
        found = []
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors = {}
                found.append(self._node(next(self._events), 0))
        return found

    def _node(self, event: Any, depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise self._wrong(event, f"there is no anchor &{event.anchor} before this")
            return self._anchors[event.anchor]
        if event.tag is not None and event.tag not in _TAGS:
            raise self._wrong(event, f"the tag {event.tag} has no meaning in rule files")
        if depth > DEPTH:
            raise self._wrong(event, f"nested more than {DEPTH} deep")
        made = self._made(event, depth)
        if made.size > SIZE:
            raise self._wrong(event, f"more than {SIZE:,} parts, with aliases written out")
        if event.anchor is not None:
            self._anchors[event.anchor] = made
        return made

    def _wrong(self, event: Any, what: str) -> _WrongError:
        return _WrongError(self._source.place(event.start_mark.index), what)

    def _made(self, event: Any, depth: int) -> Node:
        start: int = event.start_mark.index
        if isinstance(event, yaml.ScalarEvent):
            end: int = event.end_mark.index  # type: ignore[union-attr]
            style = event.style if event.style in (*_QUOTED, "|", ">") else ""
            return Scalar(self._source, start, end, event.value, style)
        if isinstance(event, yaml.SequenceStartEvent):
            items, end = self._until(yaml.SequenceEndEvent, depth)
            return Sequence(self._source, start, end, tuple(items), 1 + sum(item.size for item in items))
        pairs, end = self._until(yaml.MappingEndEvent, depth)
        keys: dict[str, Scalar] = {}
        values: dict[str, Node] = {}
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if not isinstance(key, Scalar):
                raise _WrongError(key.place, "a key is a name")
            if key.value in keys:
                self._mistakes.add(key.place, f"key {key.value} stands there twice")
            keys[key.value], values[key.value] = key, value
        return Mapping(self._source, start, end, values, keys, 1 + sum(part.size for part in pairs))

    def _until(self, ends: type[yaml.Event], depth: int) -> tuple[list[Node], int]:
        found = []
        event = next(self._events)
        while not isinstance(event, ends):
            found.append(self._node(event, depth + 1))
            event = next(self._events)
        end: int = event.end_mark.index  # type: ignore[union-attr]
        return found, end
