"""What can be wrong with a condition."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from eunomia.detect.tree import Span
from eunomia.errors import UsageError


class ConditionError(UsageError):
    """A condition, or an output template, cannot be meant.

    Attributes:
        span: where, in its text.
    """

    def __init__(self, message: str, span: Span) -> None:
        super().__init__(message)
        self.span = span


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean …?` with the names most like a wrong one; nothing when none is."""
    near = difflib.get_close_matches(name, list(dict.fromkeys(known)), n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""
