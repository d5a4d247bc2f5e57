"""The filter that all programs of a run share, and the programs that keep it true while the machine changes."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from enum import IntFlag
from pathlib import Path

from eunomia.host.roots import Roots
from eunomia.kernel import maps
from eunomia.kernel.hooks import Hook, Trial, load
from eunomia.kernel.object import BpfObject, Settings
from eunomia.kernel.paths import object_file
from eunomia.kernel.spec import ObjectSpec

_KEY = struct.Struct("<QQ")
_WATCHED = b"\1"
_GROWING_ENTRIES = 16_384
"""Room for what comes while a run lasts; the object's own size, which fits into a cache, does for fixed values."""

_CHILDREN = Hook("fork", "children of watched processes", (("fork_btf",), ("fork_raw",)))
_FREED = Hook("free", "pids that are given back", (("free_btf",), ("free_raw",)))
_BELOW = Hook("cgroup_mkdir", "cgroups below watched ones, and new ones", (("mkdir_btf",), ("mkdir_raw",)))
_GONE = Hook("cgroup_release", "cgroups that are gone", (("release_btf",), ("release_raw",)))


class Kind(IntFlag):
    """What a filter looks at: `enum filter_kind` in eunomia.bpf.h. Kinds are combined with AND, values with OR."""

    CGROUP = 1
    PID = 2
    UID = 4
    MNT_NS = 8
    PID_NS = 16


class KernelFilter:
    """The shared filter. Nothing is loaded when nothing is filtered.

    Args:
        values: for each kind that is asked for, the values to start with; a kind with none yet lets nothing pass.
        children: whether children of watched processes are watched too.
        undecided: whether new cgroups pass until user space confirms or forgets them.
        hierarchy_id: the hierarchy whose cgroups are meant; ids are unique within one only.
    """

    def __init__(
        self,
        values: Mapping[Kind, Iterable[int]],
        *,
        children: bool,
        undecided: bool,
        hierarchy_id: int,
        roots: Roots,
    ) -> None:
        self.kinds = Kind(0)
        for kind in values:
            self.kinds |= kind
        self._object: BpfObject | None = None
        self.trials: tuple[Trial, ...] = ()
        """The ways to its hooks that were refused, and those taken."""
        self._fd = -1
        if not self.kinds:
            return
        hooks = [hook for hook, wanted in self._hooks(children).items() if wanted]
        spec = ObjectSpec.read(object_file(Path(__file__).parent, "follow"))
        grows = children or Kind.CGROUP in self.kinds
        constants = {"undecided_cgroups": undecided, "hierarchy_id": hierarchy_id}
        settings = Settings(constants, max_entries={"filter": _GROWING_ENTRIES} if grows else {})
        self._object, self.trials = load(spec, hooks, settings, roots)
        self._fd = self._object.map_fd("filter")
        for kind, numbers in values.items():
            for number in numbers:
                self.watch(kind, number)

    def _hooks(self, children: bool) -> dict[Hook, bool]:
        cgroups, pids = Kind.CGROUP in self.kinds, Kind.PID in self.kinds
        return {_CHILDREN: pids and children, _FREED: pids, _BELOW: cgroups, _GONE: cgroups}

    @property
    def shared_maps(self) -> dict[str, int]:
        """The map that every tracker's object takes over."""
        return {"filter": self._fd} if self._object else {}

    def watch(self, kind: Kind, value: int) -> None:
        """Lets a value pass from now on."""
        maps.update(self._fd, _KEY.pack(kind, value), _WATCHED)

    def confirm(self, kind: Kind, value: int) -> None:
        """Makes final what passes undecided. What is gone meanwhile, or never found room, stays out."""
        maps.replace(self._fd, _KEY.pack(kind, value), _WATCHED)

    def forget(self, kind: Kind, value: int) -> None:
        """Lets a value no longer pass."""
        maps.delete(self._fd, _KEY.pack(kind, value))

    @property
    def full(self) -> int:
        """How many processes and cgroups could not be followed because the filter had no room."""
        return self._object.counters().filter_full if self._object else 0

    def close(self) -> None:
        """Takes the programs away and frees the map."""
        if self._object:
            self._object.close()
