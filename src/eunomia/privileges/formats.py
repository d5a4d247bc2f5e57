"""Profiles in other forms than OCI's JSON: a plain list, for Kubernetes, for systemd."""

from __future__ import annotations

import difflib
import errno
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

from eunomia.errors import UsageError
from eunomia.privileges import oci
from eunomia.privileges.arguments import family_name
from eunomia.privileges.least import NO_CLONE3
from eunomia.privileges.profile import Action, Operator, Profile, Rule
from eunomia.schema.syscalls import NAMES

FORMATS = ("oci", "list", "k8s", "systemd")
ENDINGS = {".json": "oci", ".txt": "list", ".yaml": "k8s", ".yml": "k8s", ".conf": "systemd"}
"""What a file's ending says of its format."""


def format_of(file: Path | None) -> str:
    """What a file's ending says; OCI's JSON where it says nothing."""
    return ENDINGS.get(file.suffix.lower() if file else "", "oci")


_WIDTH = 110
_SYSTEMD_ARCHITECTURES = {
    "SCMP_ARCH_X86": "x86",
    "SCMP_ARCH_X32": "x32",
    "SCMP_ARCH_ARM": "arm",
    "SCMP_ARCH_X86_64": "x86-64",
    "SCMP_ARCH_AARCH64": "arm64",
}
_KILLS = (Action.KILL_PROCESS, Action.KILL_THREAD)
_PERMISSIVE = (Action.ALLOW, Action.LOG, Action.TRACE, Action.NOTIFY)


def write(profile: Profile, fmt: str, name: str = "profile") -> str:
    """A profile in one of `FORMATS`; for Kubernetes two documents in one text.

    Args:
        name: what the profile is called, where it is referred to.

    Raises:
        UsageError: the format cannot say what the profile says.
    """
    if fmt == "oci":
        return oci.write(profile)
    if fmt == "list":
        return write_list(profile)
    if fmt == "systemd":
        return write_systemd(profile)
    return f"{security_context(name)}---\n{oci.write(profile)}"


def write_list(profile: Profile) -> str:
    """Names, one a line, sorted; behind a name why it is there, unless it was simply seen.

    Raises:
        UsageError: the profile does not deny what it does not name.
    """
    if profile.default in _PERMISSIVE:
        raise UsageError(f"a list cannot say what has a default of {profile.default.value}: the rest is denied")
    comments: dict[str, str] = {}
    for rule in _allowing(profile):
        for name in rule.names:
            comments.setdefault(name, "" if rule.arguments or rule.comment.startswith("seen") else rule.comment)
    head = f"# {len(comments)} system calls; one a line, the rest is denied\n"
    return head + "".join(f"{name}  # {why}\n" if why else f"{name}\n" for name, why in sorted(comments.items()))


def read_list(text: str) -> Profile:
    """A profile from a list of names; `clone` without `clone3` means that C libraries are to go on with the former.

    Raises:
        UsageError: a line is no name of a call.
    """
    names: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        name = line.partition("#")[0].strip()
        if not name:
            continue
        if name not in NAMES:
            near = difflib.get_close_matches(name, NAMES, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "a line holds the name of one, or a # comment"
            raise UsageError(f"line {number}: there is no system call {name!r}; {hint}")
        names.append(name)
    if not names:
        raise UsageError("there is no system call in it: a line holds the name of one")
    native = oci.read('{"defaultAction": "SCMP_ACT_ERRNO"}').profile
    hidden = (NO_CLONE3,) if "clone" in names and "clone3" not in names else ()
    return Profile((Rule(tuple(sorted(set(names)))), *hidden), architectures=native.architectures)


def security_context(name: str) -> str:
    """What refers to a profile in the specification of a pod or of a container in it."""
    return textwrap.dedent(f"""\
        # Goes into the specification of the pod, or of one container in it. The profile has to be on every node as
        # /var/lib/kubelet/seccomp/profiles/{name}.json
        securityContext:
          seccompProfile:
            type: Localhost
            localhostProfile: profiles/{name}.json
        """)


def write_systemd(profile: Profile) -> str:
    """A drop-in for a unit.

    Raises:
        UsageError: the default is nothing that systemd has.
    """
    default = _systemd_default(profile)
    others = [_SYSTEMD_ARCHITECTURES[one] for one in profile.architectures[1:] if one in _SYSTEMD_ARCHITECTURES]
    lines = [
        "# Goes to /etc/systemd/system/UNIT.service.d/seccomp.conf; then `systemctl daemon-reload`.",
        "[Service]",
        f"SystemCallArchitectures={' '.join(('native', *others))}",
        *(f"SystemCallFilter={part}" for part in textwrap.wrap(" ".join(sorted(profile.allowed)), _WIDTH)),
        *_refused(profile),
        f"SystemCallErrorNumber={default}",
        *_families(profile),
    ]
    return "\n".join(lines) + "\n"


def _systemd_default(profile: Profile) -> str:
    if profile.default in _KILLS:
        return "kill"
    if profile.default is not Action.ERRNO or profile.errno == 0:
        raise UsageError(f"systemd cannot make a default of {profile.default.value}: it denies or kills")
    return _error(profile.errno)


def _error(number: int | None) -> str:
    return errno.errorcode.get(errno.EPERM if number is None else number, str(number))


def _refused(profile: Profile) -> Iterator[str]:
    """Calls that fail with an error of their own, each a line after those that allow."""
    found = {
        name: _error(rule.errno)
        for rule in profile.rules
        if rule.action is Action.ERRNO and rule.errno is not None and not rule.arguments
        for name in rule.names
        if name not in profile.allowed
    }
    if found:
        yield "# An error of its own beside a list of what is allowed takes systemd 248; before, it is the one below."
    yield from (f"SystemCallFilter=~{name}:{error}" for name, error in sorted(found.items()))


def _families(profile: Profile) -> Iterator[str]:
    """The one binding of arguments that systemd knows by a name of its own and that profiles here have."""
    rules = [rule for rule in _allowing(profile) if "socket" in rule.names]
    values: list[int] = []
    for rule in rules:
        found = [
            one.value_two if one.operator is Operator.MASKED_EQ else one.value
            for one in rule.arguments
            if one.index == 0 and one.operator in (Operator.EQ, Operator.MASKED_EQ)
        ]
        if not found:
            return
        values += found
    names = [family_name(value) for value in sorted(set(values))]
    if names and None not in names:
        yield f"RestrictAddressFamilies={' '.join(filter(None, names))}"


def _allowing(profile: Profile) -> Iterable[Rule]:
    return (rule for rule in profile.rules if rule.action is Action.ALLOW)
