"""Simple values out of nodes: texts, lists of them, numbers, lengths of time, each wrong one noted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Sequence as Several

from eunomia.detect.conditions import Text
from eunomia.detect.errors import ConditionError
from eunomia.detect.mistakes import Mistakes, nearest
from eunomia.detect.nodes import Mapping, Node, Scalar, Sequence
from eunomia.detect.parse import parse
from eunomia.detect.tree import Exists, FieldRef

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?) ?(ms|s|m|h|d)")
_WHOLE = re.compile(r"[0-9]{1,9}")


class Values:
    """Makes values of nodes; where that cannot be, the mistake is noted and a harmless value given."""

    def __init__(self, mistakes: Mistakes) -> None:
        self._mistakes = mistakes

    def text(self, nodes: Several[Node], name: str) -> Text | None:
        """One text, of several parts where there was appended to it; None without any."""
        scalars = tuple(node for node in nodes if isinstance(node, Scalar))
        for node in nodes:
            if not isinstance(node, Scalar):
                self._mistakes.add(node.place, f"{name} is a text")
        return Text(scalars) if scalars else None

    def items(self, nodes: Several[Node], name: str) -> Iterator[Scalar]:
        """The texts of sequences, or single ones."""
        for node in nodes:
            for item in node.items if isinstance(node, Sequence) else (node,):
                if not isinstance(item, Scalar):
                    self._mistakes.add(item.place, f"{name} is a sequence of texts")
                elif item is not node or not item.empty:
                    yield item

    def table(self, node: Node, name: str, required: Several[str], others: Several[str] = ()) -> dict[str, Node]:
        """The values of a mapping that has these keys and no others; empty when it is wrong."""
        known = (*required, *others)
        if not isinstance(node, Mapping):
            self._mistakes.add(node.place, f"{name} has the keys {', '.join(known)}")
            return {}
        strays = [key for key in node.values if key not in known]
        for key in strays:
            self._mistakes.add(node.keys[key].place, f"{name} has no key {key}; {nearest(key, known)}")
        missing = [key for key in required if key not in node.values]
        if missing:
            self._mistakes.add(node.place, f"{name} lacks {' and '.join(missing)}")
        return {} if strays or missing else dict(node.values)

    def whole(self, node: Node, name: str) -> int:
        """A whole number of at least 1."""
        value = node.value if isinstance(node, Scalar) else ""
        if _WHOLE.fullmatch(value) and int(value) > 0:
            return int(value)
        self._mistakes.add(node.place, f"{name} is a whole number from 1 on")
        return 1

    def duration_s(self, node: Node, name: str) -> float:
        """A length of time, in seconds."""
        found = _DURATION.fullmatch(node.value) if isinstance(node, Scalar) else None
        if found and float(found[1]) > 0:
            return float(found[1]) * _SECONDS[found[2]]
        self._mistakes.add(node.place, f"{name} is a length of time, such as 500ms, 10s, 5m, 2h or 1d")
        return 1.0

    def fields(self, nodes: Several[Node], name: str) -> dict[str, Scalar]:
        """Names of fields, as they are written, with their places."""
        found = {}
        for item in self.items(nodes, name):
            if self.field(item) is not None:
                found[item.value] = item
        return found

    def field(self, item: Scalar) -> FieldRef | None:
        """A field; None when the text is none."""
        try:
            node = parse(f"{item.value} exists")
        except ConditionError as error:
            self._mistakes.add(item.place, f"a field is expected: {error}")
            return None
        if not isinstance(node, Exists):
            self._mistakes.add(item.place, f"a field is expected, not {item.value!r}")
            return None
        return node.field
