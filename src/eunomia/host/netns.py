"""The addresses of a network namespace, read through a process that is in it."""

from __future__ import annotations

import ipaddress

from eunomia.host.roots import Roots

_GLOBAL_SCOPE = "00"  # IPV6_ADDR_ANY in the scope column of if_inet6: not of the link, not of the host


def addresses(roots: Roots, pid: int) -> tuple[str, ...]:
    """The addresses that others can reach a process by, IPv4 first; none when it is gone or may not be looked at.

    Loopback and link-local addresses are left out: every namespace has the same ones. /proc/PID/net is the network
    namespace of PID (proc_pid_net(5)), so that nothing has to be entered.
    """
    net = roots.proc / str(pid) / "net"
    found: list[str] = []
    try:
        found += _local_v4((net / "fib_trie").read_text())
        found += _global_v6((net / "if_inet6").read_text())
    except (FileNotFoundError, ProcessLookupError, PermissionError, OSError):
        pass  # gone meanwhile (EINVAL too, for a zombie); if_inet6 is missing where IPv6 is switched off
    return tuple(found)


def _local_v4(trie: str) -> list[str]:
    """The leaves of the routing trie that are addresses of its own: `|-- 10.0.0.2`, then `/32 host LOCAL`."""
    found: dict[str, None] = {}
    leaf = ""
    for line in trie.splitlines():
        text = line.strip()
        if text.startswith("|-- "):
            leaf = text[4:]
        elif text == "/32 host LOCAL" and not leaf.startswith("127."):
            found[leaf] = None  # once in the main table, once in the local one
    return list(found)


def _global_v6(table: str) -> list[str]:
    """Lines are: address in 32 digits, interface number, prefix length, scope, flags, interface name."""
    rows = (line.split() for line in table.splitlines())
    return [str(ipaddress.IPv6Address(int(row[0], 16))) for row in rows if row[3] == _GLOBAL_SCOPE]
