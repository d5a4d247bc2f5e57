"""A tracker at work in the kernel: its object attached, its ring or its table read, its losses counted there."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from eunomia.host.roots import Roots
from eunomia.kernel import libbpf, maps
from eunomia.kernel.counters import Counters
from eunomia.kernel.front import FRONT, Front
from eunomia.kernel.hooks import Hook, load
from eunomia.kernel.object import BpfObject, Settings
from eunomia.kernel.relay import Relay
from eunomia.kernel.ring import Records, Ring
from eunomia.kernel.spec import ObjectSpec
from eunomia.kernel.totals import BELL, BELL_BYTES, FILLS, TABLES, TURN, Totals
from eunomia.schema.layout import Layout

_RING = "events"


class Tracing:
    """One running instance of a tracker's object.

    Args:
        spec: its parsed object.
        hooks: those that this run needs.
        settings: constants and shared maps.
        interval_s: how often what it counts becomes a batch; None when it reports events.
        relay: joins its programs to those of the run's other trackers.

    Attributes:
        layout: of what it gives.
        trials: the ways to its hooks that were refused, and those taken.
        ring, totals: where that comes from; one of them is None.
        wake_fd: readable when there is something to drain; of what is counted only when it should be drained early.
    """

    def __init__(
        self,
        spec: ObjectSpec,
        hooks: Sequence[Hook],
        settings: Settings,
        roots: Roots,
        interval_s: float | None = None,
        relay: Relay | None = None,
    ) -> None:
        self.spec = spec.outline
        self._members = {
            name: Layout(spec.btf, name).dtype for name, of in spec.maps.items() if of.type == _PER_CPU_HASH
        }
        self._relay = relay or Relay()
        self.layout = spec.event if interval_s is None else spec.total
        self.ring: Ring | None = None
        self.totals: Totals | None = None
        self._settings = _least(spec, settings, counts=interval_s is not None)
        self._object, self.trials = load(spec, hooks, self._settings, roots, self._relay)
        try:
            if interval_s is None:
                self.ring = Ring(self._object.map_fd(_RING), self._size(_RING), self.layout.size)
                self.wake_fd = self.ring.fd
            else:
                self.totals = self._open_totals(self._object, interval_s)
                self.wake_fd = self.totals.bell.fd
        except BaseException:
            self._relay.leave(self._object)
            self._object.close()
            raise

    def _size(self, name: str) -> int:
        return self._settings.max_entries.get(name, self.spec.maps[name].max_entries)

    def _open_totals(self, opened: BpfObject, interval_s: float) -> Totals:
        first, second = (opened.map_fd(name) for name in TABLES)
        key_bytes = self.spec.maps[TABLES[0]].key_bytes
        bell = Ring(opened.map_fd(BELL), mmap.PAGESIZE, BELL_BYTES)
        return Totals(
            opened.map_fd(TURN),
            opened.map_fd(FILLS),
            (first, second),
            bell,
            key_bytes,
            self.layout.size,
            self._size(TABLES[0]),
            interval_s,
            self._open_front(opened, key_bytes),
        )

    def _open_front(self, opened: BpfObject, key_bytes: int) -> Front | None:
        outline = self.spec.maps.get(FRONT)
        if outline is None:
            return None
        count_at = next(one.offset for one in self.layout.fields if one.column.name == "count")
        return Front(opened.map_fd(FRONT), outline.value_bytes, key_bytes, count_at)

    def drain(self, *, final: bool = False) -> Records | None:
        """What has come since the last time, or None. What is counted comes at its interval, and the last time."""
        return self.totals.drain(final=final) if self.totals else self.ring.drain() if self.ring else None

    def forget(self) -> None:
        """Gives back what the last drain took, when something else has been made of it."""
        if self.totals:
            self.totals.forget()

    @property
    def busy_bytes(self) -> int:
        """A drain of more than this should be followed by another one at once."""
        return self.ring.size // _BUSY_PART if self.ring else 1 << 62

    def counters(self) -> Counters:
        """What has been counted in the kernel until now, and what of that was lost."""
        counted = self._object.counters()
        lost = self.totals.lost if self.totals else 0
        return replace(counted, totals_full=counted.totals_full + lost)

    def summed(self, name: str) -> tuple[npt.NDArray[np.uint64], dict[str, npt.NDArray[Any]]]:
        """A per-CPU hash from 64-bit keys to a struct of its own name: keys, and by member the sums over all CPUs."""
        cpus = libbpf.library().libbpf_num_possible_cpus()
        members = self._members[name]
        keys, values = maps.entries(self._object.map_fd(name), np.dtype("<u8"), np.dtype((members, (cpus,))))
        return keys, {member: values[member].sum(axis=1) for member in members.names or ()}

    def remove(self, name: str, keys: Iterable[int]) -> None:
        """Takes entries out of such a hash, as far as they are there."""
        for key in keys:
            maps.delete(self._object.map_fd(name), key.to_bytes(8, "little"))

    def detach(self) -> None:
        """Takes the programs off their hooks; what is in the ring stays."""
        self._relay.leave(self._object)

    def close(self) -> None:
        """Detaches, unmaps and frees everything."""
        self.detach()
        for source in (self.ring, self.totals):
            if source:
                source.close()
        self._object.close()


_BUSY_PART = 8
_PER_CPU_HASH = 5  # BPF_MAP_TYPE_PERCPU_HASH
_HALF = "totals_half"


def _least(spec: ObjectSpec, settings: Settings, *, counts: bool) -> Settings:
    """The same settings; what this run does not use is as small as can be."""
    own = {BELL: mmap.PAGESIZE, **({_RING: mmap.PAGESIZE} if counts else dict.fromkeys(TABLES, 1))}
    sizes = {**settings.max_entries, **{name: size for name, size in own.items() if name in spec.maps}}
    rows = sizes.get(TABLES[0])
    constants = settings.constants if rows is None else {**settings.constants, _HALF: rows // 2}
    return Settings(constants, settings.shared_maps, sizes)
