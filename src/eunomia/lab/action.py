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
        title: what it does.
        script: for `sh -eu`; its exit code says whether it was done (0) or cannot be here (77).
        options: of `docker run`.
        also: other rules that rightly speak of it.
    """

    name: str
    rule: str
    kind: Kind
    title: str
    script: str
    options: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


@cache
def actions() -> tuple[Action, ...]:
    """All of them, in the order of their files."""
    return tuple(action for path in sorted(ACTIONS.glob("*.yaml")) for action in read(path.read_text("utf-8")))


def read(text: str) -> Iterator[Action]:
    """The actions of one file: a list of rules; what is said of a rule holds for all of its actions."""
    for group in yaml.safe_load(text):
        for kind in Kind:
            for one in group.get(kind.value, ()):
                yield _action(group, kind, one)


def _action(group: dict[str, Any], kind: Kind, one: dict[str, Any]) -> Action:
    return Action(
        name=one["name"],
        rule=group["rule"],
        kind=kind,
        title=one["title"],
        script=group.get("before", "") + one["script"],
        options=(*group.get("options", ()), *one.get("options", ())),
        also=(*group.get("also", ()), *one.get("also", ())),
    )


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
