"""Names of peers: from answers that pass by, and asked for."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time

import polars as pl
import pytest

from eunomia.trackers.tcp.names import PeerNames
from tests.collect import collecting
from tests.trackers.tcp.test_dns import POINTER, answer
from tests.waiting import until

pytestmark = pytest.mark.kernel


def _say(name: str, address: str) -> None:
    """A server's answer passes by."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.53.9.8", 53))
        server.sendto(answer(name, (POINTER, 1, socket.inet_aton(address))), ("127.53.9.8", 9))


def test_an_answer_seen_is_believed(nothing_left: None) -> None:
    names = PeerNames()
    try:
        _say("shop.example.com", "127.44.55.66")
        until(lambda: names.get("127.44.55.66") == "shop.example.com")
    finally:
        names.close()


def test_others_are_looked_up() -> None:
    names = PeerNames()
    try:
        assert names.get("127.0.0.1") is None  # nobody waits
        until(lambda: names.get("127.0.0.1") is not None)
        assert names.get("127.0.0.1") == socket.gethostbyaddr("127.0.0.1")[0]
    finally:
        names.close()


def test_no_thread_is_left_after_more_questions_than_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def slow(_address: str) -> tuple[str, list[str], list[str]]:
        answered.wait(20)
        return "late.example.com", [], []

    monkeypatch.setattr(socket, "gethostbyaddr", slow)
    names = PeerNames()
    for number in range(3_000):
        names.get(f"127.1.{number // 256}.{number % 256}")
    names.close()
    answered.set()
    until(lambda: not [one for one in threading.enumerate() if one.name == "eunomia-resolve"])


CONNECT = """
import socket
server = socket.create_server(("127.44.55.77", 0))
client = socket.create_connection(server.getsockname()); client.close()
"""


def test_column(nothing_left: None) -> None:
    with collecting("tcp", resolve=True) as run:
        for _ in range(10):  # listening begins with the run's first round
            _say("db.example.com", "127.44.55.77")
            time.sleep(0.2)
        child = subprocess.Popen([sys.executable, "-I", "-S", "-c", CONNECT])
        child.wait()
    events = run.events.filter(pl.col("pid") == child.pid)
    assert events.filter(event="connect")["peer_name"].to_list() == ["db.example.com"]
