"""The filter that all programs of a run share, and the programs that keep it true while the machine changes."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Collection, Mapping
from enum import IntFlag
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eunomia.host.lives import Lives
from eunomia.host.procfs import Procfs
from eunomia.host.roots import Roots
from eunomia.kernel import maps
from eunomia.kernel.hooks import Hook, Trial, load, try_way
from eunomia.kernel.object import BpfObject, Settings
from eunomia.kernel.paths import object_file
from eunomia.kernel.spec import ObjectSpec

_KEY = struct.Struct("<QQ")
_WATCHED = b"\1"
_FEW = 4  # IMMEDIATE_FEW_0 and so on, in filter.bpf.h
_MOST_LIVES = 64
"""More pids than that would take too many descriptors."""
_NO_COUNTS = np.empty(0, "<u4")
_GROWING_ENTRIES = 16_384
"""Room for what comes while a run lasts; the object's own size, which fits into a cache, does for fixed values."""

_FRONT = ".bss.filter"
_SHARED_MAPS = ("filter", _FRONT)
_MARKED = Hook(
    "marks", "watched processes and their children, marked", (("mark_watched", "fork_marked", "free_marked"),)
)
_MARK = "mark_watched"
_CHILDREN = Hook("fork", "children of watched processes", (("fork_btf",), ("fork_raw",)))
_FREED = Hook("free", "pids that are given back", (("free_btf",), ("free_raw",)))
_BELOW = Hook("cgroup_mkdir", "cgroups below watched ones, and new ones", (("mkdir_btf",), ("mkdir_raw",)))
_GONE = Hook("cgroup_release", "cgroups that are gone", (("release_btf",), ("release_raw",)))


class Kind(IntFlag):
    """What a filter looks at: `enum filter_kind` in filter.bpf.h. Kinds are combined with AND, values with OR."""

    CGROUP = 1
    PID = 2
    UID = 4
    MNT_NS = 8
    PID_NS = 16


def _user_counts(fd: int, spec: ObjectSpec) -> npt.NDArray[np.uint32]:
    """User space's half of the counts in front of the filter, see filter.bpf.h; the last view on it unmaps it."""
    (front,) = spec.btf.variables(_FRONT)
    slots = spec.btf.resolve(front.type_id)[0].members[0]
    memory = mmap.mmap(fd, front.size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
    return np.frombuffer(memory, "<u4", spec.btf.size(slots.type_id) // 4).reshape(-1, 2)[:, 1]


def _lives(pids: Collection[int], roots: Roots) -> Lives | None:
    """Who tells of the processes' ends; None where that cannot be had: a program on each end on the machine does it.

    A process may not be there yet (`--wait`); and where our pids are not the kernel's, a pidfd would be of another one.
    """
    if not 0 < len(pids) <= _MOST_LIVES or not Procfs(roots).in_initial_pid_namespace():
        return None
    try:
        return Lives(pids)
    except OSError:
        return None


def _spec(name: str) -> ObjectSpec:
    return ObjectSpec.read(object_file(Path(__file__).parent, name))


def _can_be_marked(pids: Collection[int], roots: Roots) -> bool:
    """Whether each of them has tasks that we can get at. Who is waited for has none yet."""
    procfs = Procfs(roots)
    return bool(procfs.in_initial_pid_namespace()) and set(pids) <= set(procfs.pids())


class KernelFilter:
    """The shared filter. Nothing is loaded when nothing is filtered. It is changed by one thread at a time.

    Processes that are over are taken out of it, since their pids are given to others: where children are watched, too,
    by a program; else by whoever calls `forget_ended`, so that nobody else on the machine pays for it.

    Args:
        values: for each kind that is asked for, the values to start with; a kind with none yet lets nothing pass.
        children: whether children of watched processes are watched too.
        undecided: whether new cgroups pass until user space confirms or forgets them.
        hierarchy_id: the hierarchy whose cgroups are meant; ids are unique within one only.
    """

    def __init__(
        self,
        values: Mapping[Kind, Collection[int]],
        *,
        children: bool,
        undecided: bool,
        hierarchy_id: int,
        roots: Roots,
    ) -> None:
        self.kinds = Kind(0)
        for kind in values:
            self.kinds |= kind
        self.constants: dict[str, int] = {"filter_kinds": self.kinds}
        """What every tracker's object has to be told."""
        self._object: BpfObject | None = None
        self._marks: BpfObject | None = None
        self.trials: tuple[Trial, ...] = ()
        """The ways to its hooks that were refused, and those taken."""
        self._lives: Lives | None = None
        self._fd = -1
        self._counts = _NO_COUNTS
        if not self.kinds:
            return
        grows = children or Kind.CGROUP in self.kinds
        if not grows:
            self._note_few([number for numbers in values.values() for number in numbers])
        if not children:
            self._lives = _lives(values.get(Kind.PID, ()), roots)
        constants = {**self.constants, "undecided_cgroups": undecided, "hierarchy_id": hierarchy_id}
        settings = Settings(constants, max_entries={"filter": _GROWING_ENTRIES} if grows else {})
        try:
            self._open(values, settings, roots, children=children)
        except BaseException:
            self.close()
            raise

    def _note_few(self, numbers: list[int]) -> None:
        """Has values that are few and stay the same looked at in the instructions: `filter_may_have()`."""
        if 0 < len(numbers) <= _FEW:
            padded = [*numbers, *numbers[:1] * _FEW][:_FEW]
            self.constants |= {"few_kinds": self.kinds, **{f"few_{place}": one for place, one in enumerate(padded)}}

    def _open(
        self, values: Mapping[Kind, Collection[int]], settings: Settings, roots: Roots, *, children: bool
    ) -> None:
        if children and _can_be_marked(values.get(Kind.PID, ()), roots):
            settings = self._open_marks(settings, roots)
        spec = _spec("follow")
        hooks = [hook for hook, wanted in self._hooks(children).items() if wanted]
        self._object, trials = load(spec, hooks, settings, roots)
        self.trials = (*self.trials, *trials)
        self._fd = self._object.map_fd("filter")
        self._counts = _user_counts(self._object.map_fd(_FRONT), spec)
        for kind, numbers in values.items():
            self.watch(kind, *numbers)

    def _open_marks(self, settings: Settings, roots: Roots) -> Settings:
        """Has processes and their children marked where the kernel can; gives what the other object is to share."""
        spec = _spec("marks")
        trial = try_way(spec, _MARKED, _MARKED.ways[0], settings, roots)
        self.trials = (trial,)
        if trial.reason is not None:
            return settings
        self._marks, _ = load(spec, [_MARKED], settings, roots)
        self.constants["filter_marks"] = 1
        return Settings(settings.constants, {name: self._marks.map_fd(name) for name in _SHARED_MAPS})

    def _hooks(self, children: bool) -> dict[Hook, bool]:
        cgroups, pids = Kind.CGROUP in self.kinds, Kind.PID in self.kinds and not self._marks
        freed = pids and self._lives is None
        return {_CHILDREN: pids and children, _FREED: freed, _BELOW: cgroups, _GONE: cgroups}

    @property
    def shared_maps(self) -> dict[str, int]:
        """The maps that every tracker's object takes over."""
        return {name: self._object.map_fd(name) for name in _SHARED_MAPS} if self._object else {}

    def watch(self, kind: Kind, *values: int) -> None:
        """Lets values pass from now on: given at the start, or of a kind that grows, also those still undecided.

        Processes come best together: to mark any of them is a walk over all tasks of the machine. A cgroup that is
        neither new nor undecided has to come before the programs run that are told of the filter: they take note of who
        is a stranger.
        """
        for value in values:
            if not self._put_in(kind, value):
                self.confirm(kind, value)
        if self._marks and kind is Kind.PID:
            self._marks.attach(_MARK)

    def _put_in(self, kind: Kind, value: int) -> bool:
        self._count(value, 1)  # before the value comes
        new = False
        try:
            new = maps.insert(self._fd, _KEY.pack(kind, value), _WATCHED)
        finally:
            if not new:
                self._count(value, -1)
        return new

    def _count(self, value: int, change: int) -> None:
        index = value % len(self._counts)  # one aligned store, which leaves the programs' half alone
        self._counts[index] = (int(self._counts[index]) + change) % (1 << 32)

    def confirm(self, kind: Kind, value: int) -> None:
        """Makes final what passes undecided. What is gone meanwhile, or never found room, stays out."""
        maps.replace(self._fd, _KEY.pack(kind, value), _WATCHED)

    def forget(self, kind: Kind, value: int) -> None:
        """Lets a value no longer pass."""
        if maps.delete(self._fd, _KEY.pack(kind, value)):
            self._count(value, -1)

    @property
    def ends_fd(self) -> int | None:
        """Readable while `forget_ended` has something to do; None where a program does it."""
        return self._lives.fd if self._lives else None

    def forget_ended(self) -> None:
        """Takes the processes out that have ended."""
        for pid in self._lives.ended() if self._lives else ():
            self.forget(Kind.PID, pid)

    @property
    def full(self) -> int:
        """How many processes and cgroups could not be followed because the filter had no room."""
        return sum(one.counters().filter_full for one in (self._marks, self._object) if one)

    def close(self) -> None:
        """Takes the programs away and frees the maps."""
        self._counts = _NO_COUNTS
        if self._lives:
            self._lives.close()
            self._lives = None
        for one in (self._object, self._marks):
            if one:
                one.close()
