"""Seccomp profiles as JSON: what Docker, Podman, containerd and Kubernetes take.

Written is the OCI runtime specification's form, which all of them read. Read is Docker's as well, with its map of
architectures and its conditions on capabilities, architectures and kernels.
"""

from __future__ import annotations

import difflib
import json
import platform
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from eunomia.errors import UsageError
from eunomia.privileges.profile import Action, Comparison, Operator, Profile, Rule
from eunomia.privileges.runtime_default import CAPABILITIES
from eunomia.schema.syscalls import NAMES

_GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_NATIVE = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}
_ALIASES = {"SCMP_ACT_KILL": Action.KILL_THREAD}
_KNOWN = {
    *("defaultAction", "defaultErrnoRet", "architectures", "archMap", "syscalls"),
    *("flags", "listenerPath", "listenerMetadata"),
}
_WITHOUT_EFFECT = ("flags", "listenerPath", "listenerMetadata")
_RULE_KEYS = {"name", "names", "action", "errnoRet", "args", "comment", "includes", "excludes"}
_ARGUMENT_KEYS = {"index", "value", "valueTwo", "op"}
_CONDITION_KEYS = {"caps", "arches", "minKernel"}
_U64 = (1 << 64) - 1
_KERNEL = re.compile(r"(\d+)\.(\d+)")
_E = TypeVar("_E", bound=StrEnum)


@dataclass(frozen=True)
class Surroundings:
    """Where a profile is to hold: Docker's conditions are decided by it.

    Attributes:
        machine: as `platform.machine()` has it.
        kernel: its version, the first two numbers; None fits every condition.
        capabilities: those of the container.
    """

    machine: str = field(default_factory=platform.machine)
    kernel: tuple[int, int] | None = None
    capabilities: frozenset[str] = CAPABILITIES


@dataclass(frozen=True)
class Reading:
    """What was read.

    Attributes:
        profile: as it holds in the surroundings.
        notes: what is odd about the file, a sentence each.
    """

    profile: Profile
    notes: tuple[str, ...]


def write(profile: Profile) -> str:
    """A profile as JSON."""
    document: dict[str, Any] = {"defaultAction": profile.default.value}
    if profile.errno is not None:
        document["defaultErrnoRet"] = profile.errno
    document["architectures"] = list(profile.architectures)
    document["syscalls"] = [_rule(rule) for rule in profile.rules]
    return json.dumps(document, indent=2) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    written: dict[str, Any] = {"names": list(rule.names), "action": rule.action.value}
    if rule.errno is not None:
        written["errnoRet"] = rule.errno
    if rule.arguments:
        written["args"] = [
            {"index": one.index, "value": one.value, "valueTwo": one.value_two, "op": one.operator.value}
            for one in rule.arguments
        ]
    if rule.comment:
        written["comment"] = rule.comment
    return written


def read(text: str, surroundings: Surroundings | None = None) -> Reading:
    """A profile from JSON.

    Raises:
        UsageError: it is none; the text says where and why.
    """
    return _Reader(surroundings or Surroundings()).read(text)


class _Reader:
    """Reads one document."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._here = surroundings
        self._notes: list[str] = []

    def read(self, text: str) -> Reading:
        try:
            document = json.loads(text)
        except ValueError as error:
            raise UsageError(f"it is no JSON: {error}") from error
        if not isinstance(document, dict) or "defaultAction" not in document:
            raise UsageError("it is no seccomp profile: there is no `defaultAction`")
        self._tell_unknown("the profile", document, _KNOWN)
        for key in _WITHOUT_EFFECT:
            if document.get(key):
                self._notes.append(f"`{key}` is left out: it says how a runtime puts the filter up, not what it allows")
        default = _one_of(Action, document["defaultAction"], "defaultAction")
        listed = _typed(document.get("syscalls") or [], list, "syscalls")
        rules = tuple(rule for number, one in enumerate(listed) for rule in self._rule(number, one))
        errno = _number(document.get("defaultErrnoRet"), "defaultErrnoRet", 4095)
        profile = Profile(rules, default, errno, self._architectures(document))
        self._tell_strange_names(profile)
        return Reading(profile, tuple(self._notes))

    def _tell_unknown(self, where: str, given: Mapping[str, Any], known: set[str]) -> None:
        for key in given:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"; did you mean `{near[0]}`?" if near else ""
                self._notes.append(f"{where}: `{key}` is not known and has no effect{hint}")

    def _tell_strange_names(self, profile: Profile) -> None:
        strange = sorted({name for rule in profile.rules for name in rule.names} - set(NAMES) - _ELSEWHERE)
        for name in strange:
            near = difflib.get_close_matches(name, NAMES, n=1)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            self._notes.append(f"there is no system call `{name}`: runtimes pass over it in silence{hint}")

    def _architectures(self, document: Mapping[str, Any]) -> tuple[str, ...]:
        given, mapped = document.get("architectures"), document.get("archMap")
        if given and mapped:
            raise UsageError("`architectures` and `archMap` exclude each other: leave one of them out")
        if given:
            return tuple(_typed(one, str, "architectures") for one in _typed(given, list, "architectures"))
        native = _NATIVE.get(self._here.machine)
        for one in _typed(mapped or [], list, "archMap"):
            if _typed(one, dict, "archMap").get("architecture") == native:
                return (native, *_typed(one.get("subArchitectures") or [], list, "archMap.subArchitectures"))
        return (native,) if native else ()

    def _rule(self, number: int, given: Any) -> Iterator[Rule]:
        """The rule, unless its conditions do not hold here."""
        where = f"syscalls[{number}]"
        _typed(given, dict, where)
        self._tell_unknown(where, given, _RULE_KEYS)
        names = _typed(given.get("names") or [], list, f"{where}.names") or [given.get("name")]
        if not all(isinstance(name, str) and name for name in names):
            raise UsageError(f"{where}: it has no `names`")
        action = _one_of(Action, given.get("action"), f"{where}.action")
        errno = _number(given.get("errnoRet"), f"{where}.errnoRet", 4095)
        arguments = tuple(
            self._argument(f"{where}.args[{place}]", one)
            for place, one in enumerate(_typed(given.get("args") or [], list, f"{where}.args"))
        )
        rules = [Rule(tuple(names), action, errno, arguments, str(given.get("comment") or ""))]
        if self._holds(where, given):
            yield from rules

    def _argument(self, where: str, given: Any) -> Comparison:
        _typed(given, dict, where)
        self._tell_unknown(where, given, _ARGUMENT_KEYS)
        index = _number(given.get("index"), f"{where}.index", 5)
        value = _number(given.get("value"), f"{where}.value", _U64)
        if index is None:
            raise UsageError(f"{where}: it has no `index`")
        return Comparison(
            index,
            _one_of(Operator, given.get("op"), f"{where}.op"),
            value or 0,
            _number(given.get("valueTwo"), f"{where}.valueTwo", _U64) or 0,
        )

    def _holds(self, where: str, given: Mapping[str, Any]) -> bool:
        """Whether all of what a rule includes is there, and nothing of what it excludes."""
        includes = _typed(given.get("includes") or {}, dict, f"{where}.includes")
        excludes = _typed(given.get("excludes") or {}, dict, f"{where}.excludes")
        tests: Mapping[str, Callable[[Any], bool]] = {
            "arches": lambda names: _GO_ARCHITECTURES.get(self._here.machine) in names,
            "minKernel": self._kernel_is_at_least,
        }
        capabilities = self._here.capabilities
        for key, part in (("includes", includes), ("excludes", excludes)):
            self._tell_unknown(f"{where}.{key}", part, _CONDITION_KEYS)
        return (
            capabilities.issuperset(includes.get("caps") or ())
            and capabilities.isdisjoint(excludes.get("caps") or ())
            and all(test(includes[key]) for key, test in tests.items() if includes.get(key))
            and not any(test(excludes[key]) for key, test in tests.items() if excludes.get(key))
        )

    def _kernel_is_at_least(self, version: Any) -> bool:
        found = _KERNEL.match(str(version))
        if found is None:
            raise UsageError(f"minKernel: {version!r} is no version of a kernel, such as 4.8")
        return self._here.kernel is None or self._here.kernel >= (int(found[1]), int(found[2]))


_ELSEWHERE = frozenset(
    (
        *("cacheflush", "breakpoint", "set_tls", "get_tls", "sync_file_range2", "swapcontext", "riscv_flush_icache"),
        *("riscv_hwprobe", "s390_pci_mmio_read", "s390_pci_mmio_write", "s390_runtime_instr", "s390_sthyi"),
        *("multiplexer", "rtas", "spu_create", "spu_run", "subpage_prot", "switch_endian", "usr26", "usr32"),
        "sysmips",
    )
)
"""Calls of machines that we know no numbers of, and of arm's own."""


def _typed(value: Any, kind: type, where: str) -> Any:
    if not isinstance(value, kind):
        names = {"list": "a list", "dict": "an object", "str": "a text"}
        raise UsageError(f"{where}: {names[kind.__name__]} is expected, not {json.dumps(value)[:40]}")
    return value


def _number(value: Any, where: str, most: int) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise UsageError(f"{where}: a whole number from 0 to {most} is expected, not {json.dumps(value)[:40]}")
    return value


def _one_of(kind: type[_E], value: Any, where: str) -> _E:
    if kind is Action and value in _ALIASES:
        return kind(_ALIASES[value])
    try:
        return kind(value)
    except ValueError:
        choices = [one.value for one in kind]
        near = difflib.get_close_matches(str(value), choices, n=2)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(choices)}"
        raise UsageError(f"{where}: {value!r}: {hint}") from None
