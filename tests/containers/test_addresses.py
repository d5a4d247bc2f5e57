"""Which container has an address: made-up containers on a clock turned by hand; real ones are in test_bridge.py."""

from __future__ import annotations

import polars as pl
import pytest

from eunomia.containers.addresses import Addresses
from eunomia.containers.container import Container
from eunomia.containers.registry import Containers
from tests.containers.runtime import A, B, C, Clock, LateNames, path


class Net:
    """Containers with addresses that a test sets."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.names = LateNames()
        self.of: dict[str, tuple[str, ...] | None] = {}
        self.reads: list[str] = []
        addresses = Addresses(self._read, self.clock)
        self.containers = Containers(self.names, lambda _id: None, self.clock, addresses=addresses)

    def _read(self, container: Container) -> tuple[str, ...] | None:
        self.reads.append(container.id)
        return self.of.get(container.id)

    def who(self, address: str) -> str | None:
        """The id of the container that has it."""
        found = self.containers.by_address(address)
        return None if found is None else found.id


@pytest.fixture
def net() -> Net:
    return Net()


def test_one(net: Net) -> None:
    net.containers.add(7, path(A))
    net.of[A] = ("10.0.0.2", "fd00::2")
    assert [net.who(one) for one in ("10.0.0.2", "fd00::2", "::ffff:10.0.0.2", "10.0.0.3")] == [A, A, A, None]
    assert net.reads == [A], "once it is known it is not read again"


def test_nothing_is_read_until_somebody_asks(net: Net) -> None:
    for number, one in enumerate((A, B, C)):
        net.containers.add(number, path(one))
    assert net.reads == []


def test_one_that_gets_its_address_late(net: Net) -> None:
    net.containers.add(7, path(A))
    assert net.who("10.0.0.2") is None
    net.of[A] = ("10.0.0.2",)
    assert net.who("10.0.0.2") is None, "not read again at once, whoever asks"
    net.clock.now_s += 0.2
    assert net.who("10.0.0.2") == A


def test_one_without_any_is_given_up(net: Net) -> None:
    net.containers.add(7, path(A))
    for _ in range(1000):
        net.clock.now_s += 0.025
        net.who("10.0.0.2")
    assert len(net.reads) <= 10


def test_one_that_got_another_network_later(net: Net) -> None:
    net.containers.add(7, path(A))
    net.of[A] = ("10.0.0.2",)
    assert net.who("10.0.0.2") == A
    net.of[A] = ("10.0.0.2", "10.1.0.2")
    net.clock.now_s += 31
    assert net.who("10.1.0.2") == A


def test_an_address_goes_to_the_next(net: Net) -> None:
    net.containers.add(7, path(A))
    net.of[A] = net.of[B] = ("10.0.0.2",)
    assert net.who("10.0.0.2") == A
    net.containers.remove(7)
    assert net.who("10.0.0.2") == A, "events of it are still under way"
    net.containers.add(8, path(B))
    assert net.who("10.0.0.2") == B
    net.clock.now_s += 1000
    net.containers.add(9, "/user.slice")
    net.containers.remove(9)
    assert net.containers.by_id(A) is None
    assert net.who("10.0.0.2") == B


def test_the_first_of_several_in_one_namespace(net: Net) -> None:
    for number, one in enumerate((B, A)):
        net.containers.add(number, path(one))
        net.of[one] = ("10.0.0.2",)
    assert net.who("10.0.0.2") == B


def test_what_the_runtime_says_where_nothing_can_be_read(net: Net) -> None:
    container = net.containers.add(7, path(A))
    assert container is not None
    net.names.say(A, "web", addresses=("10.0.0.2",))
    net.containers.take_answers()
    assert net.who("10.0.0.2") == A


def test_a_column(net: Net) -> None:
    net.containers.add(7, path(A))
    net.containers.add(8, path(B))
    net.of.update({A: ("10.0.0.2",), B: ("10.0.0.3",)})
    net.names.say(A, "web")
    net.containers.take_answers()
    column = pl.Series("daddr", ["10.0.0.2", None, "10.0.0.3", "1.1.1.1", "10.0.0.2"])
    assert net.containers.names_by_address(column).to_list() == ["web", None, B[:12], None, "web"]
    strangers = net.containers.names_by_address(pl.Series("daddr", ["1.1.1.1", None]))
    assert strangers.dtype == pl.String
    assert strangers.to_list() == [None, None]
    assert net.containers.names_by_address(pl.Series("daddr", [], dtype=pl.String)).to_list() == []
