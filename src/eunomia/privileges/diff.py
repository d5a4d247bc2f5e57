"""What two profiles differ in."""

from __future__ import annotations

from dataclasses import dataclass

from eunomia.privileges.merge import alternatives
from eunomia.privileges.profile import Comparison, Operator, Profile


@dataclass(frozen=True)
class Difference:
    """How a first and a second profile differ; all empty when they do not.

    Attributes:
        first, second: calls that only this one allows.
        arguments: for calls that both allow, the conditions under which only the first does, and only the second.
        default: what becomes of other calls, where that differs.
        architectures: those of each, where they differ.
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    arguments: dict[str, tuple[tuple[str, ...], tuple[str, ...]]]
    default: tuple[str, str] | None = None
    architectures: tuple[tuple[str, ...], tuple[str, ...]] | None = None

    def __bool__(self) -> bool:
        return bool(self.first or self.second or self.arguments or self.default or self.architectures)


def diff(first: Profile, second: Profile) -> Difference:
    """Compares what they allow; the order of rules and their comments do not matter."""
    one, other = alternatives(first), alternatives(second)
    arguments = {
        name: (_told(set(one[name]) - set(other[name])), _told(set(other[name]) - set(one[name])))
        for name in sorted(one.keys() & other.keys())
        if set(one[name]) != set(other[name])
    }
    defaults = (_default(first), _default(second))
    entries = (tuple(sorted(set(first.architectures))), tuple(sorted(set(second.architectures))))
    return Difference(
        tuple(sorted(one.keys() - other.keys())),
        tuple(sorted(other.keys() - one.keys())),
        arguments,
        None if defaults[0] == defaults[1] else defaults,
        None if entries[0] == entries[1] else entries,
    )


_EPERM = 1


def _default(profile: Profile) -> str:
    errno = profile.errno or _EPERM
    return profile.default.value if errno == _EPERM else f"{profile.default.value} with errno {errno}"


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


def _told(ways: set[tuple[Comparison, ...]]) -> tuple[str, ...]:
    return tuple(sorted(map(condition, ways)))
