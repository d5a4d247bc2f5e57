"""What a profile says of one call."""

from __future__ import annotations

from collections.abc import Sequence

from eunomia.privileges.profile import Action, Comparison, Operator, Profile


def allows(profile: Profile, name: str, arguments: Sequence[int]) -> bool:
    """Whether a profile allows a call with these arguments; of several rules that fit, one that allows is enough."""
    rules = [rule for rule in profile.rules if name in rule.names]
    fitting = [rule for rule in rules if all(_holds(one, arguments) for one in rule.arguments)]
    if not fitting:
        return profile.default in (Action.ALLOW, Action.LOG)
    return any(rule.action in (Action.ALLOW, Action.LOG) for rule in fitting)


def always_refuses(profile: Profile, name: str) -> bool:
    """Whether a profile refuses a call whatever its arguments."""
    rules = [rule for rule in profile.rules if name in rule.names]
    if any(rule.action in (Action.ALLOW, Action.LOG) for rule in rules):
        return False
    return profile.default not in (Action.ALLOW, Action.LOG) or any(not rule.arguments for rule in rules)


def depends_on_arguments(profile: Profile) -> frozenset[str]:
    """The calls that are allowed with some arguments only."""
    free = {name for rule in profile.rules if rule.action is Action.ALLOW and not rule.arguments for name in rule.names}
    return profile.allowed - free


def _holds(one: Comparison, arguments: Sequence[int]) -> bool:
    value = arguments[one.index]
    match one.operator:
        case Operator.EQ:
            return value == one.value
        case Operator.NE:
            return value != one.value
        case Operator.LT:
            return value < one.value
        case Operator.LE:
            return value <= one.value
        case Operator.GE:
            return value >= one.value
        case Operator.GT:
            return value > one.value
        case Operator.MASKED_EQ:
            return value & one.value == one.value_two
