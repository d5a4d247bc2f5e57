"""Lists, macros and rules as files say them, one definition laid over another.

Nothing is understood here beyond Falco's rules of redefinition: a later one replaces an earlier one, `append` and
`override` join or replace single keys, and a rule with nothing but `enabled` switches an earlier one on or off.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from eunomia.detect.mistakes import Mistakes, nearest
from eunomia.detect.nodes import Mapping, Node, Scalar, Sequence
from eunomia.detect.rule import Place


@dataclass(frozen=True)
class Kind:
    """What can be defined, and by which keys.

    Attributes:
        required: keys that a definition has to have.
        joined: keys that can be appended to.
        others: further keys.
    """

    name: str
    required: tuple[str, ...]
    joined: tuple[str, ...]
    others: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key that carries something."""
        return tuple(dict.fromkeys((*self.required, *self.joined, *self.others)))


KINDS = {
    "list": Kind("list", ("items",), ("items",)),
    "macro": Kind("macro", ("condition",), ("condition",)),
    "rule": Kind(
        "rule",
        ("condition", "output", "level"),
        ("condition", "output", "desc", "tags", "exceptions", "on", "advice"),
        (
            *("enabled", "count", "sequence", "rate", "source", "warn_evttypes", "skip-if-unknown-filter"),
            *("capture", "capture_duration"),
        ),
    ),
}
ALIASES = {"priority": "level"}
"""Falco's name of a key -> ours."""
_ABOUT = ("required_engine_version", "required_plugin_versions")
_HOW = ("append", "override")
_YES = ("true", "yes", "on", "y")
_NO = ("false", "no", "off", "n")


@dataclass
class Draft:
    """A definition.

    Attributes:
        values: of each key the parts that make it up: one, or several that were appended.
        place: of its name.
        origin: where it is from, for people.
    """

    name: str
    values: dict[str, tuple[Node, ...]]
    place: Place
    origin: str


class Drafts:
    """All definitions of some files."""

    def __init__(self, mistakes: Mistakes) -> None:
        self._mistakes = mistakes
        self.lists: dict[str, Draft] = {}
        self.macros: dict[str, Draft] = {}
        self.rules: dict[str, Draft] = {}
        self._of_kind = {"list": self.lists, "macro": self.macros, "rule": self.rules}

    def add(self, documents: Iterable[Node], origin: str) -> None:
        """Takes the definitions of a file, in their order."""
        for document in documents:
            if isinstance(document, Sequence):
                for item in document.items:
                    self._item(item, origin)
            elif not (isinstance(document, Scalar) and document.empty):
                self._mistakes.add(
                    document.place, "a rule file is a sequence: begin each definition with `- rule: NAME`"
                )

    def _item(self, item: Node, origin: str) -> None:
        if not isinstance(item, Mapping):
            self._mistakes.add(item.place, "a definition is expected, such as `rule: NAME` with its keys below it")
            return
        kinds = [name for name in KINDS if name in item.values]
        if not kinds and any(name in item.values for name in _ABOUT):
            return
        if len(kinds) != 1:
            known = ", ".join((*KINDS, *_ABOUT))
            told = " and ".join(kinds) if kinds else nearest(next(iter(item.values), ""), (*KINDS, *_ABOUT))
            what = (
                f"a definition is one thing, not {told}"
                if kinds
                else f"a definition begins with one of {known}; {told}"
            )
            self._mistakes.add(item.place, what)
            return
        kind = KINDS[kinds[0]]
        name = item.values[kind.name]
        if not isinstance(name, Scalar) or not name.value.strip():
            self._mistakes.add(name.place, f"the name of a {kind.name} is expected")
            return
        draft = Draft(name.value.strip(), self._values(kind, item), name.place, origin)
        self._lay_over(kind, draft, item)

    def _values(self, kind: Kind, item: Mapping) -> dict[str, tuple[Node, ...]]:
        found: dict[str, tuple[Node, ...]] = {}
        names = (*kind.keys, *_HOW, *(alias for alias, key in ALIASES.items() if key in kind.keys))
        for written, value in item.values.items():
            key = ALIASES.get(written, written)
            place = item.keys[written].place
            if written not in (*names, kind.name):
                self._mistakes.add(place, f"a {kind.name} has no key {written}; {nearest(written, names)}")
            elif key in found:
                self._mistakes.add(place, f"{written} and {_other(written)} say the same: keep one")
            elif written in kind.keys or written in ALIASES:
                found[key] = (value,)
        return found

    def _lay_over(self, kind: Kind, draft: Draft, item: Mapping) -> None:
        """Puts a definition in place, alone or together with the one before it."""
        known = self._of_kind[kind.name]
        earlier = known.get(draft.name)
        how = self._how(kind, draft, item)
        if how is None:
            return
        if not how:
            if missing := [key for key in kind.required if key not in draft.values]:
                told = f"{kind.name} {draft.name!r} lacks {' and '.join(missing)}"
                self._mistakes.add(draft.place, told)
            else:
                known[draft.name] = draft
        elif earlier is None:
            told = f"there is no {kind.name} {draft.name!r} before this that could be changed; "
            self._mistakes.add(draft.place, told + nearest(draft.name, known))
        else:
            for key, one in how.items():
                before = earlier.values.get(key, ()) if one == "append" else ()
                earlier.values[key] = (*before, *draft.values[key])

    def _how(self, kind: Kind, draft: Draft, item: Mapping) -> dict[str, str] | None:
        """What becomes of each key of an earlier definition; nothing when it is simply replaced, None when wrong."""
        override = item.values.get("override")
        if override is not None:
            return self._override(kind, draft, override)
        append = item.values.get("append")
        if append is not None and switch(append, "append", self._mistakes):
            stray = [key for key in draft.values if key not in kind.joined]
            for key in stray:
                self._mistakes.add(
                    draft.values[key][0].place, f"append does not go with {key}; write override: {{{key}: replace}}"
                )
            if not draft.values:
                self._mistakes.add(draft.place, f"there is nothing to append: say {' or '.join(kind.joined)}")
            return dict.fromkeys(draft.values, "append") if draft.values and not stray else None
        if kind.name == "rule" and set(draft.values) == {"enabled"}:
            return {"enabled": "replace"}
        return {}

    def _override(self, kind: Kind, draft: Draft, override: Node) -> dict[str, str] | None:
        if not isinstance(override, Mapping) or not override.values:
            self._mistakes.add(override.place, "override says of each key whether to append or to replace")
            return None
        how: dict[str, str] = {}
        wrong = False
        for written, node in override.values.items():
            key = ALIASES.get(written, written)
            choices = ("append", "replace") if key in kind.joined else ("replace",)
            value = node.value if isinstance(node, Scalar) else ""
            place = override.keys[written].place
            if key not in kind.keys:
                self._mistakes.add(place, f"a {kind.name} has no key {written}; {nearest(written, kind.keys)}")
            elif value not in choices:
                self._mistakes.add(node.place, f"{written} can be: {' or '.join(choices)}")
            elif key not in draft.values:
                self._mistakes.add(place, f"override names {written}, but it is not given here")
            else:
                how[key] = value
                continue
            wrong = True
        for key in draft.values:
            if key not in how and not wrong:
                self._mistakes.add(draft.values[key][0].place, f"override does not say what becomes of {key}")
                wrong = True
        return None if wrong else how


def _other(written: str) -> str:
    return next((alias for alias, key in ALIASES.items() if key == written), ALIASES.get(written, written))


def switch(node: Node, name: str, mistakes: Mistakes) -> bool:
    """What true and false are, as YAML has them."""
    value = node.value.lower() if isinstance(node, Scalar) else ""
    if value not in (*_YES, *_NO):
        mistakes.add(node.place, f"{name} is true or false")
    return value in _YES
