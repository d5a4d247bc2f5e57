"""Which connections are asked for by port and address: from options to the program's constants."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, ip_network

from eunomia.errors import UsageError
from eunomia.schema.address import MAPPED

_MOST = 32  # MOST_RANGES in pair.bpf.h
_RANGE = struct.Struct("<HH")
_NETWORK = struct.Struct("<16s16s")

_HIGHEST = 65535


def port(text: str) -> tuple[int, int]:
    """The lowest and the highest of `PORT` or `FROM-TO`.

    Raises:
        ValueError: it is neither.
    """
    low, dash, high = text.partition("-")
    ends = (low, high) if dash else (low, low)
    if not all(end.isascii() and end.isdecimal() and len(end) <= len(str(_HIGHEST)) for end in ends):
        raise ValueError("a port is a number such as 443, or two with a dash for all from one to the other")
    first, last = int(ends[0]), int(ends[1])
    if not 0 < first <= last <= _HIGHEST:
        raise ValueError(f"ports are from 1 to {_HIGHEST}" if first <= last else "the lower port comes first")
    return first, last


def network(text: str) -> tuple[bytes, bytes]:
    """Address and mask, 16 bytes each, of an IPv4 or IPv6 address or network (`10.0.0.0/8`).

    Raises:
        ValueError: it is none.
    """
    try:
        found = ip_network(text.replace("%", " "), strict=False)  # sockets' addresses have no zone
    except ValueError:
        raise ValueError(
            "an address or a network is expected, such as 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32"
        ) from None
    if isinstance(found, IPv4Network):
        return MAPPED + found.network_address.packed, b"\xff" * len(MAPPED) + found.netmask.packed
    return found.network_address.packed, found.netmask.packed


def _listed(option: str, items: Sequence[bytes], size: int) -> bytes:
    if len(items) > _MOST:
        raise UsageError(f"option {option}: {len(items)} values; at most {_MOST} can be given")
    return b"".join(items).ljust(_MOST * size, b"\0")


def ports(texts: Sequence[str]) -> Mapping[str, int | bytes]:
    """The constants that let these ports pass, or any when there are none."""
    ranges = [_RANGE.pack(*port(text)) for text in texts]
    return {"port_ranges": len(ranges), "ports": _listed("port", ranges, _RANGE.size)}


def networks(texts: Sequence[str]) -> Mapping[str, int | bytes]:
    """The constants that let these addresses pass, or any when there are none."""
    pairs = [_NETWORK.pack(*network(text)) for text in texts]
    return {"network_count": len(pairs), "networks": _listed("addr", pairs, _NETWORK.size)}
