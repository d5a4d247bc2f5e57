"""The least profile for a usage: what was seen, and the margin asked for, each rule with its reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import product
from math import prod

from eunomia.privileges.arguments import argument, described, masked
from eunomia.privileges.margin import Margin, added
from eunomia.privileges.profile import Action, Profile, Rule
from eunomia.privileges.usage import Call, Phase, Usage

ARCHITECTURES: Mapping[str, Mapping[str, str]] = {
    "x86_64": {"native": "SCMP_ARCH_X86_64", "compat32": "SCMP_ARCH_X86", "x32": "SCMP_ARCH_X32"},
    "aarch64": {"native": "SCMP_ARCH_AARCH64", "compat32": "SCMP_ARCH_ARM"},
}
"""Machine -> entry -> libseccomp's name of it."""
_ALTERNATIVES = 64
"""A call with more combinations of arguments is bound by its first one alone, one with more values of it by none."""
_BY_WORKLOAD = "seen of the workload"
_BY_RUNTIME = "seen of the container runtime, before the program's start with the filter up"
_ENOSYS = 38
NO_CLONE3 = Rule(
    ("clone3",),
    Action.ERRNO,
    _ENOSYS,
    comment="denied as if it were not there: C libraries that try it first go on with clone, as they do under Docker's",
)
"""Docker's own profile answers like this, and a call so answered is never seen."""

Values = dict[tuple[str, int], frozenset[int]]


def profile_of(usage: Usage, margin: Margin | str = Margin.RUNTIME, arguments: bool = False) -> Profile:
    """The profile that allows what was seen to be needed, and no more than the margin adds.

    32-bit and x32 calls are allowed only where some were seen; a name then means the call of every entry that the
    profile has, for profiles cannot tell them apart.

    Args:
        margin: how much is added to what was seen.
        arguments: whether calls are bound to the arguments they were seen with, where these are known.
    """
    needed = frozenset(call for call in usage.needed if not call.name.startswith("#"))
    abis = sorted({"native", *(call.abi for call in needed)})
    needed_names = {call.name for call in needed}
    more = added(needed_names, abis, Margin(margin), usage.machine)
    seen = _bound(usage, needed) if arguments else {}
    for reason in more if arguments else ():
        for (name, index), values in reason.arguments.items():
            if (name, index) in seen or name in reason.names:
                seen[name, index] = seen.get((name, index), frozenset()) | masked(name, index, values)
    seen = {key: values for key, values in seen.items() if len(values) <= _ALTERNATIVES}
    bound = {name for name, _ in seen}
    rules = [
        *_plain(usage, needed, bound),
        *(
            Rule(names, comment=f"margin: {reason.text}")
            for reason in more
            if (names := tuple(sorted(set(reason.names) - bound)))
        ),
        *(rule for name in sorted(bound) for rule in _strict(name, seen)),
    ]
    allowed = {name for rule in rules for name in rule.names}
    if "clone" in allowed and "clone3" not in allowed:
        rules.append(NO_CLONE3)
    architectures = ARCHITECTURES[usage.machine]
    return Profile(tuple(rules), architectures=tuple(name for abi, name in architectures.items() if abi in abis))


def unnamed(usage: Usage) -> frozenset[Call]:
    """Needed calls that have no name, so that no profile can allow them."""
    return frozenset(call for call in usage.needed if call.name.startswith("#"))


def _plain(usage: Usage, needed: frozenset[Call], bound: set[str]) -> Iterator[Rule]:
    """Calls with whatever arguments."""
    workload = {call.name for call in usage.calls.get(Phase.WORKLOAD, ())}
    names = {call.name for call in needed} - bound
    for comment, chosen in ((_BY_WORKLOAD, names & workload), (_BY_RUNTIME, names - workload)):
        if chosen:
            yield Rule(tuple(sorted(chosen)), comment=comment)


def _bound(usage: Usage, needed: frozenset[Call]) -> Values:
    """The arguments whose values are known at every entry by which their call was made."""
    entries: dict[str, list[Call]] = defaultdict(list)
    for call in needed:
        entries[call.name].append(call)
    indexes = {(call.name, index) for call, index in usage.arguments if call in needed}
    return {
        (name, index): masked(name, index, (value for call in entries[name] for value in usage.arguments[call, index]))
        for name, index in indexes
        if argument(name, index) is not None and all((call, index) in usage.arguments for call in entries[name])
    }


def _strict(name: str, seen: Values) -> Iterator[Rule]:
    """Rules of a call that are alternatives: each combination of its arguments' values."""
    indexes = sorted(index for one, index in seen if one == name)
    if prod(len(seen[name, index]) for index in indexes) > _ALTERNATIVES:
        indexes = indexes[:1]
    for values in product(*(sorted(seen[name, index]) for index in indexes)):
        pairs = list(zip(indexes, values, strict=True))
        comparisons = tuple(
            known.comparison(index, value) for index, value in pairs if (known := argument(name, index)) is not None
        )
        yield Rule((name,), arguments=comparisons, comment=", ".join(described(name, *pair) for pair in pairs))
