"""A seccomp profile, as runtimes mean it: which system calls are allowed, and what becomes of the others."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What becomes of a call, by the names of libseccomp and of the OCI runtime specification."""

    ALLOW = "SCMP_ACT_ALLOW"
    LOG = "SCMP_ACT_LOG"
    ERRNO = "SCMP_ACT_ERRNO"
    TRACE = "SCMP_ACT_TRACE"
    TRAP = "SCMP_ACT_TRAP"
    NOTIFY = "SCMP_ACT_NOTIFY"
    KILL_THREAD = "SCMP_ACT_KILL_THREAD"
    KILL_PROCESS = "SCMP_ACT_KILL_PROCESS"


class Operator(StrEnum):
    """How an argument is compared."""

    NE = "SCMP_CMP_NE"
    LT = "SCMP_CMP_LT"
    LE = "SCMP_CMP_LE"
    EQ = "SCMP_CMP_EQ"
    GE = "SCMP_CMP_GE"
    GT = "SCMP_CMP_GT"
    MASKED_EQ = "SCMP_CMP_MASKED_EQ"


@dataclass(frozen=True)
class Comparison:
    """A test of one argument, all 64 bits of it.

    Attributes:
        index: which argument, from 0.
        operator: how it is compared.
        value: with what; for MASKED_EQ the mask.
        value_two: for MASKED_EQ what the masked argument has to be.
    """

    index: int
    operator: Operator
    value: int
    value_two: int = 0


@dataclass(frozen=True)
class Rule:
    """What becomes of some calls.

    Attributes:
        names: of the calls; on every architecture of the profile that has a call of that name.
        action: what becomes of them.
        errno: for ERRNO, what they return; None for the profile's default.
        arguments: all of these must hold; several rules of one call are alternatives.
        comment: why, for a person.
    """

    names: tuple[str, ...]
    action: Action = Action.ALLOW
    errno: int | None = None
    arguments: tuple[Comparison, ...] = ()
    comment: str = ""


@dataclass(frozen=True)
class Profile:
    """A profile.

    Attributes:
        rules: in the order of the file.
        default: what becomes of calls that no rule names.
        errno: what those return, for ERRNO; None is EPERM.
        architectures: libseccomp's names (SCMP_ARCH_X86_64 …); calls by other entries are as a runtime treats them: the
            process is killed.
    """

    rules: tuple[Rule, ...]
    default: Action = Action.ERRNO
    errno: int | None = None
    architectures: tuple[str, ...] = ()

    @property
    def allowed(self) -> frozenset[str]:
        """The calls that are allowed, with whatever arguments."""
        return frozenset(name for rule in self.rules if rule.action is Action.ALLOW for name in rule.names)
