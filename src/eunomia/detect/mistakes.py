"""What is wrong with rule files: all of it at once, each with its place."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from eunomia.detect.rule import Place
from eunomia.errors import UsageError

_LISTED = 12  # more names than that are no help in a message


class RulesError(UsageError):
    """Rules cannot be used.

    Attributes:
        mistakes: all there are, each `FILE:LINE:COLUMN: what is wrong`.
    """

    def __init__(self, mistakes: Iterable[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self.mistakes))


class Mistakes:
    """Takes note of what is wrong, and of what is tolerated."""

    def __init__(self) -> None:
        self._files: dict[str, int] = {}
        self._wrong: list[tuple[Place, str]] = []
        self._tolerated: list[tuple[Place, str]] = []

    def reading(self, file: str) -> None:
        """A file's turn has come: its mistakes are told behind those of files before it."""
        self._files.setdefault(file, len(self._files))

    def add(self, place: Place, what: str) -> None:
        """Something that makes the rules useless."""
        self._note(self._wrong, place, what)

    def warn(self, place: Place, what: str) -> None:
        """Something that is left out or understood in another way."""
        self._note(self._tolerated, place, what)

    def _note(self, notes: list[tuple[Place, str]], place: Place, what: str) -> None:
        self.reading(place.file)
        if (place, what) not in notes:
            notes.append((place, what))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was tolerated, in the order of files and lines."""
        return self._told(self._tolerated)

    def check(self) -> None:
        """Ends here when something was wrong.

        Raises:
            RulesError: with all that was.
        """
        if self._wrong:
            raise RulesError(self._told(self._wrong))

    def _told(self, notes: list[tuple[Place, str]]) -> tuple[str, ...]:
        order = sorted(notes, key=lambda note: (self._files[note[0].file], note[0].line, note[0].column))
        return tuple(f"{place}: {what}" for place, what in order)


def nearest(name: str, known: Iterable[str]) -> str:
    """What might have been meant."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    if not names:
        return "there is none"
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"there {'are' if len(names) > 1 else 'is'}: {', '.join(names[:_LISTED])}{more}"
