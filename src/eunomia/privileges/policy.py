"""A policy for the kernel: what some processes may not do, by the names of things rather than by system calls."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum

FAMILIES = {
    name: number
    for number, name in enumerate(
        (
            *("unspec", "unix", "inet", "ax25", "ipx", "appletalk", "netrom", "bridge", "atmpvc", "x25", "inet6"),
            *("rose", "decnet", "netbeui", "security", "key", "netlink", "packet", "ash", "econet", "atmsvc", "rds"),
            *("sna", "irda", "pppox", "wanpipe", "llc", "ib", "mpls", "can", "tipc", "bluetooth", "iucv", "rxrpc"),
            *("isdn", "phonet", "ieee802154", "caif", "alg", "nfc", "vsock", "kcm", "qipcrtr", "smc", "xdp", "mctp"),
        )
    )
}
"""Address families by name: AF_… in include/linux/socket.h."""
MEMORY = "memfd:"
"""Stands for programs that lie in no directory: those of memfd_create(2)."""
PATH_BYTES = 255
"""An entry is no longer than that: LPM_DATA_SIZE_MAX in kernel/bpf/lpm_trie.c, less the byte behind it."""


class Answer(StrEnum):
    """What becomes of something that is not allowed."""

    DENY = "deny"
    """It fails with EPERM, and is told."""
    LOG = "log"
    """It is let through, and told."""


@dataclass(frozen=True)
class Listing:
    """What is allowed and what is denied of one kind of thing. Of the entries that fit the most particular counts.

    Attributes:
        allow: what is allowed; whatever no entry fits is denied then. None where it is allowed.
        deny: what is denied.
    """

    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()

    @property
    def allows_others(self) -> bool:
        """Whether what no entry fits is allowed."""
        return self.allow is None

    def __bool__(self) -> bool:
        return self.allow is not None or bool(self.deny)


@dataclass(frozen=True)
class Policy:
    """A policy.

    Attributes:
        exec: paths of programs that may be run.
        write: paths of files that may be changed, made and removed.
        connect: addresses and ports that may be connected and sent to.
        sockets: address families of sockets that may be made.
        capabilities: what of those there are may be made use of.
        mounts: whether mounts may be changed; by another mount every file has another path.
        answer: what becomes of what is not allowed.
    """

    exec: Listing = field(default_factory=Listing)
    write: Listing = field(default_factory=Listing)
    connect: Listing = field(default_factory=Listing)
    sockets: Listing = field(default_factory=Listing)
    capabilities: Listing = field(default_factory=Listing)
    mounts: bool = False
    answer: Answer = Answer.DENY

    @property
    def judges_paths(self) -> bool:
        """Whether something hangs on paths."""
        return bool(self.exec or self.write)

    @property
    def denies_mounts(self) -> bool:
        """Whether mounts stay as they are: where paths are judged, unless the policy allows it."""
        return self.judges_paths and not self.mounts

    @property
    def kinds(self) -> tuple[str, ...]:
        """What it speaks of."""
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        return tuple(name for name, value in given.items() if isinstance(value, Listing) and value)
