"""Rules that only a machine of one's own can put to the test: a module on the host, a fault of the kernel."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.running import Running, running
from tests.guest.dma import Device, code_of
from tests.guest.inside_daemon import PATIENCE_S, container, do

MODULE = Path("/opt/module.ko")
LOADED = "Module loaded on the host"
ROOT = "Root without a right to it"
_INIT_MODULE, _DELETE_MODULE, _FINIT_MODULE = 175, 176, 313
_RETURN_TRUE = bytes.fromhex("b801000000c3")  # mov $1,%eax; ret
_DROP = "os.setgroups([]); os.setresgid(1000, 1000, 1000); os.setresuid(1000, 1000, 1000)"
REFUSED = f"""
{_DROP}
try:
    os.setresuid(0, 0, 0)
except PermissionError:
    sys.exit(0)
sys.exit("became root")
"""
RISEN = f"""
{_DROP}
os.setresuid(0, 0, 0)
assert os.getresuid() == (0, 0, 0)
"""
_LIBC = ctypes.CDLL(None, use_errno=True)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """With its default rules. It takes long to start where the host is busy with other guests."""
    directory = tmp_path_factory.mktemp("daemon")
    (directory / "daemon.toml").write_text(
        f'[daemon]\nstate_dir = "{directory}/state"\nsocket = "{directory}/status.sock"\nnode = "guest"\n'
    )
    with running(directory, patience_s=2 * PATIENCE_S) as made:
        yield made
        assert made.stop(patience_s=PATIENCE_S) == 0


def test_a_module_on_the_host_is_told(daemon: Running) -> None:
    content = MODULE.read_bytes()
    assert _LIBC.syscall(_INIT_MODULE, content[:100], 100, b"") == -1  # refused ones are nobody's concern
    with MODULE.open("rb") as file:
        assert _LIBC.syscall(_FINIT_MODULE, file.fileno(), b"", 0) == 0, os.strerror(ctypes.get_errno())
    daemon.until(lambda: _messages(daemon, LOADED), PATIENCE_S)
    assert _LIBC.syscall(_DELETE_MODULE, name().encode(), 0) == 0, os.strerror(ctypes.get_errno())
    assert _LIBC.syscall(_INIT_MODULE, content, len(content), b"") == 0, os.strerror(ctypes.get_errno())
    daemon.until(lambda: len(_messages(daemon, LOADED)) > 1, PATIENCE_S)
    assert [str(MODULE) in message for message in _messages(daemon, LOADED)] == [True, False]
    assert {alert["level"] for alert in daemon.alerts if alert["rule"] == LOADED} == {"event"}


def name() -> str:
    """What the kernel calls the module."""
    found = [line.split()[0] for line in Path("/proc/modules").read_text().splitlines() if line.startswith("nls_")]
    assert len(found) == 1, found
    return found[0]


def _messages(daemon: Running, rule: str) -> list[str]:
    return [alert["message"] for alert in daemon.alerts if alert["rule"] == rule]


def test_root_by_a_fault_of_the_kernel_is_told(daemon: Running, tmp_path: Path) -> None:
    """The fault: everybody may change their user (ns_capable_setid(), kernel/capability.c)."""
    with container() as inside:
        do(REFUSED, inside, tmp_path / "refused")
        Device().write(code_of("ns_capable_setid"), _RETURN_TRUE)
        do(RISEN, inside, tmp_path / "risen")
        daemon.until(lambda: ROOT in daemon.rules(), PATIENCE_S)
        assert daemon.rules().count(ROOT) == 1
