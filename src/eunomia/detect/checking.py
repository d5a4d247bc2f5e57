"""Whether rules ask for what there is: trackers, their events, and fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from eunomia.detect.compile import check_condition
from eunomia.detect.conditions import Located, Text
from eunomia.detect.errors import ConditionError
from eunomia.detect.events import TRACKED, events_of
from eunomia.detect.fields import Fields
from eunomia.detect.mistakes import Mistakes, nearest
from eunomia.detect.nodes import Scalar
from eunomia.detect.reading import Values
from eunomia.detect.render import message
from eunomia.detect.rule import Origin, Place
from eunomia.schema.batch import Schema

EVENT = "event"
"""The column that says which event a row is."""
_EVENTS = {**TRACKED, "syscall": ("call", "first")}
_ANY = ""
Found = tuple[Place, str]
"""A mistake and where it is."""


class Checks:
    """Asks every condition, field and output of the columns that it is meant for.

    Args:
        schemas: the columns of each tracker's events; without any, every name without a dot may be one.
        mistakes: where wrong names go.
    """

    def __init__(self, schemas: Mapping[str, Schema], mistakes: Mistakes) -> None:
        self._schemas = schemas
        self._mistakes = mistakes
        self._values = Values(mistakes)
        columns = frozenset(column.name for schema in schemas.values() for column in schema)
        self._fields = {tracker: Fields(tracker, schema, columns) for tracker, schema in schemas.items()}
        self._fields[_ANY] = Fields(_ANY, Schema(()), columns if schemas else None)
        self._done: dict[tuple[int, str], tuple[Located, Found | None]] = {}

    def origin(self, name: Scalar) -> Origin | None:
        """What `files.open` says; None when there is no such thing, which is noted."""
        tracker, _, event = name.value.strip().partition(".")
        trackers = {*_EVENTS, *self._schemas}
        known = self._events(tracker)
        if tracker not in trackers:
            self._mistakes.add(name.place, f"there is no tracker {tracker!r}; {nearest(tracker, sorted(trackers))}")
        elif known and event not in known:
            told = f"{tracker} has no event {event!r}" if event else f"it lacks the event: {tracker}.EVENT"
            self._mistakes.add(name.place, f"{told}; {nearest(event, known)}")
        else:
            return tracker, event
        return None

    def _events(self, tracker: str) -> tuple[str, ...]:
        """The events of a tracker; nothing where that cannot be told."""
        schema = self._schemas.get(tracker)
        dtype = schema[EVENT].dtype if schema is not None and EVENT in schema else None
        return tuple(dtype.categories) if isinstance(dtype, pl.Enum) else _EVENTS.get(tracker, ())

    def known(self, origins: frozenset[Origin]) -> frozenset[Origin]:
        """Those that there are."""
        if not self._schemas:
            return origins
        return frozenset(
            (tracker, event)
            for tracker, event in origins
            if tracker in self._schemas and event in (self._events(tracker) or (event,))
        )

    def types(self, parts: list[Located]) -> list[Found]:
        """What is wrong with the types of events that conditions ask for."""
        found = []
        for part in parts:
            try:
                events_of(part.node)
            except ConditionError as error:
                found.append((part.at(error.span), str(error)))
        return found

    def conditions(self, parts: list[Located], on: frozenset[Origin]) -> list[Found]:
        """What is wrong with conditions that are asked of these events: of each the first thing."""
        trackers = self._trackers(on)
        found = (self._condition(part, tracker) for part in parts for tracker in trackers)
        return list(dict.fromkeys(one for one in found if one is not None))

    def _condition(self, part: Located, tracker: str) -> Found | None:
        key = (id(part), tracker)  # a macro is in many rules
        if key not in self._done:
            wrong = None
            try:
                check_condition(part.node, self._fields[tracker])
            except ConditionError as error:
                wrong = (part.at(error.span), str(error))
            self._done[key] = (part, wrong)
        return self._done[key][1]

    def field(self, item: Scalar, on: frozenset[Origin]) -> None:
        """Notes a field that is unknown."""
        field = self._values.field(item)
        if field is not None:
            self._ask(on, lambda fields: fields.expression(field), lambda _error: item.place)

    def output(self, text: Text, on: frozenset[Origin]) -> None:
        """Notes what is wrong with a template."""
        self._ask(on, lambda fields: message(text.value, fields), lambda error: text.at(error.span.start))

    def _ask(
        self, on: frozenset[Origin], ask: Callable[[Fields], object], place: Callable[[ConditionError], Place]
    ) -> None:
        for tracker in self._trackers(on):
            try:
                ask(self._fields[tracker])
            except ConditionError as error:
                self._mistakes.add(place(error), str(error))
                return

    def _trackers(self, on: frozenset[Origin]) -> list[str]:
        """Those to ask; where none of them is known, none in particular."""
        return sorted({tracker for tracker, _ in on} & set(self._schemas)) or [_ANY]
