"""Reads what containers use: one read of each of their files, and nothing kept open in between."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eunomia.host.cgroupfs import Cgroups
from eunomia.host.hierarchies import Hierarchy, detect
from eunomia.host.procfs import Procfs
from eunomia.host.roots import Roots
from eunomia.trackers.resources.figures import V1, V2, Figures, Parse, network, working_set

_GONE = (errno.ENOENT, errno.ENODEV, errno.ESRCH, errno.EINVAL)
"""Removed before it was opened or before it was read; EINVAL: /proc/PID/net of a process that is being reaped."""
_FILE_BYTES = 1 << 16


@dataclass
class _Place:
    """Where the figures of a cgroup are.

    Attributes:
        files: paths, and what is in them.
        pid: its first process; None before there is one.
    """

    files: list[tuple[str, Parse]]
    pid: int | None


class Sampler:
    """Fills rows from the files of cgroups, v1 and v2, and of their first processes.

    Args:
        interval_s: how often it is asked.
        roots: where the host's file systems are.
        hierarchy: the one whose cgroups are asked for.
        dtype: of a row.
    """

    def __init__(self, interval_s: float, roots: Roots, hierarchy: Hierarchy, dtype: np.dtype[Any]) -> None:
        self.interval_s = interval_s
        self._proc = str(roots.proc)
        self._procfs = Procfs(roots)
        self._cgroups = Cgroups(hierarchy)
        self._layout = detect(roots)
        self._dtype = dtype
        self._host_net = self._procfs.host_namespace("net")
        self._places: dict[int, _Place] = {}

    def rows(self, cgroups: Mapping[int, str]) -> npt.NDArray[Any]:
        """A row for each of these cgroups (id -> path) of which anything can be had; all bits set stand for nothing."""
        found: list[tuple[int, int, int, bytes, Figures]] = []
        for cgroup_id, path in cgroups.items():
            read_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            figures = self._figures(cgroup_id, path)
            if figures:
                pid = self._places[cgroup_id].pid if cgroup_id in self._places else None
                found.append((read_ns, cgroup_id, pid or 0, self._comm(pid), figures))
        return self._filled(found)

    def forget(self, kept: Iterable[int]) -> None:
        """Only these cgroups will be asked for again."""
        wanted = set(kept)
        self._places = {cgroup_id: place for cgroup_id, place in self._places.items() if cgroup_id in wanted}

    def _filled(self, found: list[tuple[int, int, int, bytes, Figures]]) -> npt.NDArray[Any]:
        rows = np.full(len(found) * self._dtype.itemsize, 0xFF, np.uint8).view(self._dtype)
        if not found:
            return rows
        rows["time"], rows["cgroup_id"], rows["pid"] = ([one[place] for one in found] for place in range(3))
        comms = b"".join(one[3] for one in found)
        rows["comm"] = np.frombuffer(comms, np.uint8).reshape(len(found), -1)
        figures = [one[4] for one in found]
        for name in sorted({name for one in figures for name in one}):
            column = np.fromiter((one.get(name, -1) for one in figures), np.int64, len(found))
            rows[name] = column.view(self._dtype[name])
        return rows

    def _comm(self, pid: int | None) -> bytes:
        comm = (self._procfs.comm(pid) if pid else None) or ""
        return comm.encode(errors="backslashreplace")[:15].ljust(16, b"\0")

    def _figures(self, cgroup_id: int, path: str) -> Figures:
        place = self._places.get(cgroup_id)
        if place is None or place.pid is None:  # controllers and processes come one after the other
            place = self._places[cgroup_id] = self._find(path)
        figures: Figures = {}
        for name, parse in place.files:
            text = _read(name)
            if text is None:  # it goes, or has lost a controller: the next time all is looked up again
                self._places.pop(cgroup_id, None)
            elif text:
                figures |= parse(text)
        working_set(figures)
        if figures and place.pid is not None:
            figures |= self._network(cgroup_id, place.pid)
        return figures

    def _network(self, cgroup_id: int, pid: int) -> Figures:
        """Of the process's network namespace, unless it is the host's: what all share is nobody's own.

        Looked at each time: a runtime puts a process into the cgroup before it makes its namespaces.
        """
        if self._procfs.namespace(pid, "net") in (None, self._host_net):
            if self._procfs.comm(pid) is None:  # ended while others of the container go on
                self._places.pop(cgroup_id, None)
            return {}
        text = _read(f"{self._proc}/{pid}/net/dev", whole=True)
        return network(text) if text else {}

    def _find(self, path: str) -> _Place:
        """Where a cgroup's files are in every hierarchy, which its first process tells."""
        pid = next(iter(self._cgroups.pids(path)), None)
        paths = (self._procfs.cgroups(pid) if pid is not None else None) or {}
        own = self._cgroups.hierarchy.controller
        below = paths.get(own, path).removeprefix(path)  # its process may be further down, as below /init
        files: list[tuple[str, Parse]] = []
        legacy = {one.controller: one for one in self._layout.legacy}
        for controller, named in V1.items():
            if controller in legacy:
                there = paths.get(controller, path).removesuffix(below)
                files += _existing(f"{legacy[controller].mount}{there}", named)
        if self._layout.unified is not None:
            directory = f"{self._layout.unified.mount}{paths.get('', path).removesuffix(below)}"
            for controller, named in V2.items():
                if controller not in legacy:
                    files += _existing(directory, named)
        return _Place(files, pid)


def _existing(directory: str, named: Mapping[str, Parse]) -> list[tuple[str, Parse]]:
    """Of these files those that there are: which ones depends on the kernel and on the controllers in force."""
    paths = ((f"{directory}/{name}", parse) for name, parse in named.items())
    return [(path, parse) for path, parse in paths if os.path.exists(path)]  # noqa: PTH110 (a third of the time)


def _read(path: str, *, whole: bool = False) -> bytes | None:
    """A file's bytes; none of a file that says nothing here (PSI switched off), None when it is gone.

    A cgroup's file comes in one read (kernfs, one record); others are asked until nothing comes.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            text = os.read(fd, _FILE_BYTES)
            while whole and (more := os.read(fd, _FILE_BYTES)):
                text += more
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno in _GONE:
            return None
        if error.errno == errno.EOPNOTSUPP:
            return b""
        raise
    return text
