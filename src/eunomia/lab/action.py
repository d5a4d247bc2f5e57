"""What the laboratory does, as data: each default rule with its attacks, their evasions and their benign twins."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from eunomia.errors import UsageError

ACTIONS = Path(__file__).with_name("actions")


class Kind(StrEnum):
    """What an action is, and so what is to become of it."""

    ATTACK = "attack"
    EVASION = "evasion"
    BENIGN = "benign"


@dataclass(frozen=True)
class Action:
    """Something that happens in a container of its own.

    Attributes:
        name: unique; letters, digits and hyphens, as it becomes part of the container's name.
        rule: the default rule that it must trigger, or, when it is benign, that must stay silent.
        script: what it does; for `sh -eu`; its exit code says whether it was done (0) or cannot be here (77).
        options: of `docker run`.
        also: other rules that rightly speak of it.
        instead: other rules that find it just as well, when its own does not.
        limit: why no rule finds it, where that is known and told of; such an action may be missed.
    """

    name: str
    rule: str
    kind: Kind
    script: str
    options: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()
    limit: str = ""


@cache
def actions() -> tuple[Action, ...]:
    """All of them, in the order of their files."""
    return tuple(action for path in sorted(ACTIONS.glob("*.yaml")) for action in read(path.read_text("utf-8")))


@cache
def elsewhere() -> dict[str, str]:
    """Rules for which containers of the laboratory can do nothing -> where they are put to the test instead."""
    groups = (group for path in sorted(ACTIONS.glob("*.yaml")) for group in yaml.safe_load(path.read_text("utf-8")))
    return {group["rule"]: group["elsewhere"].strip() for group in groups if "elsewhere" in group}


def read(text: str) -> Iterator[Action]:
    """The actions of one file: a list of rules; what is said of a rule holds for all of its actions.

    An action is its name and its script, or more than a script when it needs that. A rule that is tried `elsewhere`
    has none.
    """
    for group in yaml.safe_load(text):
        for kind in Kind:
            for name, said in group.get(kind.value, {}).items():
                yield _action(name, kind, group, {"script": said} if isinstance(said, str) else said)


def _action(name: str, kind: Kind, group: dict[str, Any], own: dict[str, Any]) -> Action:
    def both(key: str) -> tuple[str, ...]:
        return (*group.get(key, ()), *own.get(key, ()))

    script = group.get("before", "") + own["script"]
    limit = own.get("limit", "").strip()
    return Action(name, group["rule"], kind, script, both("options"), both("also"), both("instead"), limit)


def select(names: Sequence[str], among: Iterable[Action] | None = None) -> list[Action]:
    """Those with these names, or of the rules with these names; all when there is no name.

    Raises:
        UsageError: a name that is neither.
    """
    known = list(actions() if among is None else among)
    chosen = [one for one in known if not names or one.name in names or one.rule in names]
    for name in names:
        if not any(name in (one.name, one.rule) for one in chosen):
            everything = {spelled for one in known for spelled in (one.name, one.rule)}
            near = difflib.get_close_matches(name, everything)
            hint = f"did you mean {' or '.join(near)}?" if near else "see `eunomia lab list`"
            raise UsageError(f"there is no action and no rule with actions called {name!r}; {hint}")
    return chosen
