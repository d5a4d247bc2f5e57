"""Which of the laboratory's attacks a workload's profile stops, with nothing else in their way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from eunomia.config import FilterConfig
from eunomia.lab.action import Action, Kind
from eunomia.lab.labtool import LabError
from eunomia.lab.runner import Laboratory
from eunomia.lab.workloads.probing import DENIED, marked
from eunomia.observing import Observer
from eunomia.pipeline.handler import Handler
from eunomia.privileges import oci
from eunomia.privileges.activity import RUNTIME_COMMS
from eunomia.privileges.deciding import depends_on_arguments
from eunomia.privileges.profile import Profile, Rule
from eunomia.privileges.usage import Call
from eunomia.schema.batch import Batch

START = Action(
    "start",
    "",
    Kind.BENIGN,
    "cat /etc/hostname | grep -q . && labtool help >/tmp/help && [ -s /tmp/help ]",
)
"""Does nothing but what every script of the laboratory does: a shell, a pipe, its own program."""
_SECCOMP = "--security-opt=seccomp="
_TRACES = (f"Unknown error {DENIED}", "Function not implemented")
_NATIVE = "native"
_NOTHING: frozenset[Call] = frozenset()


@dataclass(frozen=True)
class Attack:
    """An attack that succeeds here when no profile is in its way.

    Attributes:
        action: it.
        calls: what it called then, refused or not.
    """

    action: Action
    calls: frozenset[Call]

    def can_be_denied(self, profile: Profile) -> bool:
        """Whether a profile may deny it anything: else it does under the profile what it did without, call for call."""
        free = profile.allowed - depends_on_arguments(profile)
        return not self.calls or any(call.abi != _NATIVE or call.name not in free for call in self.calls)


def possible(
    laboratory: Laboratory, docker_host: str | None, among: Iterable[Action]
) -> tuple[list[Attack], frozenset[str]]:
    """The attacks, without their disguises, that succeed on this machine; and the calls that every script needs.

    Raises:
        LabError: not even a script that does nothing comes to its end.
    """
    chosen = [START, *(one for one in among if one.kind is Kind.ATTACK)]
    returned = _Calls()
    watch = FilterConfig(containers=tuple(laboratory.container(one) for one in chosen), wait=True)
    with Observer(watch, ("usage", "syscall"), docker_host=docker_host, beside=lambda *_: returned) as observer:
        start, *performed = laboratory.perform(chosen)
        laboratory.clear()
        observer.stop()
    if start.done.code != 0:
        raise LabError(f"a script of the laboratory does not even start: {start.done.said}")
    needed = {usage.subject: usage.needed for usage in observer.usages()}
    made = returned.made()
    attacks = [
        Attack(one.action, needed.get(one.container, _NOTHING) | made.get(one.container, _NOTHING))
        for one in performed
        if one.done.code == 0
    ]
    return attacks, frozenset(call.name for call in needed.get(start.container, _NOTHING))


class _Calls(Handler):
    """Keeps which calls returned in each container, also those that a filter kept from being made."""

    def __init__(self) -> None:
        self._frames: list[pl.DataFrame] = []

    def handle(self, batch: Batch) -> Batch:
        """Keeps those of the tracker `syscall`."""
        if batch.source == "syscall":
            by_runtime = pl.col("comm").str.contains(RUNTIME_COMMS)
            named = (pl.col(name).cast(pl.String) for name in ("container_name", "syscall", "abi"))
            self._frames.append(batch.frame.filter(~by_runtime).select(*named, "nr").unique())
        return batch

    def made(self) -> dict[str, frozenset[Call]]:
        """Container -> calls; but for those of the runtime, most of which it makes before there is a filter."""
        found: dict[str, set[Call]] = defaultdict(set)
        for container, name, abi, number in pl.concat(self._frames).unique().iter_rows():
            if container is not None:
                found[container].add(Call(name or f"#{number}", abi))
        return {container: frozenset(calls) for container, calls in found.items()}


def stopped(
    laboratory: Laboratory, attacks: Sequence[Attack], profile: Profile, needed: Iterable[str], directory: Path
) -> list[Action]:
    """Those that do not succeed under a profile, or of which it denies a call.

    Args:
        needed: calls that a script's shell and programs cannot do without: they are allowed besides.
        directory: where the profile is kept meanwhile.
    """
    widened = with_calls(profile, needed)
    file = directory / "attacked.json"
    file.write_text(oci.write(marked(widened)), "utf-8")
    tried = [one.action for one in attacks if one.can_be_denied(widened)]
    performed = laboratory.perform([replace(one, options=_under(one.options, file)) for one in tried])
    laboratory.clear()
    return [
        action
        for action, one in zip(tried, performed, strict=True)
        if one.done.code != 0 or any(trace in one.done.said for trace in _TRACES)
    ]


def with_calls(profile: Profile, names: Iterable[str]) -> Profile:
    """A profile that allows these calls besides."""
    return replace(profile, rules=(*profile.rules, Rule(tuple(sorted(names)))))


def _under(options: Iterable[str], file: Path) -> tuple[str, ...]:
    return (*(one for one in options if not one.startswith(_SECCOMP)), f"{_SECCOMP}{file}")
