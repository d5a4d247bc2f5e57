"""Several profiles as one, which allows what any of them allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from eunomia.errors import UsageError
from eunomia.privileges.profile import Action, Comparison, Profile, Rule

Alternatives = dict[tuple[Comparison, ...], str]
"""Sets of tests one of which has to hold -> the comment of their rule; the empty set holds always."""


def alternatives(profile: Profile) -> dict[str, Alternatives]:
    """For each call that is allowed, under which conditions; one that is allowed at any rate has the empty one only."""
    found: dict[str, Alternatives] = {}
    for rule in profile.rules:
        if rule.action is Action.ALLOW:
            for name in rule.names:
                found.setdefault(name, {}).setdefault(rule.arguments, rule.comment)
    return {name: {(): ways[()]} if () in ways else ways for name, ways in found.items()}


def merge(profiles: Sequence[Profile]) -> Profile:
    """The union. A call that one of them allows with any argument is allowed with any.

    Raises:
        UsageError: they differ in what becomes of other calls, or treat one that none allows in different ways.
    """
    defaults = {(one.default, one.errno) for one in profiles}
    if len(defaults) > 1:
        told = " and ".join(sorted(_default(*one) for one in defaults))
        raise UsageError(f"their defaults differ, {told}: make them the same first, for one profile has one default")
    united: dict[str, Alternatives] = {}
    for profile in profiles:
        for name, ways in alternatives(profile).items():
            known = united.setdefault(name, {})
            for tests, comment in ways.items():
                known.setdefault(tests, comment)
    united = {name: {(): ways[()]} if () in ways else ways for name, ways in united.items()}
    architectures = dict.fromkeys(name for one in profiles for name in one.architectures)
    ((default, errno),) = defaults
    return Profile((*_rules(united), *_others(profiles, set(united))), default, errno, tuple(architectures))


def _default(action: Action, errno: int | None) -> str:
    return action.value if errno is None else f"{action.value} with errno {errno}"


def _rules(united: dict[str, Alternatives]) -> list[Rule]:
    """Calls of one comment together, as they were; those with tests by themselves."""
    plain: dict[str, list[str]] = {}
    strict = []
    for name, ways in sorted(united.items()):
        for tests, comment in ways.items():
            if tests:
                strict.append(Rule((name,), arguments=tests, comment=comment))
            else:
                plain.setdefault(comment, []).append(name)
    return [*(Rule(tuple(names), comment=comment) for comment, names in plain.items()), *strict]


def _others(profiles: Sequence[Profile], allowed: set[str]) -> list[Rule]:
    """Rules that do not allow, for calls that no profile allows."""
    found: dict[tuple[str, tuple[Comparison, ...]], list[Rule]] = {}
    for rule in (rule for one in profiles for rule in one.rules if rule.action is not Action.ALLOW):
        for name in rule.names:
            if name not in allowed:
                found.setdefault((name, rule.arguments), []).append(rule)
    if profiles[0].default is Action.ALLOW:  # whom only some deny is allowed by the others
        found = {key: rules for key, rules in found.items() if len(rules) >= len(profiles)}
    return [_agreed(name, rules) for (name, _), rules in found.items()]


def _agreed(name: str, rules: Sequence[Rule]) -> Rule:
    answers = sorted({_default(rule.action, rule.errno) for rule in rules})
    if len(answers) > 1:
        raise UsageError(f"{name}: they answer it differently, with {' and '.join(answers)}: decide first which")
    return replace(rules[0], names=(name,))
