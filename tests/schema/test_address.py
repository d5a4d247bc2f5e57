"""Addresses as text, against Python's own."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from eunomia.schema.address import BYTES, MAPPED, texts


def _is_mapped(address: IPv4Address | IPv6Address) -> bool:
    return address.packed.startswith(MAPPED)


ADDRESSES: st.SearchStrategy[tuple[bytes, str]] = st.one_of(
    st.ip_addresses(v=4).map(lambda one: (MAPPED + one.packed, str(one))),
    st.ip_addresses(v=6).filter(lambda one: not _is_mapped(one)).map(lambda one: (one.packed, str(one))),
)


@settings(deadline=None)
@given(st.lists(ADDRESSES, max_size=20))
def test_texts(known: list[tuple[bytes, str]]) -> None:
    packed = np.frombuffer(b"".join(one for one, _ in known), np.uint8).reshape(len(known), BYTES)
    assert texts(packed).to_list() == [text for _, text in known]


def test_ends_of_the_range() -> None:
    known = ["0.0.0.0", "255.255.255.255", "::", "::1", "100::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]  # noqa: S104 (not bound)
    packed = [
        MAPPED + IPv4Address(text).packed if "." in text else IPv6Address(text).packed
        for text in known
        for _ in range(2)
    ]
    rows = np.frombuffer(b"".join(packed), np.uint8).reshape(-1, BYTES)
    assert texts(rows).to_list() == [text for text in known for _ in range(2)]
