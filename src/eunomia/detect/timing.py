"""What a rule says about time: how often, in which order, and how many alerts at most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from eunomia.detect.mistakes import Mistakes
from eunomia.detect.nodes import Node, Scalar, Sequence
from eunomia.detect.reading import Values
from eunomia.detect.rule import Count, Rate

CheckField = Callable[[Scalar], None]
"""Notes a field that the rule's events do not have."""


@dataclass(frozen=True)
class Steps:
    """A sequence as it was written: the nodes of its later steps."""

    within_s: float
    by: tuple[str, ...]
    then: tuple[Node, ...]


class Timing:
    """Reads `count`, `sequence` and `rate`."""

    def __init__(self, mistakes: Mistakes) -> None:
        self._mistakes = mistakes
        self._values = Values(mistakes)

    def count(self, node: Node, check: CheckField) -> Count | None:
        """`{at_least: 20, within: 10s, by: [container.id], distinct: fd.rport}`."""
        parts = self._values.table(node, "count", ("at_least", "within"), ("by", "distinct"))
        if not parts:
            return None
        distinct = self._fields(parts.get("distinct"), "distinct", check)
        if len(distinct) > 1:
            self._mistakes.add(parts["distinct"].place, "distinct is one field")
        return Count(
            self._values.whole(parts["at_least"], "at_least"),
            self._values.duration_s(parts["within"], "within"),
            self._fields(parts.get("by"), "by", check),
            distinct[0] if distinct else None,
        )

    def steps(self, node: Node, check: CheckField) -> Steps | None:
        """`{within: 60s, by: [container.id], then: [{on: …, condition: …}]}`."""
        parts = self._values.table(node, "sequence", ("within", "then"), ("by",))
        if not parts:
            return None
        then = parts["then"]
        if not isinstance(then, Sequence) or not then.items:
            self._mistakes.add(then.place, "then is a sequence of steps with condition and on")
            return None
        within_s = self._values.duration_s(parts["within"], "within")
        return Steps(within_s, self._fields(parts.get("by"), "by", check), then.items)

    def rate(self, node: Node) -> Rate | None:
        """`{alerts: 5, per: 1m}`."""
        parts = self._values.table(node, "rate", ("alerts", "per"))
        if not parts:
            return None
        return Rate(self._values.whole(parts["alerts"], "alerts"), self._values.duration_s(parts["per"], "per"))

    def _fields(self, node: Node | None, name: str, check: CheckField) -> tuple[str, ...]:
        found = self._values.fields((node,), name) if node else {}
        for item in found.values():
            check(item)
        return tuple(found)
