"""A few pages over HTTP, and clients that misbehave."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Iterator
from email.message import Message
from http import HTTPStatus
from http.client import HTTPConnection, HTTPResponse
from threading import Event

import pytest

from eunomia.errors import UsageError
from eunomia.server.http import Answer, PageServer

_LONG = b"metric 1\n" * 1000
told: list[str] = []
let_go = Event()


def _slow(_headers: Message) -> Answer:
    let_go.wait(30)
    return Answer(b"late\n")


def _broken(_headers: Message) -> Answer:
    raise RuntimeError("no such luck")


PAGES = {
    "/short": lambda headers: Answer(f"{headers.get('Accept', 'nothing')}\n".encode()),
    "/long": lambda _headers: Answer(_LONG),
    "/unwell": lambda _headers: Answer(b"unwell\n", status=HTTPStatus.SERVICE_UNAVAILABLE),
    "/slow": _slow,
    "/broken": _broken,
}


@pytest.fixture
def server() -> Iterator[PageServer]:
    """One that soon loses its patience."""
    told.clear()
    let_go.clear()
    with PageServer(("127.0.0.1", 0), PAGES, told.append, patience_s=0.5) as made:
        yield made
        let_go.set()


def ask(server: PageServer, path: str, method: str = "GET", **headers: str) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection(*server.address, timeout=20)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def test_pages(server: PageServer) -> None:
    answer, body = ask(server, "/short?a=b", Accept="text/html")
    assert (answer.status, body) == (200, b"text/html\n")
    assert ask(server, "/unwell")[0].status == 503
    assert ask(server, "/short", "POST")[0].status == 501


def test_the_same_without_its_body(server: PageServer) -> None:
    answer, body = ask(server, "/long", "HEAD")
    assert (answer.headers["Content-Length"], body) == (str(len(_LONG)), b"")


def test_what_is_not_there_says_what_is(server: PageServer) -> None:
    answer, body = ask(server, "/metric")
    assert answer.status == 404
    assert b"/short, /long" in body


def test_compressed_for_who_takes_it(server: PageServer) -> None:
    answer, body = ask(server, "/long", Accept_Encoding="gzip")
    assert (answer.headers["Content-Encoding"], gzip.decompress(body)) == ("gzip", _LONG)
    answer, body = ask(server, "/long")
    assert (answer.headers["Content-Encoding"], body) == (None, _LONG)


def test_a_page_that_fails_is_told_of_and_the_next_one_works(server: PageServer) -> None:
    answer, body = ask(server, "/broken")
    assert (answer.status, b"no such luck" in body) == (500, True)
    assert "no such luck" in told[0]
    assert ask(server, "/short")[0].status == 200


def test_ipv6() -> None:
    with PageServer(("::1", 0), PAGES, told.append) as server:
        assert server.url == f"http://[::1]:{server.address[1]}"
        assert ask(server, "/short")[0].status == 200


def test_an_address_in_use(server: PageServer) -> None:
    with pytest.raises(UsageError, match=rf"{server.address[1]}: address already in use; .*--listen"):
        PageServer(server.address, PAGES, told.append)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])
def test_an_address_that_is_not_ours(host: str) -> None:
    with pytest.raises(UsageError, match=f"cannot listen on {host}"):
        PageServer((host, 0), PAGES, told.append)


def _connect(server: PageServer) -> socket.socket:
    return socket.create_connection(server.address, timeout=20)


def test_who_says_nothing_and_who_says_it_slowly_lose_their_place(server: PageServer) -> None:
    idle = [_connect(server) for _ in range(8)]
    for one in idle[4:]:
        one.sendall(b"GET /long HTTP/1.1\r\n")
    refused = _connect(server)
    assert b"503" in refused.recv(100)  # there is no thread left for anybody else
    for one in idle[4:]:
        one.sendall(b"X: 1\r\n")
    assert [one.recv(1) for one in idle] == [b""] * 8  # patience is over for all of them
    assert _until_answered(server) == b"nothing\n"
    for one in (*idle, refused):
        one.close()


def _until_answered(server: PageServer) -> bytes:
    """Threads that were let go of need a moment to end."""
    end = time.monotonic() + 20
    while True:
        answer, body = ask(server, "/short")
        if answer.status == 200 or time.monotonic() > end:
            return body
        time.sleep(0.02)


def test_who_does_not_read_holds_nobody_up(server: PageServer) -> None:
    one = _connect(server)
    one.sendall(b"GET /slow HTTP/1.0\r\n\r\n")
    assert ask(server, "/short")[0].status == 200
    one.close()


@pytest.mark.parametrize(
    "odd", [b"\r\n\r\n", b"\x16\x03\x01\x02", b"GET\r\n", b"GET /short\r\n", b"A" * 70_000 + b"\r\n"]
)
def test_odd_requests(server: PageServer, odd: bytes) -> None:
    with _connect(server) as one:
        one.sendall(odd)
        one.shutdown(socket.SHUT_WR)
        while one.recv(1 << 16):
            pass
    assert ask(server, "/short")[0].status == 200
    assert told == []


def test_closing_again_does_nothing(server: PageServer) -> None:
    server.close()
    server.close()
    with pytest.raises(ConnectionRefusedError):
        _connect(server)
