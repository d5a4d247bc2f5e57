"""gRPC against a server of h2's own that misbehaves as a test says; a real one is in test_containerd.py."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, StreamEnded

from eunomia.containers.grpc import Channel, GrpcError
from eunomia.containers.runtime import RuntimeUnavailable

Answer = Callable[[H2Connection, int], None]
HEADERS = [(":status", "200"), ("content-type", "application/grpc")]


def framed(message: bytes, flag: int = 0) -> bytes:
    return bytes([flag]) + len(message).to_bytes(4, "big") + message


@contextmanager
def serving(path: Path, answer: Answer | bytes) -> Iterator[Channel]:
    """A server for one question: speaks HTTP/2, or says just these bytes."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            if isinstance(answer, bytes):
                connection.sendall(answer)
                return
            http = H2Connection(H2Configuration(client_side=False))
            http.initiate_connection()
            connection.sendall(http.data_to_send())
            while True:
                for event in http.receive_data(connection.recv(1 << 16)):
                    if isinstance(event, DataReceived) and event.flow_controlled_length:
                        http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    if isinstance(event, StreamEnded):
                        answer(http, event.stream_id)
                        connection.sendall(http.data_to_send())
                        connection.settimeout(5)
                        while connection.recv(1 << 16):  # until the other side hangs up
                            pass
                        return
                connection.sendall(http.data_to_send())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Channel(f"unix://{path}", 0.5, "CRI runtime")
    finally:
        server.close()


def said(*messages: bytes, status: str = "0", told: str = "") -> Answer:
    def answer(http: H2Connection, stream: int) -> None:
        http.send_headers(stream, HEADERS)
        http.send_data(stream, b"".join(framed(one) for one in messages))
        http.send_headers(stream, [("grpc-status", status), ("grpc-message", told)], end_stream=True)

    return answer


def test_an_answer(tmp_path: Path) -> None:
    with serving(tmp_path / "s", said(b"hello")) as channel:
        assert channel.ask("/a.B/C", b"x") == b"hello"


def test_a_question_larger_than_the_window(tmp_path: Path) -> None:
    with serving(tmp_path / "s", said(b"ok")) as channel:
        assert channel.ask("/a.B/C", b"x" * 300_000) == b"ok"


def test_several(tmp_path: Path) -> None:
    with serving(tmp_path / "s", said(b"a", b"", b"b")) as channel:
        assert list(channel.stream("/a.B/C", b"")) == [b"a", b"", b"b"]


def test_refused(tmp_path: Path) -> None:
    with serving(tmp_path / "s", said(status="12", told="unknown%20service")) as channel:
        with pytest.raises(GrpcError, match="unknown service") as caught:
            channel.ask("/a.B/C", b"")
    assert caught.value.status == 12


def test_refused_at_once(tmp_path: Path) -> None:
    def answer(http: H2Connection, stream: int) -> None:
        http.send_headers(stream, [*HEADERS, ("grpc-status", "5"), ("grpc-message", "no")], end_stream=True)

    with serving(tmp_path / "s", answer) as channel, pytest.raises(GrpcError, match="no"):
        channel.ask("/a.B/C", b"")


@pytest.mark.parametrize("nonsense", [b"", b"HTTP/1.0 200 OK\r\n\r\nhello", b"SSH-2.0-OpenSSH_9\r\n", b"\0" * 100])
def test_something_else_listens(nonsense: bytes, tmp_path: Path) -> None:
    with serving(tmp_path / "s", nonsense) as channel, pytest.raises(RuntimeUnavailable):
        channel.ask("/a.B/C", b"")


@pytest.mark.parametrize("flag_and_size", [b"\1\0\0\0\1x", b"\0\xff\xff\xff\xffx"])
def test_messages_nobody_can_take(flag_and_size: bytes, tmp_path: Path) -> None:
    def answer(http: H2Connection, stream: int) -> None:
        http.send_headers(stream, HEADERS)
        http.send_data(stream, flag_and_size)

    with serving(tmp_path / "s", answer) as channel, pytest.raises(RuntimeUnavailable, match="does not answer like"):
        channel.ask("/a.B/C", b"")


def test_broken_off(tmp_path: Path) -> None:
    with serving(tmp_path / "s", lambda http, stream: http.reset_stream(stream)) as channel:
        with pytest.raises(RuntimeUnavailable, match="broken off"):
            channel.ask("/a.B/C", b"")


def test_silence_is_bounded(tmp_path: Path) -> None:
    with serving(tmp_path / "s", lambda _http, _stream: None) as channel:
        began = time.monotonic()
        with pytest.raises(RuntimeUnavailable, match="in time"):
            channel.ask("/a.B/C", b"")
        assert time.monotonic() - began < 3


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(RuntimeUnavailable, match="no such socket"):
        Channel(f"unix://{tmp_path}/none", 1, "CRI runtime").ask("/a.B/C", b"")


def test_closed_by_another_thread(tmp_path: Path) -> None:
    with serving(tmp_path / "s", lambda http, stream: http.send_headers(stream, HEADERS)) as channel:
        stream = channel.stream("/a.B/C", b"")
        threading.Timer(0.1, stream.close).start()
        with pytest.raises(RuntimeUnavailable):
            list(stream)
