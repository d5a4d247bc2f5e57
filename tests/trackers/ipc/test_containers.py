"""Communication between real containers: both sides, each with the right container."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from eunomia.config import FilterConfig
from tests.collect import collecting
from tests.dockerd import DockerDaemon
from tests.trackers.ipc.programs import PRELUDE

pytestmark = [pytest.mark.kernel, pytest.mark.docker]

RETRY = """
def until_it_works(attempt):
    for _ in range(2000):
        try:
            return attempt()
        except OSError:
            time.sleep(0.01)
    raise SystemExit("never")
"""


class Pair:
    """Two containers, `ipc-a` and `ipc-b`, in which Python programs run: the host's Python, on the host's files."""

    def __init__(self, daemon: DockerDaemon, folder: Path) -> None:
        self._daemon = daemon
        self.folder = folder
        self.ids: dict[str, str] = {}

    def start(self, name: str, program: str, *options: str) -> None:
        """Starts a program in a container."""
        command = ("chroot", "/host", sys.executable, "-I", "-S", "-c", PRELUDE + RETRY + program)
        volumes = ("--volume", "/:/host:ro", "--volume", f"{self.folder}:/host{self.folder}")
        self.ids[name] = self._daemon.start(name, *command, options=(*volumes, *options))[:12]

    def wait(self, *containers: str) -> None:
        """Waits until they have ended, each without an error."""
        for name in containers:
            code = self._daemon.cli("wait", name)
            assert code == "0", self._daemon.cli("logs", name)


@pytest.fixture
def pair(dockerd: DockerDaemon, tmp_path: Path) -> Iterator[Pair]:
    yield Pair(dockerd, tmp_path)
    dockerd.remove("ipc-a", "ipc-b")


def one(frame: pl.DataFrame, **values: Any) -> dict[str, Any]:
    """The one event that has these values."""
    found = frame.filter(**values)
    assert found.height == 1, found
    return found.row(0, named=True)


def test_a_socket_on_a_shared_volume(pair: Pair, dockerd: DockerDaemon) -> None:
    address = str(pair.folder / "socket")
    with collecting("ipc", docker_host=dockerd.host) as run:
        pair.start(
            "ipc-a",
            f"server = socket.socket(socket.AF_UNIX); server.bind({address!r}); server.listen()\n"
            "connection, _ = server.accept(); connection.recv(1)",
        )
        pair.start(
            "ipc-b",
            "client = socket.socket(socket.AF_UNIX)\n"
            f"until_it_works(lambda: client.connect({address!r})); client.send(b'x')",
        )
        pair.wait("ipc-a", "ipc-b")
    connected = one(run.events, event="unix_connect", name=address)
    accepted = one(run.events, event="unix_accept", name=address)
    assert (connected["container_name"], connected["peer_container_name"]) == ("ipc-b", "ipc-a")
    assert (accepted["container_name"], accepted["peer_container_name"]) == ("ipc-a", "ipc-b")
    assert (connected["peer_pid"], accepted["peer_pid"]) == (accepted["pid"], connected["pid"])
    assert connected["peer_container_id"] == pair.ids["ipc-a"]
    assert run.summary is not None
    assert run.summary.lost == {}


def test_what_is_shared_by_namespace(pair: Pair, dockerd: DockerDaemon) -> None:
    """System V in one IPC namespace, a signal in one PID namespace, an abstract socket in one network namespace."""
    with collecting("ipc", docker_host=dockerd.host) as run:
        pair.start(
            "ipc-a",
            """
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(0))
server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
server.bind("\\0eunomia-ipc")
queue = libc.msgget(0x656e, CREATE | 0o600)
msgsnd(queue, b"12345")
libc.shmget(0x656e, 4096, CREATE | 0o600)
time.sleep(30)
""",
            *("--ipc", "shareable"),
        )
        pair.start(
            "ipc-b",
            """
def memory():
    found = libc.shmget(0x656e, 4096, 0)
    if found < 0:
        raise OSError
    return found

libc.shmat(until_it_works(memory), None, 0)
msgrcv(libc.msgget(0x656e, 0))
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"123", "\\0eunomia-ipc")
os.kill(1, signal.SIGUSR1)
""",
            *("--ipc", "container:ipc-a", "--pid", "container:ipc-a", "--network", "container:ipc-a"),
        )
        pair.wait("ipc-a")  # and with it, the first process of its PID namespace, all others there
    events = run.events.filter(container_name="ipc-b")
    other = one(run.events, container_name="ipc-a", event="msg_send")
    for event, size in (("shm_attach", 4096), ("msg_receive", 5), ("unix_send", 3), ("signal_sent", None)):
        seen = one(events, event=event)
        assert (seen["peer_container_name"], seen["peer_pid"], seen["bytes"]) == ("ipc-a", other["pid"], size), event
    assert one(events, event="signal_sent")["signal"] == "SIGUSR1"
    assert other["pid"] != 1, "pids are the host's"


def test_a_filter_by_container_sees_its_side(pair: Pair, dockerd: DockerDaemon) -> None:
    address = str(pair.folder / "socket")
    with collecting("ipc", FilterConfig(containers=("ipc-b",), wait=True), docker_host=dockerd.host) as run:
        pair.start(
            "ipc-a",
            f"server = socket.socket(socket.AF_UNIX); server.bind({address!r}); server.listen(); server.accept()",
        )
        pair.start("ipc-b", f"until_it_works(lambda: socket.socket(socket.AF_UNIX).connect({address!r}))")
        pair.wait("ipc-a", "ipc-b")
    assert run.events["container_name"].unique().to_list() == ["ipc-b"]
    assert one(run.events, event="unix_connect", name=address)["peer_container_name"] == "ipc-a"
