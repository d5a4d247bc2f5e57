"""A policy in force: its programs on the kernel's hooks, and what they have to tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from eunomia.errors import LoadError, UnsupportedError
from eunomia.host.clock import BootClock
from eunomia.host.roots import Roots
from eunomia.kernel import maps
from eunomia.kernel.counters import Counters
from eunomia.kernel.features import reason_against
from eunomia.kernel.hooks import Hook, Trial, load
from eunomia.kernel.object import BpfObject, Settings
from eunomia.kernel.paths import object_file
from eunomia.kernel.ring import Ring
from eunomia.kernel.spec import ObjectSpec
from eunomia.privileges.policy import Policy
from eunomia.respond.lsm import tables
from eunomia.schema.batch import Schema

_TRIAL = "trial"
_ENTERING = (
    Hook("cgroup_attach_task", "who enters a container", (("attach_begins",), ("attach_enters",))),
    Hook("fork", "children of who enters", (("fork_enters",),)),
    Hook("exec", "who has entered", (("exec_entered",),)),
    Hook("free", "who has ended before", (("free_entered",),)),
)
_EXEC = (
    Hook("bprm_check_security", "programs that are run", (("exec_check",),)),
    Hook("mmap_file", "programs that are mapped", (("map_check",),)),
)
_WRITE = (
    Hook("file_open", "files opened for writing", (("open_check",),)),
    Hook(
        "path",
        "names made, removed and changed (CONFIG_SECURITY_PATH)",
        (
            tuple(
                f"{name}_check"
                for name in ("mknod", "mkdir", "symlink", "link", "unlink", "rmdir", "rename", "truncate", "chmod")
            ),
        ),
    ),
    Hook("path_chown", "owners changed", (("chown_check",),), optional=True),
)
_MOUNT = (Hook("mount", "mounts", (("mount_check", "move_mount_check", "pivot_check"),)),)
_CONNECT = (Hook("connect", "connections", (("connect_check", "send_check"),)),)
_SOCKETS = (Hook("socket_create", "sockets", (("socket_check",),)),)
_CAPABLE = (Hook("capable", "capabilities", (("capable_check",),)),)


def hooks(policy: Policy) -> list[Hook]:
    """The hooks that a policy needs; who needs none pays for none."""
    wanted = (
        (policy.exec, _EXEC),
        (policy.write, _WRITE),
        (policy.denies_mounts, _MOUNT),
        (policy.connect, _CONNECT),
        (policy.sockets, _SOCKETS),
        (policy.capabilities, _CAPABLE),
    )
    return [*_ENTERING, *(hook for is_wanted, some in wanted if is_wanted for hook in some)]


def _spec() -> ObjectSpec:
    return ObjectSpec.read(object_file(Path(__file__).parent, "lsm"))


def reason(roots: Roots) -> str | None:
    """Why no policy can be in force on this host; None when it can. Found out by trying.

    A kernel takes such programs also where BPF is not among its active security modules, and then never runs them.
    """
    spec = _spec()
    known = reason_against(spec.programs[_TRIAL], roots)
    if known is not None:
        return known
    try:
        with BpfObject(spec, [_TRIAL], Settings()) as tried:
            tried.attach(_TRIAL)
            Path("/dev/null").open("rb").close()
            ran = tried.counters().emitted
    except LoadError as error:
        return f"the kernel refuses BPF programs on its security hooks ({str(error).splitlines()[0]})"
    return None if ran else "BPF is not among the active security modules (boot with lsm=…,bpf)"


class Denier:
    """Has the kernel deny what a policy does not allow. Use it as a context manager; leaving it leaves nothing.

    Args:
        policy: what is allowed.
        sharing: whom it holds for: the constants and maps of a filter.
        roots: where the host's file systems are.

    Attributes:
        trials: the ways to its hooks.

    Raises:
        UnsupportedError: the host cannot do it; it says why.
        LoadError: the kernel refused the programs.
    """

    def __init__(self, policy: Policy, sharing: Settings, roots: Roots) -> None:
        why = reason(roots)
        if why is not None:
            raise UnsupportedError(f"--via lsm does not work on this host: {why}; a profile by --via seccomp may do")
        entries = {"exec_paths": tables.paths(policy.exec), "write_paths": tables.paths(policy.write)}
        settings = replace(
            sharing,
            constants={**sharing.constants, **tables.constants(policy)},
            max_entries={name: max(len(found), 1) for name, found in entries.items()},
        )
        self._spec = _spec()
        self._clock = BootClock()
        self._object: BpfObject
        self._object, self.trials = load(self._spec, hooks(policy), settings, roots)
        try:
            self._fill(policy, entries)
            self._ring = Ring(
                self._object.map_fd("events"), self._spec.maps["events"].max_entries, self._spec.event.size
            )
        except BaseException:
            self._object.close()
            raise

    def _fill(self, policy: Policy, entries: dict[str, dict[bytes, tables.Verdict]]) -> None:
        for name, found in entries.items():
            for beginning, verdict in found.items():
                value = int(verdict).to_bytes(4, "little")
                maps.update(self._object.map_fd(name), tables.path_key(beginning), value)
        for place, peer in enumerate(tables.peers(policy.connect)):
            maps.update(self._object.map_fd("peers"), place.to_bytes(4, "little"), peer.packed())
        maps.update(self._object.map_fd("in_force"), bytes(4), (1).to_bytes(4, "little"))

    @property
    def schema(self) -> Schema:
        """The columns of what `drain` gives."""
        return self._spec.event.schema

    @property
    def missing(self) -> Sequence[Trial]:
        """Ways to optional hooks that this kernel does not have."""
        taken = {trial.hook.name for trial in self.trials if trial.reason is None}
        return [trial for trial in self.trials if trial.hook.name not in taken]

    def drain(self) -> pl.DataFrame | None:
        """What was not allowed since the last time, or None."""
        records = self._ring.drain()
        if records is None:
            return None
        return self._spec.event.decode(
            records.data,
            records.count,
            start=records.start,
            stride=records.stride,
            clock_offset_ns=self._clock.offset_ns(),
        )

    def counters(self) -> Counters:
        """What has been told and lost until now."""
        return self._object.counters()

    def detach(self) -> None:
        """Lets everything be again. What has been told stays to be read."""
        self._object.detach()

    def close(self) -> None:
        """The same, and frees everything."""
        self._object.detach()
        self._ring.close()
        self._object.close()

    def __enter__(self) -> Denier:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()
