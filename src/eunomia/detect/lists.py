"""Lists that hold other lists, written out."""

from __future__ import annotations

from collections.abc import Mapping

from eunomia.detect.drafts import Draft
from eunomia.detect.mistakes import Mistakes
from eunomia.detect.reading import Values

MOST = 100_000
"""Items of one list, those of the lists in it among them."""
MOST_WITHIN = 100
"""Lists in lists, so deep."""


def written_out(drafts: Mapping[str, Draft], mistakes: Mistakes) -> dict[str, tuple[str, ...]]:
    """The items of each list, with those of lists that it holds in their place."""
    return _Lists(drafts, mistakes).all()


class _Lists:
    def __init__(self, drafts: Mapping[str, Draft], mistakes: Mistakes) -> None:
        self._drafts = drafts
        self._mistakes = mistakes
        values = Values(mistakes)
        self._items = {
            name: [item.value for item in values.items(draft.values["items"], "items")]
            for name, draft in drafts.items()
        }
        self._done: dict[str, tuple[str, ...]] = {}

    def all(self) -> dict[str, tuple[str, ...]]:
        for name in self._drafts:
            self._of(name, ())
        return self._done

    def _of(self, name: str, within: tuple[str, ...]) -> tuple[str, ...]:
        if name in self._done:
            return self._done[name]
        if name in within or len(within) > MOST_WITHIN:
            way = " -> ".join((*within[within.index(name) :], name)) if name in within else "lists in lists in lists …"
            self._mistakes.add(self._drafts[name].place, f"the list {name} holds itself: {way}")
            return ()
        found: list[str] = []
        for item in self._items[name]:
            found += self._of(item, (*within, name)) if item in self._drafts else (item,)
            if len(found) > MOST:
                self._mistakes.add(self._drafts[name].place, f"the list {name} has more than {MOST:,} items")
                found.clear()
                break
        self._done[name] = tuple(found)
        return self._done[name]
