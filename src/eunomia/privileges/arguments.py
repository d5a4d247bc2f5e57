"""Arguments of system calls that a profile can be strict about: how they compare, and what their values are called."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass

from eunomia.privileges.profile import Comparison, Operator
from eunomia.privileges.runtime_default import NAMESPACE_FLAGS

_CLONE_NEWTIME = 0x80
_INT = (1 << 32) - 1
_ALL = (1 << 64) - 1


@dataclass(frozen=True)
class Argument:
    """An argument.

    Attributes:
        mask: the bits that matter; an int has 32, whatever else the register holds, and of flags some are harmless.
        what: what a value of it is, in a word.
    """

    mask: int
    what: str

    def comparison(self, index: int, value: int) -> Comparison:
        """The test for a value that has been through the mask."""
        if self.mask == _ALL:
            return Comparison(index, Operator.EQ, value)
        return Comparison(index, Operator.MASKED_EQ, self.mask, value)


_KNOWN = {
    ("socket", 0): Argument(_INT, "family"),
    ("socketpair", 0): Argument(_INT, "family"),
    ("socket", 1): Argument(_INT, "type"),
    ("socket", 2): Argument(_INT, "protocol"),
    ("clone", 0): Argument(NAMESPACE_FLAGS, "namespaces"),
    ("unshare", 0): Argument(NAMESPACE_FLAGS | _CLONE_NEWTIME, "namespaces"),
    ("setns", 1): Argument(_INT, "namespaces"),
    ("prctl", 0): Argument(_INT, "option"),
    ("arch_prctl", 0): Argument(_INT, "option"),
    ("ioctl", 1): Argument(_INT, "request"),
    ("fcntl", 1): Argument(_INT, "command"),
    ("personality", 0): Argument(_INT, "persona"),
    ("ptrace", 0): Argument(_ALL, "request"),
    ("bpf", 0): Argument(_INT, "command"),
    ("keyctl", 0): Argument(_INT, "operation"),
    ("seccomp", 0): Argument(_INT, "operation"),
}
_BEHIND_POINTERS = frozenset({("clone3", 0), ("openat2", 2)})
_OTHER = Argument(_ALL, "argument")


def argument(name: str, index: int) -> Argument | None:
    """An argument of a call; None of one that lies in memory, where no filter can see it."""
    return None if (name, index) in _BEHIND_POINTERS else _KNOWN.get((name, index), _OTHER)


def masked(name: str, index: int, values: Iterable[int]) -> frozenset[int]:
    """Values as the filter compares them."""
    known = argument(name, index) or _OTHER
    return frozenset(value & known.mask for value in values)


def family_name(value: int) -> str | None:
    """AF_INET and the like; None for a family that has no name here."""
    try:
        return socket.AddressFamily(value).name
    except ValueError:
        return None


def described(name: str, index: int, value: int) -> str:
    """A value for a person."""
    known = argument(name, index) or _OTHER
    if known.what == "family":
        return family_name(value) or f"family {value}"
    if known.what == "namespaces" and value == 0:
        return "no new namespaces"
    return f"{known.what} {value:#x}" if value > 9 else f"{known.what} {value}"
