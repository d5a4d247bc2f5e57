"""From definitions to rules."""

from __future__ import annotations

from eunomia.detect.checking import Checks, Found
from eunomia.detect.conditions import Conditions, Located
from eunomia.detect.drafts import Draft, Drafts, switch
from eunomia.detect.events import ALL, events_of
from eunomia.detect.exceptions import Exceptions
from eunomia.detect.lists import written_out
from eunomia.detect.mistakes import Mistakes, nearest
from eunomia.detect.nodes import Node, Scalar
from eunomia.detect.reading import Values
from eunomia.detect.rule import Level, Origin, Place, Rule, Sequence, Step
from eunomia.detect.timing import Timing
from eunomia.detect.tree import And, Not, Or
from eunomia.detect.tree import Node as Condition

_LEVELS = {
    **{level.label: level for level in Level},
    **dict.fromkeys(("emergency", "critical", "error"), Level.ALERT),
    **dict.fromkeys(("notice", "informational", "info", "debug"), Level.EVENT),
}
"""Ours, and Falco's priorities."""
_SOURCE = "syscall"
_UNDONE = ("capture", "capture_duration")


class _LeftOutError(Exception):
    """A rule that is of no use here; says why."""


class _WrongError(Exception):
    """A rule with a mistake that has been noted."""


class Builder:
    """Makes rules of the definitions of all files.

    Args:
        drafts: the definitions.
        checks: what is known of trackers, their events and columns.
    """

    def __init__(self, drafts: Drafts, checks: Checks, mistakes: Mistakes) -> None:
        self._mistakes = mistakes
        self._checks = checks
        self._values = Values(mistakes)
        self._timing = Timing(mistakes)
        lists = written_out(drafts.lists, mistakes)
        macros = {
            name: text
            for name, draft in drafts.macros.items()
            if (text := self._values.text(draft.values["condition"], "condition")) is not None
        }
        self._conditions = Conditions(lists, macros, mistakes)
        self._exceptions = Exceptions(lists, mistakes)

    def rule(self, draft: Draft) -> Rule | None:
        """The rule; None when it is wrong or of no use here, which is noted."""
        level = self._level(draft.values["level"][-1])
        try:
            return self._rule(draft, level)
        except _LeftOutError as why:
            self._mistakes.warn(draft.place, f"rule {draft.name!r} is left out: {why}")
        except _WrongError:
            pass  # and noted
        return None

    def _rule(self, draft: Draft, level: Level) -> Rule:
        self._check_source(draft)
        values = draft.values
        step = self._step(draft)
        count = sequence = None
        if node := _given(values.get("count", ())):
            count = self._timing.count(node, lambda item: self._checks.field(item, step.on))
        if node := _given(values.get("sequence", ())):
            sequence = self._sequence(node, step)
            if count is not None:
                self._mistakes.add(node.place, "a rule counts or needs a sequence, not both")
        rate = _given(values.get("rate", ()))
        return Rule(
            name=draft.name,
            description=self._text(draft, "desc"),
            step=step,
            output=self._output(draft, step.on),
            level=level,
            tags=tuple(dict.fromkeys(item.value for item in self._values.items(values.get("tags", ()), "tags"))),
            advice=self._text(draft, "advice"),
            enabled="enabled" not in values or switch(values["enabled"][-1], "enabled", self._mistakes),
            count=count,
            sequence=sequence,
            rate=self._timing.rate(rate) if rate else None,
            place=draft.place,
            origin=draft.origin,
        )

    def _check_source(self, draft: Draft) -> None:
        for key in _UNDONE:
            if key in draft.values:
                self._mistakes.warn(draft.values[key][0].place, f"{key} is ignored: an alert carries its event instead")
        source = self._text(draft, "source") or _SOURCE
        if source != _SOURCE:
            raise _LeftOutError(f"there are no events of source {source}")

    def _text(self, draft: Draft, key: str) -> str:
        text = self._values.text(draft.values.get(key, ()), key)
        return text.value.strip() if text else ""

    def _output(self, draft: Draft, on: frozenset[Origin]) -> str:
        text = self._values.text(draft.values["output"], "output")
        if text is None:
            raise _WrongError
        self._checks.output(text, on)
        return text.value.strip()

    def _level(self, node: Node) -> Level:
        word = node.value.lower() if isinstance(node, Scalar) else ""
        if word not in _LEVELS:
            self._mistakes.add(node.place, f"there is no level {word!r}; {nearest(word, _LEVELS)}")
        return _LEVELS.get(word, Level.EVENT)

    # Conditions

    def _step(self, draft: Draft) -> Step:
        """The rule's own step, exceptions applied."""
        values = draft.values
        rows = self._exceptions.conditions(values.get("exceptions", ()))
        lenient = "skip-if-unknown-filter" in values and switch(
            values["skip-if-unknown-filter"][-1], "skip-if-unknown-filter", self._mistakes
        )
        step = self._asked(values["condition"], values.get("on", ()), draft.place, rows, lenient=lenient)
        if not rows:
            return step
        excepted = rows[0].node if len(rows) == 1 else Or(tuple(row.node for row in rows))
        return Step(And((step.condition, Not(excepted))), step.on, step.text)

    def _sequence(self, node: Node, first: Step) -> Sequence | None:
        steps = self._timing.steps(node, lambda item: self._checks.field(item, first.on))
        if steps is None:
            return None
        later = []
        for one in steps.then:
            parts = self._values.table(one, "a step", ("condition",), ("on",))
            if parts:
                on = (parts["on"],) if "on" in parts else ()
                later.append(self._asked((parts["condition"],), on, one.place, []))
        return Sequence(tuple(later), steps.within_s, steps.by)

    def _asked(
        self,
        condition: tuple[Node, ...],
        on: tuple[Node, ...],
        place: Place,
        rows: list[Located],
        *,
        lenient: bool = False,
    ) -> Step:
        """A condition and the events it is asked of; its parts and those of exceptions are checked."""
        text = self._values.text(condition, "condition")
        located = self._conditions.parsed(text) if text else None
        whole = self._conditions.expanded(located) if located else None
        if text is None or located is None or whole is None:
            raise _WrongError
        parts = [located, *self._conditions.used(located), *rows]
        self._note(self._checks.types(parts), lenient=lenient)
        origins = self._on(on, whole, place)
        self._note(self._checks.conditions(parts, origins), lenient=lenient)
        return Step(whole, origins, text.value)

    def _note(self, found: list[Found], *, lenient: bool) -> None:
        """Notes mistakes; a rule that may be skipped is."""
        if found and lenient:
            raise _LeftOutError(found[0][1])
        for place, what in found:
            self._mistakes.add(place, what)
        if found:
            raise _WrongError

    def _on(self, given: tuple[Node, ...], condition: Condition, place: Place) -> frozenset[Origin]:
        """The events that are named, or else those that the condition asks for."""
        names = list(self._values.items(given, "on"))
        asked = events_of(condition)
        if names:
            found = frozenset(origin for name in names if (origin := self._checks.origin(name)) is not None)
            if found and not found & asked and found <= ALL:
                self._mistakes.add(names[0].place, "the condition asks for other events, so it is never met")
            return found
        if asked == ALL:
            self._mistakes.add(place, "it does not say which events it is about: on: TRACKER.EVENT, as on: files.open")
            raise _WrongError
        origins = self._checks.known(asked)
        if not origins:
            raise _LeftOutError("no tracker reports the events that it asks for")
        return origins


def _given(nodes: tuple[Node, ...]) -> Node | None:
    """What holds of a key that cannot be appended to; nothing where it was emptied."""
    last = nodes[-1] if nodes else None
    return None if isinstance(last, Scalar) and last.empty else last
