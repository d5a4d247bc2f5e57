"""Docker's default profile, against the one that the Docker daemon here gives a container."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eunomia.privileges.oci import Surroundings, read
from eunomia.privileges.profile import Action, Profile
from eunomia.privileges.runtime_default import BY_CAPABILITY, CAPABILITIES, NEVER, default_profile
from eunomia.schema import capabilities
from eunomia.schema.syscalls import ENTRIES, NAMES, NUMBERS
from tests.dockerd import DockerDaemon

# What changed since Docker 20.10, which Debian 12 has: moby's history of profiles/seccomp.
_LATER = {
    *("cachestat", "fchmodat2", "futex_requeue", "futex_wait", "futex_wake", "getxattrat", "listmount", "listxattrat"),
    *("map_shadow_stack", "mseal", "name_to_handle_at", "pkey_alloc", "pkey_free", "pkey_mprotect"),
    *("process_vm_readv", "process_vm_writev", "removexattrat", "setxattrat", "statmount", "uretprobe"),
    # With capabilities.
    *("clock_settime64", "lsm_get_self_attr", "lsm_list_modules", "lsm_set_self_attr", "set_mempolicy_home_node"),
}
_FORMER = {"io_uring_enter", "io_uring_register", "io_uring_setup"}


def test_tables_are_about_what_there_is() -> None:
    named = {name for names in BY_CAPABILITY.values() for name in names}
    assert NEVER | named <= set(NAMES)
    assert not NEVER & named
    assert set(BY_CAPABILITY) | CAPABILITIES <= set(capabilities.NAMES)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_capabilities_open_calls(machine: str) -> None:
    few, usual, all_ = (default_profile(held, machine).allowed for held in ((), CAPABILITIES, capabilities.NAMES))
    assert "chroot" in usual - few
    assert {"mount", "bpf", "clone3"} <= all_ - usual
    assert few < usual < all_
    assert not all_ & NEVER
    assert all(set(NUMBERS[name]) & set(ENTRIES[machine]) for name in all_)
    assert len(usual) > 300


def _config(dockerd: DockerDaemon, identity: str) -> Any:
    (path,) = (dockerd.directory / "exec").glob(f"containerd/*/*/*/{identity}/config.json")
    return json.loads(path.read_text())["linux"]["seccomp"]


def _known(profile: Profile) -> set[str]:
    """Allowed names of this machine's entries."""
    return {name for name in profile.allowed if name in NUMBERS and set(NUMBERS[name]) & set(ENTRIES["x86_64"])}


@pytest.mark.docker
@pytest.mark.parametrize(
    "added", [(), ("SYS_ADMIN",), ("SYS_PTRACE", "SYSLOG", "SYS_TIME", "SYS_NICE", "SYS_TTY_CONFIG")]
)
def test_against_docker(dockerd: DockerDaemon, added: tuple[str, ...]) -> None:
    options = [word for name in added for word in ("--cap-add", name)]
    identity = dockerd.start("default-profile", "sleep", "60", options=options)
    try:
        config = _config(dockerd, identity)
    finally:
        dockerd.remove("default-profile")
    reading = read(json.dumps(config), Surroundings("x86_64"))
    ours = default_profile(CAPABILITIES | {f"CAP_{name}" for name in added}, "x86_64")
    theirs = reading.profile
    assert _known(theirs) - _known(ours) <= _FORMER
    assert _known(ours) - _known(theirs) <= _LATER
    assert theirs.default is ours.default
    assert set(theirs.architectures) == set(ours.architectures)
    denied = {name for rule in theirs.rules if rule.action is not Action.ALLOW for name in rule.names}
    assert denied == {name for rule in ours.rules if rule.action is not Action.ALLOW for name in rule.names}
