"""What two profiles differ in."""

from __future__ import annotations

from dataclasses import dataclass

from eunomia.privileges.merge import alternatives
from eunomia.privileges.profile import Action, Comparison, Operator, Profile


@dataclass(frozen=True)
class Difference:
    """How a first and a second profile differ; all empty when they do not.

    Attributes:
        first, second: calls that only this one allows.
        treated: for other calls, in what way only the first treats them, and only the second: conditions on arguments
            under which they are allowed, and other actions.
        default: what becomes of other calls, where that differs.
        architectures: those of each, where they differ.
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    treated: dict[str, tuple[tuple[str, ...], tuple[str, ...]]]
    default: tuple[str, str] | None = None
    architectures: tuple[tuple[str, ...], tuple[str, ...]] | None = None

    def __bool__(self) -> bool:
        return bool(self.first or self.second or self.treated or self.default or self.architectures)


def diff(first: Profile, second: Profile) -> Difference:
    """Compares what they allow; the order of rules and their comments do not matter."""
    one, other = alternatives(first), alternatives(second)
    only_first, only_second = one.keys() - other.keys(), other.keys() - one.keys()
    ways, other_ways = _treated(first), _treated(second)
    treated = {
        name: (mine, its)
        for name in sorted((ways.keys() | other_ways.keys()) - only_first - only_second)
        if (mine := _only(ways, other_ways, name)) != (its := _only(other_ways, ways, name))
    }
    defaults = (_answer(first.default, first.errno), _answer(second.default, second.errno))
    entries = (tuple(sorted(set(first.architectures))), tuple(sorted(set(second.architectures))))
    return Difference(
        tuple(sorted(only_first)),
        tuple(sorted(only_second)),
        treated,
        None if defaults[0] == defaults[1] else defaults,
        None if entries[0] == entries[1] else entries,
    )


_EPERM = 1


def _answer(action: Action, errno: int | None) -> str:
    return f"{action.value} with errno {errno}" if errno not in (None, _EPERM) else action.value


def _treated(profile: Profile) -> dict[str, set[str]]:
    """For each call in what ways it is allowed, and answered otherwise than by the default."""
    found = {name: set(map(condition, ways)) for name, ways in alternatives(profile).items()}
    for rule in profile.rules:
        answer = _answer(rule.action, profile.errno if rule.errno is None else rule.errno)
        if rule.action is not Action.ALLOW and answer != _answer(profile.default, profile.errno):
            for name in rule.names:
                found.setdefault(name, set()).add(f"{answer} {condition(rule.arguments)}")
    return found


def _only(ways: dict[str, set[str]], other: dict[str, set[str]], name: str) -> tuple[str, ...]:
    return tuple(sorted(ways.get(name, set()) - other.get(name, set())))


_SIGNS = {
    Operator.NE: "!=",
    Operator.LT: "<",
    Operator.LE: "<=",
    Operator.EQ: "==",
    Operator.GE: ">=",
    Operator.GT: ">",
}


def condition(tests: tuple[Comparison, ...]) -> str:
    """Tests of arguments for a person."""
    return " and ".join(_test(one) for one in tests) or "with any arguments"


def _test(one: Comparison) -> str:
    if one.operator is Operator.MASKED_EQ:
        return f"argument {one.index} & {one.value:#x} == {one.value_two:#x}"
    return f"argument {one.index} {_SIGNS[one.operator]} {one.value:#x}"
