"""Alerts to files, syslog and the journal of this machine, by what really listens there."""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path

import pytest

from eunomia.errors import UsageError
from eunomia.sinks.alerts.destination import Unavailable
from eunomia.sinks.alerts.file import RotatingFile
from eunomia.sinks.alerts.journald import Journald
from eunomia.sinks.alerts.syslog import Address, Syslog
from tests.sinks.alerts.samples import alert

RFC5424 = re.compile(
    r"<(\d+)>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (\S+) (\S+) (\S+) (\S+) (-|\[.*\]) \ufeff(.*)", re.DOTALL
)


def listen(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.bind(str(path))
    made.settimeout(5)
    return made


def test_a_file_is_rotated(tmp_path: Path) -> None:
    path = tmp_path / "alerts.json"
    line = len(json.dumps(alert(message="00"), separators=(",", ":"))) + 1
    file = RotatingFile(path, 3 * line, 2)
    for number in range(10, 22):
        file.send([alert(message=str(number))])
    found = {
        one.name: [json.loads(text)["message"] for text in one.read_text().splitlines()] for one in tmp_path.iterdir()
    }
    assert found == {
        "alerts.json": ["19", "20", "21"],
        "alerts.json.1": ["16", "17", "18"],
        "alerts.json.2": ["13", "14", "15"],
    }
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_was_moved_away_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "alerts.json"
    file = RotatingFile(path, 0, 0)
    file.send([alert()])
    path.rename(tmp_path / "old")
    file.send([alert(), alert()])
    assert [len(one.read_text().splitlines()) for one in (tmp_path / "old", path)] == [1, 2]


def test_without_predecessors_a_file_begins_again(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "a", 1000, 0)
    for _ in range(10):
        file.send([alert()])
    assert [one.name for one in tmp_path.iterdir()] == ["a"]
    assert 0 < (tmp_path / "a").stat().st_size <= 1000


def test_a_full_disk(small_disk: Path) -> None:
    file = RotatingFile(small_disk / "a", 0, 0)
    with pytest.raises(Unavailable, match="No space left"):
        for _ in range(1000):
            file.send([alert(), alert()])
    whole = (small_disk / "a").read_text()
    assert whole.endswith("\n")
    assert len(whole.splitlines()) % 2 == 0
    (small_disk / "a").unlink()
    file.send([alert()])
    assert json.loads((small_disk / "a").read_text()) == alert()
    file.close()


def test_a_file_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no/a: No such file .*; create its directory first"):
        RotatingFile(tmp_path / "no" / "a", 0, 0)


def test_syslog_by_datagram(tmp_path: Path) -> None:
    with listen(tmp_path / "log") as server:
        syslog = Syslog(Address(f"unix://{tmp_path / 'log'}"), "authpriv")
        syslog.send([alert(), alert(level="event", message="two\nlines", container_name=None, count=3)])
        first, second = (RFC5424.fullmatch(server.recv(65536).decode()) for _ in range(2))
    assert first
    assert second
    assert first.groups() == (
        str(10 * 8 + 1), "2026-03-04T05:06:07.890123Z", "n1", "eunomia", "-", "alert", "-",
        "ALERT Shadow read | web | cat read /etc/shadow",
    )  # fmt: skip
    assert second[1] == str(10 * 8 + 6)
    assert second[8] == "EVENT Shadow read | 0123456789ab | two lines (3 times)"


def test_syslog_as_json_by_udp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        port = server.getsockname()[1]
        syslog = Syslog(Address(f"udp://127.0.0.1:{port}"), as_json=True)
        syslog.send([alert()])
        found = RFC5424.fullmatch(server.recv(65536).decode())
        assert found
        assert json.loads(found[8].removeprefix("@cee: ")) == alert()
        syslog.send([alert(message="x" * 70000)])
        assert len(server.recv(65536)) == 8192
    with pytest.raises(Unavailable, match="refused") as caught:
        for _ in range(3):
            syslog.send([alert()] * 3)
    assert caught.value.taken < 3


def test_syslog_by_tcp_comes_back() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    syslog = Syslog(Address(f"tcp://127.0.0.1:{server.getsockname()[1]}"))
    syslog.send([alert(message="one"), alert(message="zwö")])
    with server.accept()[0] as connection:
        text = connection.recv(65536)
        size, rest = text.split(b" ", 1)
        first, rest = rest[: int(size)], rest[int(size) :]
        assert first.endswith(b"one")
        size, rest = rest.split(b" ", 1)
        assert len(rest) == int(size)
        assert rest.decode().endswith("zwö")
    syslog.send([alert(message="three")])  # the connection was closed: another one
    with server.accept()[0] as connection:
        assert connection.recv(65536).endswith(b"three")
    server.close()
    with pytest.raises(Unavailable, match="syslog at tcp://127"):
        syslog.send([alert()])


@pytest.mark.parametrize("text", ["/dev/log", "unix://", "unix://log", "tcp://", "http://x", "tcp://x:y", "udp://:514"])
def test_no_syslog_address(text: str) -> None:
    with pytest.raises(UsageError):
        Address(text)


def entry(data: bytes) -> dict[str, str]:
    """A journal entry, read as the protocol's description says."""
    found = {}
    while data:
        line, _, rest = data.partition(b"\n")
        if b"=" in line:
            name, _, value = line.partition(b"=")
            data = rest
        else:
            name, size = line, int.from_bytes(rest[:8], "little")
            value, data = rest[8 : 8 + size], rest[8 + size + 1 :]
        found[name.decode()] = value.decode()
    return found


def test_the_journal(tmp_path: Path) -> None:
    made = Journald(tmp_path / "socket")
    with pytest.raises(Unavailable, match="No such file"):
        made.send([alert()])
    with listen(tmp_path / "socket") as server:
        made.send([alert(), alert(level="warning", message="two\nlines=2", pid=None)])
        first, second = (entry(server.recv(1 << 20)) for _ in range(2))
        assert first["MESSAGE"] == "ALERT Shadow read | web | cat read /etc/shadow"
        assert (first["PRIORITY"], first["EUNOMIA_RULE"], first["OBJECT_PID"]) == ("1", "Shadow read", "42")
        assert json.loads(first["EUNOMIA_ALERT"]) == alert()
        assert second["MESSAGE"].endswith("| web | two\nlines=2")
        assert second["PRIORITY"] == "4"
        assert "OBJECT_PID" not in second
        made.send([alert(message="x" * 1_000_000)])
        data, passed, _, _ = socket.recv_fds(server, 1, 1)
        with os.fdopen(passed[0], "rb") as file:
            assert not data
            file.seek(0)
            assert entry(file.read())["MESSAGE"].endswith("x" * 1_000_000)
