"""Run in a guest whose kernel has BPF LSM: a policy holds a container that runc has started, and nobody else."""

from __future__ import annotations

import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from eunomia.containers.inspection import container_hierarchy
from eunomia.host.roots import Roots
from tests.guest import container
from tests.guest.container import Container
from tests.guest.inside_lsm import ID, PATIENCE_S, applied

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("nothing_left")]

OTHER_ID = "0123456789abcdef" * 4
REFUSED = "Operation not permitted"  # EPERM; by ordinary permissions it would be EACCES
WRITE = "echo x >> /kept/file"
ALLOWED = "echo x >> /free/file; date; mkdir /free/d && rmdir /free/d"


@pytest.fixture(scope="module", autouse=True)
def _machine() -> None:
    container.prepare()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Container]:
    """The container that a policy is for."""
    with container.running(tmp_path / "web", ID) as made:
        yield made


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Container]:
    """One that is alike, and that nobody has named."""
    with container.running(tmp_path / "other", OTHER_ID) as made:
        yield made


@pytest.fixture
def port() -> Iterator[int]:
    """Somebody answers there."""
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        number: int = server.server_address[1]
        yield number
        server.shutdown()
        serving.join()


def _policy(directory: Path, text: str) -> Path:
    file = directory / "policy.toml"
    file.write_text(text)
    return file


def _denied(port: int) -> tuple[str, dict[str, str]]:
    """A policy, and what it denies: what is told -> how it is tried."""
    text = f"""
[exec]
deny = ["/opt/date"]
[write]
deny = ["/kept/"]
[connect]
deny = ["127.0.0.1:{port}"]
[sockets]
deny = ["netlink"]
[capabilities]
deny = ["CAP_CHOWN"]
"""
    lines = {
        "exec /opt/date": "/opt/date",
        "write /kept/file": WRITE,
        f"connect 127.0.0.1:{port}": f"nc 127.0.0.1 {port} < /dev/null",
        "socket netlink": "ip link",
        "capability CAP_CHOWN": "chown 1:1 /free/file",
    }
    return text, lines


def test_a_container_is_held_and_nobody_else(tmp_path: Path, web: Container, other: Container, port: int) -> None:
    """Who runs, who enters later, and what starts again by the same id; until the policy is lifted."""
    text, denied = _denied(port)
    lines = denied.values()
    for what, (code, said) in zip(denied, web.does(*lines), strict=True):
        assert code == 0, (what, said)
    with applied(_policy(tmp_path, text)) as run:
        for way in (web.does, web.execs):
            for what, (code, said) in zip(denied, way(*lines), strict=True):
                assert code != 0, what
                assert REFUSED in said, (what, said)
            assert way(ALLOWED)[0].code == 0
        for way in (web.beside, other.does, other.execs):
            assert {code for code, _ in way(*lines)} == {0}
        with run.paused():  # what is told of a container is read when that is over
            web.does(*lines)
            web.end()
        web.start()
        _until_held(web)
        with _moved_below(web):
            assert all(REFUSED in said for _, said in web.does(*lines))
            told, _ = run.end()
    assert {f"{one['event']} {one['object']}" for one in told} == set(denied)
    assert {one["container_id"] for one in told} == {ID[:12]}
    assert {code for code, _ in web.does(*lines)} == {0}
    assert not list(Path("/sys/fs/bpf").iterdir())


def _until_held(held: Container) -> None:
    """It is as soon as its id is known."""
    end = time.monotonic() + PATIENCE_S
    while REFUSED not in held.does(WRITE)[0].said:
        assert time.monotonic() < end
        time.sleep(0.1)


@contextmanager
def _moved_below(held: Container) -> Iterator[None]:
    """Its first process is put into a cgroup of the container's own by somebody outside."""
    above = Path(container_hierarchy(Roots()).mount, "docker", ID)
    below = above / "below"
    below.mkdir()
    (below / "cgroup.procs").write_text(str(held.pid))
    try:
        yield
    finally:
        (above / "cgroup.procs").write_text(str(held.pid))
        below.rmdir()


@contextmanager
def _held_cgroup() -> Iterator[str]:
    """A container's cgroup, so that any made below it is held from its first moment; gives its path."""
    above = Path(container_hierarchy(Roots()).mount, "docker", ID)
    (above / "keeper").mkdir(parents=True)
    keeper = subprocess.Popen(["sleep", "3600"])
    (above / "keeper/cgroup.procs").write_text(str(keeper.pid))
    try:
        yield f"/docker/{ID}"
    finally:
        keeper.kill()
        keeper.wait()
        (above / "keeper").rmdir()
        above.rmdir()


def test_a_runtime_does_its_work_whatever_the_container_may(tmp_path: Path) -> None:
    """Starting one, and entering it, takes what its policy denies: capabilities, mounts, files. So does an overlay."""
    text = """
[exec]
allow = ["/bin/busybox"]
[write]
allow = ["/free/"]
[connect]
allow = []
[sockets]
allow = []
[capabilities]
allow = []
"""
    denied = {"write /kept/file": WRITE, "capability CAP_CHOWN": "chown 1:1 /free/file", "exec /opt/date": "/opt/date"}
    with _held_cgroup() as above, applied(_policy(tmp_path, text)) as run:
        with container.running(tmp_path / "below", OTHER_ID, f"{above}/below") as below:
            for way in (below.does, below.execs):
                allowed, *others = way(ALLOWED, *denied.values())
                assert allowed.code == 0, allowed
                assert all(REFUSED in said for _, said in others)
        told, _ = run.end()
    assert {f"{one['event']} {one['object']}" for one in told} == set(denied)  # nothing of the runtime's
