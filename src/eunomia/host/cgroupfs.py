"""The cgroups of one hierarchy: ids, paths, processes.

A cgroup's id is the inode number of its directory. In the kernel both are the id of the kernfs node: since 5.5 a node's
id is 64 bits wide and is the inode number where ino_t has 64 bits ("kernfs: use 64bit inos if ino_t is 64bit"), and the
cgroup's id ("cgroup: use cgrp->kn->id as the cgroup ID"), which bpf_get_current_cgroup_id() and cgroup events give.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from eunomia.errors import UsageError
from eunomia.host.hierarchies import Hierarchy
from eunomia.host.kernfs import path_by_id

_GONE = (FileNotFoundError, NotADirectoryError, ProcessLookupError)
"""Removed between being listed and being read; ENODEV, for a file already open, is checked apart."""


class Cgroups:
    """The cgroups of a hierarchy. Paths are from its root and begin with a slash, as in /proc/PID/cgroup."""

    def __init__(self, hierarchy: Hierarchy) -> None:
        self.hierarchy = hierarchy
        self._mount = str(hierarchy.mount)
        self._asks_kernel: bool | None = None

    def scan(self) -> dict[int, str]:
        """Path of every cgroup by id; those that come or go meanwhile may or may not be in it."""
        return dict(self._walk("/"))

    def path(self, cgroup_id: int) -> str | None:
        """Path of a cgroup by its id; None when there is no such cgroup (any more).

        Asks the kernel for the very inode, so that it costs the same on a host with thousands of cgroups; where that
        is not allowed (CAP_DAC_READ_SEARCH) or not known (before Linux 5.5), all of them are looked at.
        """
        if self._asks_kernel is None:
            self._asks_kernel = self._kernel_answers()
        if not self._asks_kernel:
            return self.scan().get(cgroup_id)
        found = path_by_id(self._mount, cgroup_id)
        return None if found is None else self.inside(found)

    def id(self, path: str) -> int:
        """Id of a cgroup given by its path in the hierarchy or by the path of its directory.

        Raises:
            UsageError: there is no such cgroup.
        """
        try:
            return os.stat(self._directory(path)).st_ino  # noqa: PTH116
        except (*_GONE, ValueError):  # ValueError: a NUL inside the path
            raise UsageError(f"there is no cgroup {path!r} in the hierarchy at {self._mount}") from None

    def pids(self, path: str) -> list[int]:
        """Processes in a cgroup and in those below it, in ascending order; none when it is gone.

        Those outside our pid namespace are left out: the kernel gives them as 0.
        """
        found: set[int] = set()
        for _, below in self._walk(self.inside(path)):
            found.update(self._procs(below))
        return sorted(found - {0})

    def inside(self, path: str) -> str:
        """A path in the hierarchy from one that may be of the directory below the mount point."""
        below = path.removeprefix(self._mount) if Path(path).is_relative_to(self._mount) else path
        return "/" + below.strip("/")

    def _kernel_answers(self) -> bool:
        """Whether the kernel finds the one cgroup whose path is certain."""
        try:
            return path_by_id(self._mount, self.id("/")) == self._mount
        except OSError:
            return False

    def _directory(self, path: str) -> str:
        return self._mount + self.inside(path)

    def _walk(self, path: str) -> Iterator[tuple[int, str]]:
        """(id, path) of a cgroup and all below it.

        Listing a directory gives inode numbers for nothing, but each has dozens of files. A directory's link count is
        2 plus its subdirectories in kernfs (kernfs_refresh_inode()), so that leaves, which most cgroups are, need none;
        file systems that do not count links (overlayfs, btrfs: 1) are listed in full.
        """
        waiting = [path]
        while waiting:
            path = waiting.pop()
            directory = self._mount + path
            try:
                stat = os.stat(directory)  # noqa: PTH116 (several times as quick)
                yield stat.st_ino, path
                if stat.st_nlink != 2:
                    with os.scandir(directory) as entries:
                        waiting += [_join(path, entry.name) for entry in entries if entry.is_dir(follow_symlinks=False)]
            except _GONE:
                continue

    def _procs(self, path: str) -> list[int]:
        try:
            return [int(line) for line in Path(self._mount + path, "cgroup.procs").read_text().split()]
        except _GONE:
            return []
        except OSError as error:
            # ENODEV: removed after it was opened. EOPNOTSUPP: a threaded cgroup2, whose processes are listed by the
            # cgroup above that is the root of its threaded domain (cgroups(7), "threaded").
            if error.errno in (errno.ENODEV, errno.EOPNOTSUPP):
                return []
            raise


def _join(path: str, name: str) -> str:
    return f"/{name}" if path == "/" else f"{path}/{name}"
