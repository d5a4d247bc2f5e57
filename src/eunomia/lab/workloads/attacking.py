"""Which of the laboratory's attacks a workload's profile stops, with nothing else in their way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from eunomia.lab.action import Action, Kind
from eunomia.lab.runner import Laboratory
from eunomia.lab.workloads.probing import DENIED, marked
from eunomia.privileges import oci
from eunomia.privileges.profile import Profile, Rule

START = Action(
    "start",
    "",
    Kind.BENIGN,
    "cat /etc/hostname | grep -q . && labtool help >/tmp/help && [ -s /tmp/help ]",
)
"""Does nothing but what every script of the laboratory does: a shell, a pipe, its own program."""
_SECCOMP = "--security-opt=seccomp="
_TRACES = (f"Unknown error {DENIED}", "Function not implemented")


def possible(laboratory: Laboratory, among: Iterable[Action]) -> list[Action]:
    """The attacks, without their disguises, that succeed on this machine when no profile is in their way."""
    attacks = [one for one in among if one.kind is Kind.ATTACK]
    done = [one.action for one in laboratory.perform(attacks) if one.done.code == 0]
    laboratory.clear()
    return done


def stopped(
    laboratory: Laboratory, attacks: Sequence[Action], profile: Profile, needed: Iterable[str], directory: Path
) -> list[Action]:
    """Those that do not succeed under a profile, or of which it denies a call.

    Args:
        needed: calls that a script's shell and programs cannot do without: they are allowed besides.
        directory: where the profile is kept meanwhile.
    """
    file = directory / "attacked.json"
    file.write_text(oci.write(marked(with_calls(profile, needed))), "utf-8")
    performed = laboratory.perform([replace(one, options=_under(one.options, file)) for one in attacks])
    laboratory.clear()
    return [
        action
        for action, one in zip(attacks, performed, strict=True)
        if one.done.code != 0 or any(trace in one.done.said for trace in _TRACES)
    ]


def with_calls(profile: Profile, names: Iterable[str]) -> Profile:
    """A profile that allows these calls besides."""
    return replace(profile, rules=(*profile.rules, Rule(tuple(sorted(names)))))


def _under(options: Iterable[str], file: Path) -> tuple[str, ...]:
    return (*(one for one in options if not one.startswith(_SECCOMP)), f"{_SECCOMP}{file}")
