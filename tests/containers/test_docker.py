"""The Docker client against canned answers, and against a daemon of its own."""

import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from eunomia.containers.docker import Docker, RuntimeUnavailable, time_ns
from eunomia.errors import EunomiaError, UsageError
from tests.dockerd import DockerDaemon, docker_daemon

PING = b"HTTP/1.0 200 OK\r\nApi-Version: 1.41\r\n\r\nOK"


@contextmanager
def answering(*answers: bytes) -> Iterator[tuple[str, list[str]]]:
    """A server on TCP that gives these answers in turn; yields its address and the request lines it gets."""
    server, asked = socket.create_server(("127.0.0.1", 0)), list[str]()

    def serve() -> None:
        for answer in answers:
            connection, _ = server.accept()
            with connection:
                asked.append(connection.recv(4096).split(b"\r\n")[0].decode())
                connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}", asked
    finally:
        server.close()


def ok(body: str) -> bytes:
    return b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + body.encode()


def test_asks_for_the_daemons_own_version() -> None:
    with answering(PING, ok('{"Version": "20.10.24"}'), ok("[]")) as (host, asked):
        docker = Docker(host)
        assert docker.version() == "20.10.24"
        assert docker.list() == []
    assert asked == ["GET /_ping HTTP/1.0", "GET /v1.41/version HTTP/1.0", "GET /v1.41/containers/json?all=1 HTTP/1.0"]


def test_own_name_among_links() -> None:
    one = '{"Id": "ab", "Names": ["/web/db", "/db"], "Image": "i", "State": "running", "Labels": null}'
    with answering(PING, ok(f"[{one}]")) as (host, _):
        assert Docker(host).list()[0].name == "db"


def test_refusal_is_told() -> None:
    with (
        answering(PING, b"HTTP/1.0 500 x\r\n\r\noh no") as (host, _),
        pytest.raises(RuntimeUnavailable, match=r"500 .*oh no"),
    ):
        Docker(host).list()


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.0\r\n\r\n", b"HTTP/1.0 200 OK\r\n"])
def test_something_else_listens(answer: bytes) -> None:
    with answering(answer) as (host, _), pytest.raises(RuntimeUnavailable, match="does not answer like"):
        Docker(host).list()


def test_silence_is_bounded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        began = time.monotonic()
        with pytest.raises(RuntimeUnavailable, match="in time"):
            Docker(f"tcp://127.0.0.1:{server.getsockname()[1]}", timeout_s=0.1).list()
        assert time.monotonic() - began < 2


def test_no_daemon(tmp_path: Path) -> None:
    with pytest.raises(RuntimeUnavailable, match="is Docker running") as caught:
        Docker(f"unix://{tmp_path}/s").list()
    assert isinstance(caught.value, EunomiaError)


@pytest.mark.parametrize(
    "host",
    ["ssh://me@there", "https://there:2376", "npipe:////./pipe/docker", "unix://rel", "there:2375", "", "tcp://"],
)
def test_addresses_of_other_kinds(host: str) -> None:
    with pytest.raises(UsageError, match="unix:///PATH"):
        Docker(host)


def test_times() -> None:
    assert time_ns("1970-01-01T00:00:01.5Z") == 1_500_000_000
    assert time_ns("2026-11-21T03:23:43.676640632Z") == 1795231423_676640632
    assert time_ns("2026-11-21T04:23:43.676640632+01:00") == 1795231423_676640632
    assert time_ns("2026-11-21T03:23:43Z") == 1795231423_000000000
    assert time_ns("0001-01-01T00:00:00Z") is None


@pytest.fixture(scope="module")
def daemon() -> Iterator[DockerDaemon]:
    with tempfile.TemporaryDirectory() as directory, docker_daemon(Path(directory)) as daemon:
        yield daemon


@pytest.mark.docker
def test_real_daemon(daemon: DockerDaemon) -> None:
    container = daemon.start("some-name", "sleep", "1000", options=["--label", "a=b"])
    made = daemon.api("POST", "/containers/create?name=idle", {"Image": "eunomia-test"})["Id"]
    docker = Docker(daemon.host)
    assert docker.version() == daemon.cli("version", "-f", "{{.Server.Version}}")
    listed = {one.id: one for one in docker.list()}
    assert (listed[container].name, listed[container].state) == ("some-name", "running")
    assert listed[container].labels == {"a": "b"}
    assert listed[made].state == "created"
    for key in (container, container[:12], "some-name"):
        found = docker.describe(key)
        assert found is not None
        assert (found.id, found.name, found.image, found.labels) == (container, "some-name", "eunomia-test", {"a": "b"})
        assert found.pid is not None
        assert f"/docker/{container}" in Path(f"/proc/{found.pid}/cgroup").read_text()
        assert found.started_ns is not None
        assert 0 < time.time_ns() - found.started_ns < 60_000_000_000
    idle = docker.describe("idle")
    assert idle is not None
    assert (idle.pid, idle.started_ns, idle.state) == (None, None, "created")
    daemon.remove("some-name", "idle", "never-was")


@pytest.mark.docker
@pytest.mark.parametrize("unknown", ["nope", "", "..", "a/b", "x?y", "\n", "%2e"])
def test_real_daemon_unknown_container(daemon: DockerDaemon, unknown: str) -> None:
    assert Docker(daemon.host).describe(unknown) is None


@pytest.mark.docker
def test_many_at_once(daemon: DockerDaemon) -> None:
    ids = daemon.launch_many(6, "many", "sleep", "1000")
    listed = {one.id: one.name for one in Docker(daemon.host).list()}
    assert [listed[one] for one in ids] == [f"many{number}" for number in range(6)]
    daemon.remove(*ids)
    assert not {one.id for one in Docker(daemon.host).list()} & set(ids)
