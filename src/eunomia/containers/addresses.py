"""Which container has an IP address: read from the network namespaces themselves, when somebody wants to know.

A container's address is true from its first packet on, which is before its runtime tells it (Docker's lists have it
only once the container runs). Nothing is read until an address is looked up that nobody is known to have.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eunomia.containers.container import Container
from eunomia.host.cgroupfs import Cgroups
from eunomia.host.netns import addresses
from eunomia.host.procfs import Procfs
from eunomia.host.roots import Roots

if TYPE_CHECKING:
    import polars as pl

_FIRST_WAIT_S = 0.05
_TRIES = 10
"""A new container's namespace is looked at anew after 0.05, 0.1, 0.2 ... s until it has an address: 50 s in all."""
_READ_ALL_S = 30.0
"""How often all are read again when an unknown address comes up: `docker network connect` tells nobody here."""
_MAPPED = "::ffff:"

Read = Callable[[Container], tuple[str, ...] | None]
"""Gives a container's addresses: none on the host's network, None when there is nothing to see yet."""


@dataclass
class _Try:
    number: int
    at_s: float


class Addresses:
    """IP addresses of containers. For one thread.

    Args:
        read: looks at a container.
        clock: monotonic seconds.
    """

    def __init__(self, read: Read = lambda _container: None, clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._by_address: dict[str, Container] = {}
        self._tries: dict[str, tuple[Container, _Try]] = {}
        self._read_all_s = clock() + _READ_ALL_S

    def watch(self, container: Container) -> None:
        """A container is there that may have addresses."""
        self._tries[container.id] = (container, _Try(0, 0.0))

    def hear(self, container: Container, said: Iterable[str]) -> None:
        """What a runtime says; the namespace itself is believed first."""
        for address in said:
            self._enter(address, container)

    def forget(self, container: Container) -> None:
        """A container is long gone."""
        self._tries.pop(container.id, None)
        for address in [one for one, owner in self._by_address.items() if owner is container]:
            del self._by_address[address]

    def get(self, address: str, running: Callable[[], Iterable[Container]] = tuple) -> Container | None:
        """Who has an address, or had it last; of several who share a namespace the one that was there first.

        Args:
            address: IPv4 or IPv6, the latter in its canonical form; `::ffff:10.0.0.1` is 10.0.0.1.
            running: all containers, for when nobody is known to have it.
        """
        if address.startswith(_MAPPED) and "." in address:
            address = address.removeprefix(_MAPPED)
        owner = self._by_address.get(address)
        if owner is None or not owner.cgroups:  # addresses of the dead are given to others
            self._look(running)
            owner = self._by_address.get(address)
        return owner

    def _look(self, running: Callable[[], Iterable[Container]]) -> None:
        now_s = self._clock()
        if now_s >= self._read_all_s:
            self._read_all_s = now_s + _READ_ALL_S
            for container in running():
                if container.cgroups:
                    self._tries.setdefault(container.id, (container, _Try(_TRIES - 1, 0.0)))
        for container, attempt in [one for one in self._tries.values() if one[1].at_s <= now_s]:
            self._try(container, attempt, now_s)

    def _try(self, container: Container, attempt: _Try, now_s: float) -> None:
        found = self._read(container)
        attempt.number += 1
        attempt.at_s = now_s + _FIRST_WAIT_S * 2**attempt.number
        if found is not None or attempt.number >= _TRIES:
            del self._tries[container.id]
        for address in found or ():
            self._enter(address, container)

    def _enter(self, address: str, container: Container) -> None:
        owner = self._by_address.get(address)
        if owner is None or not owner.cgroups:
            self._by_address[address] = container


def reader(cgroups: Cgroups, roots: Roots) -> Read:
    """Looks at containers through /proc."""
    procfs = Procfs(roots)
    host = procfs.host_namespace("net")

    def read(container: Container) -> tuple[str, ...] | None:
        paths = (cgroups.path(one) for one in sorted(container.cgroups))
        pid = next((pid for path in paths if path is not None for pid in cgroups.pids(path)), None)
        if pid is None:
            return None
        if host is not None and procfs.namespace(pid, "net") == host:
            # runc's own first process is here for a moment, before it has a namespace of its own.
            return None
        return addresses(roots, pid) or None

    return read


def owners(column: pl.Series, get: Callable[[str], Container | None]) -> pl.Series:
    """The names of those who have the addresses of a column, by id where they have no name; null for strangers."""
    import polars as pl

    found = {address: get(address) for address in column.drop_nulls().unique().to_list()}
    names = {address: one.name or one.short_id for address, one in found.items() if one is not None}
    return (
        column.replace_strict(names, default=None, return_dtype=pl.String)
        if names
        else pl.Series(column.name, [None] * len(column), dtype=pl.String)
    )
