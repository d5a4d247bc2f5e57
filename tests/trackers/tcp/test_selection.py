"""Ports and addresses as people write them."""

from __future__ import annotations

import struct

import pytest

from eunomia.errors import UsageError
from eunomia.kernel.paths import object_file
from eunomia.kernel.spec import ObjectSpec
from eunomia.trackers import registry
from eunomia.trackers.tcp import selection


@pytest.mark.parametrize(("text", "ends"), [("443", (443, 443)), ("8000-8999", (8000, 8999)), ("1-65535", (1, 65535))])
def test_ports(text: str, ends: tuple[int, int]) -> None:
    assert selection.port(text) == ends


@pytest.mark.parametrize("text", ["0", "65536", "http", "-1", "9-8", "80-", "1-2-3", "８０", "1" * 5000])
def test_no_ports(text: str) -> None:
    with pytest.raises(UsageError, match="option port: "):
        registry.get("tcp").settle({"port": (text,)})


@pytest.mark.parametrize(
    "text", ["", "10.0.0.0/33", "10.0.0", "example.com", "::/129", "10.0.0.1:80", "fe80::1%eth0/64"]
)
def test_no_networks(text: str) -> None:
    with pytest.raises(ValueError, match="an address or a network is expected"):
        selection.network(text)


def test_networks() -> None:
    prefix = bytes(10) + b"\xff\xff"
    assert selection.network("10.1.2.3/8") == (prefix + bytes([10, 0, 0, 0]), b"\xff" * 13 + bytes(3))
    assert selection.network("10.1.2.3") == (prefix + bytes([10, 1, 2, 3]), b"\xff" * 16)
    assert selection.network("2001:db8::/32") == (b"\x20\x01\x0d\xb8" + bytes(12), b"\xff" * 4 + bytes(12))


def test_constants_fit_the_program() -> None:
    tracker = registry.get("tcp")
    constants = tracker.constants(tracker.settle({"port": ("80", "443,8000-8010"), "addr": "::1"}))
    spec = ObjectSpec.read(object_file(registry.folder("tcp"), "tcp"))
    for name in ("ports", "networks"):
        value = constants[name]
        assert isinstance(value, bytes)
        assert len(value) == spec.constants[name].size
    assert (constants["port_ranges"], constants["network_count"]) == (3, 1)
    assert isinstance(constants["ports"], bytes)
    assert struct.unpack_from("<6H", constants["ports"]) == (80, 80, 443, 443, 8000, 8010)


def test_more_than_the_program_has_room_for() -> None:
    with pytest.raises(UsageError, match="at most 32"):
        selection.ports([str(port) for port in range(1, 34)])
