"""A policy as the kernel's programs look it up: keys and values of their maps, and their constants."""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntFlag

from eunomia.errors import UsageError
from eunomia.privileges.policy import FAMILIES, MEMORY, Answer, Listing, Policy
from eunomia.schema.capabilities import NAMES

MOST_PEERS = 128  # peers.bpf.h
_KEY_BYTES = 256
_ALL = (1 << 64) - 1
_IPV4 = 96  # bits in front of an IPv4 address that is mapped into IPv6
_PEER = struct.Struct("=16s16sHHI")
_ENTRY = re.compile(
    r"(?P<address>\*|\[[^\]]*\]|[^:\[\]/]+)(?P<length>/\d{1,3})?(?::(?P<low>\d{1,5})(?:-(?P<high>\d{1,5}))?)?"
)


class Verdict(IntFlag):
    """`enum verdict` in judged.bpf.h."""

    ALLOWED = 1
    DENIED = 2
    STAYS = 4
    """There is something denied below, which must not be moved away with it."""


@dataclass(frozen=True)
class Peer:
    """Others that may be reached, or not.

    Attributes:
        address, bits: the network, an IPv4 one mapped into IPv6, and how many bits of it count.
        low, high: ports.
        allowed: whether they may.
    """

    address: bytes
    bits: int
    low: int
    high: int
    allowed: bool

    @property
    def rank(self) -> tuple[int, int, bool]:
        """Sorts the most particular to the front; of two that are alike, what denies."""
        return (-self.bits, self.high - self.low, self.allowed)

    def packed(self) -> bytes:
        """`struct peer` in peers.bpf.h."""
        mask = (_mask(self.bits)).to_bytes(16, "big")
        return _PEER.pack(self.address, mask, self.low, self.high, self.allowed)


def _mask(bits: int) -> int:
    return (1 << 128) - (1 << (128 - bits))


def parse_peer(text: str, *, allowed: bool) -> Peer:
    """An entry: `10.0.0.0/8`, `192.0.2.1:443`, `[2001:db8::]/32:8000-8080`, `*:53`.

    Raises:
        ValueError: it is none.
    """
    found = _ENTRY.fullmatch(text)
    if found is None:
        raise ValueError("ADDRESS, ADDRESS/BITS, with :PORT or :PORT-PORT behind; IPv6 as [ADDRESS]; * for any")
    low = int(found["low"] or 0)
    high = int(found["high"] or found["low"] or 65535)
    if low > high or high > 65535:
        raise ValueError(f"ports go from 0 to 65535, the lower one in front: not {low}-{high}")
    if found["address"] == "*":
        if found["length"]:
            raise ValueError("* stands for any address: it has no length")
        return Peer(bytes(16), 0, low, high, allowed)
    network = ipaddress.ip_network(found["address"].strip("[]") + (found["length"] or ""))
    if isinstance(network, ipaddress.IPv4Network):
        mapped = bytes(10) + b"\xff\xff" + network.network_address.packed
        return Peer(mapped, _IPV4 + network.prefixlen, low, high, allowed)
    return Peer(network.network_address.packed, network.prefixlen, low, high, allowed)


def peers(listing: Listing) -> list[Peer]:
    """All entries, the most particular first.

    Raises:
        UsageError: there are more than the kernel's program looks at.
    """
    entries = [(text, True) for text in listing.allow or ()] + [(text, False) for text in listing.deny]
    if len(entries) > MOST_PEERS:
        raise UsageError(f"connect: {len(entries)} entries, {MOST_PEERS} at most")
    return sorted((parse_peer(text, allowed=allowed) for text, allowed in entries), key=lambda one: one.rank)


def _beginning(entry: str) -> bytes:
    """What a path, with the NUL behind it, begins with when an entry fits."""
    if entry == MEMORY:
        return f"/{MEMORY}".encode()
    return entry.encode() if entry.endswith("/") else f"{entry}\0".encode()


def paths(listing: Listing) -> dict[bytes, Verdict]:
    """Beginnings of paths, each with a NUL behind it -> what the longest that fits says.

    Who denies a directory denies the directory itself as well; and those above it cannot be moved away.
    """
    found = {_beginning(one): Verdict.ALLOWED for one in listing.allow or ()}
    found |= {_beginning(one): Verdict.DENIED for one in listing.deny}
    for one in listing.deny:
        if one.endswith("/") and one != "/":
            found.setdefault(_beginning(one.rstrip("/")), Verdict.DENIED)
    for one in listing.deny:
        for above in _above(one):
            verdict = judge(found, above, others=listing.allows_others)
            if Verdict.ALLOWED in verdict:
                found[_beginning(above)] = verdict | Verdict.STAYS
    return found


def _above(entry: str) -> list[str]:
    """The directories that an entry lies in, but for the uppermost."""
    parts = entry.strip("/").split("/")[:-1]
    return ["/" + "/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def judge(entries: Mapping[bytes, Verdict], path: str, *, others: bool) -> Verdict:
    """What the kernel will find for a path."""
    whole = f"{path}\0".encode()
    fitting = [one for one in entries if whole.startswith(one)]
    if fitting:
        return entries[max(fitting, key=len)]
    return Verdict.ALLOWED if others else Verdict.DENIED


def path_key(beginning: bytes) -> bytes:
    """`struct path_key` in judged.bpf.h."""
    return struct.pack("=I", 8 * len(beginning)) + beginning.ljust(_KEY_BYTES, b"\0")


def denied_bits(listing: Listing, names: Sequence[str] | Mapping[str, int]) -> int:
    """A bit for each thing that is denied, by its number."""
    numbers = names if isinstance(names, Mapping) else {name: number for number, name in enumerate(names)}
    denied = 0 if listing.allow is None else _ALL
    for name in listing.allow or ():
        denied &= ~(1 << numbers[name])
    for name in listing.deny:
        denied |= 1 << numbers[name]
    return denied


def constants(policy: Policy) -> dict[str, int]:
    """What stands in the programs themselves."""
    return {
        "denies": policy.answer is Answer.DENY,
        "exec_allowed": policy.exec.allows_others,
        "write_allowed": policy.write.allows_others,
        "peer_count": len(peers(policy.connect)),
        "peers_allowed": policy.connect.allows_others,
        "denied_families": denied_bits(policy.sockets, FAMILIES),
        "denied_capabilities": denied_bits(policy.capabilities, NAMES),
    }
