"""Run in a guest whose kernel has BPF LSM: a policy holds a container that runc has started, and nobody else."""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guest import container
from tests.guest.container import Container
from tests.guest.inside_lsm import ID, PATIENCE_S, Applied, applied

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("nothing_left")]

OTHER_ID = "0123456789abcdef" * 4
REFUSED = "Operation not permitted"  # EPERM; of ordinary permissions it would be EACCES
DONE = 0


@pytest.fixture(scope="module", autouse=True)
def _root() -> None:
    container.leave_initramfs()


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
    """A policy, and what it denies: what is told -> how to try it."""
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
        "write /kept/file": "echo x >> /kept/file",
        f"connect 127.0.0.1:{port}": f"nc 127.0.0.1 {port} < /dev/null",
        "socket netlink": "ip link",
        "capability CAP_CHOWN": "chown 1:1 /free/file",
    }
    return text, lines


def test_a_container_is_held_and_nobody_else(tmp_path: Path, web: Container, other: Container, port: int) -> None:
    """Who runs, who enters later, and what starts again by the same id; until the policy is lifted."""
    text, lines = _denied(port)
    allowed = "echo x >> /free/file; date; mkdir /tmp/d; rmdir /tmp/d"
    beyond = (web.beside, other.does, other.execs)
    for line in lines.values():
        assert web.does(line)[0] == DONE, line
    with applied(_policy(tmp_path, text)) as run:
        for way in (web.does, web.execs):
            for line in lines.values():
                code, said = way(line)
                assert code != DONE, line
                assert REFUSED in said, (line, said)
            assert way(allowed)[0] == DONE
        for free in beyond:
            assert [free(line)[0] for line in lines.values()] == [DONE] * len(lines)
        web.end()
        web.start()
        _until_refused(web, "echo x >> /kept/file")
        for line in lines.values():
            assert REFUSED in web.does(line)[1], line
        told, _ = run.end()
    assert {f"{one['event']} {one['object']}" for one in told} == set(lines)
    assert {one["container_id"] for one in told} == {ID[:12]}
    for line in lines.values():
        assert web.does(line)[0] == DONE, line
    assert not list(Path("/sys/fs/bpf").iterdir())


def _until_refused(held: Container, line: str) -> None:
    """It is held as soon as its id is known."""
    end = time.monotonic() + PATIENCE_S
    while REFUSED not in held.does(line)[1]:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_the_runtime_does_its_work_whatever_the_container_may(tmp_path: Path, web: Container) -> None:
    """Starting one, and entering it, takes capabilities, mounts and files that its policy denies."""
    text = """
[exec]
allow = ["/bin/busybox"]
[write]
allow = ["/free/"]
[sockets]
allow = []
[connect]
allow = []
[capabilities]
allow = []
"""
    with applied(_policy(tmp_path, text)) as run:
        for _ in range(2):
            _until_refused(web, "echo x >> /kept/file")
            assert web.execs("echo x >> /free/file") == (DONE, "")
            assert REFUSED in web.execs("chown 1:1 /free/file")[1]
            assert REFUSED in web.execs("/opt/date")[1]
            web.end()
            web.start()
        run.end()
