"""IP addresses as people write them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

BYTES = 16
"""Of every address: IPv4 ones are mapped into IPv6 (RFC 4291, 2.5.5.2)."""
MAPPED = bytes(10) + b"\xff\xff"


def text(address: bytes) -> str:
    """One address: `10.0.0.1` for an IPv4 one, `2001:db8::1` (RFC 5952) for others."""
    if address.startswith(MAPPED):
        return ".".join(map(str, address[len(MAPPED) :]))
    from ipaddress import IPv6Address  # only where there is IPv6

    return str(IPv6Address(address))


def texts(addresses: npt.NDArray[Any]) -> pl.Series:
    """A column of them, shape (rows, BYTES). Only the different ones are written out: in a batch there are few."""
    whole = np.ascontiguousarray(addresses).view(f"S{BYTES}").ravel()  # fixed strings are what NumPy sorts quickly
    different, places = np.unique(whole, return_inverse=True)
    written = [text(one.ljust(BYTES, b"\0")) for one in different.tolist()]  # NumPy drops NULs at the end
    return pl.Series(written, dtype=pl.String).gather(places)


__all__ = ["BYTES", "MAPPED", "text", "texts"]
