"""gRPC over a Unix socket: questions with one answer, and streams of answers.

On top of h2, which brings HTTP/2 in 1.3 MB and 11 ms. grpcio would bring 20 MB and threads of its own, for a protocol
that is a few lines beyond HTTP/2 (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError

from eunomia.containers.http import connect, hang_up, reason
from eunomia.containers.runtime import RuntimeUnavailable

NOT_FOUND, UNIMPLEMENTED = 5, 12
_LARGEST = 64 << 20
"""No answer is taken that is larger: a socket may belong to anybody."""


class GrpcError(RuntimeUnavailable):
    """A question was answered with an error.

    Attributes:
        status: its number (google.rpc.Code).
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Channel:
    """A server that answers. Each question is a connection of its own: it may be used by any thread.

    Args:
        address: unix:///PATH.
        timeout_s: bound, in seconds, on connecting and on each wait for more of an answer.
        who: what listens there, for messages.
    """

    def __init__(self, address: str, timeout_s: float, who: str) -> None:
        self.address = address
        self.who = who
        self._path = address.removeprefix("unix://")
        self._timeout_s = timeout_s

    def ask(self, method: str, request: bytes, metadata: Mapping[str, str] | None = None) -> bytes:
        """The one answer to a question.

        Args:
            method: /package.Service/Method.
            request: the message.
            metadata: further headers.

        Raises:
            GrpcError: it is refused.
            RuntimeUnavailable: there is no answer.
        """
        stream = self.stream(method, request, metadata, timeout_s=self._timeout_s)
        try:
            return b"".join(stream)
        finally:
            stream.close()

    def stream(
        self,
        method: str,
        request: bytes,
        metadata: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Stream:
        """The answers to a question as they come; without `timeout_s` it is waited for them without a bound.

        Raises:
            RuntimeUnavailable: nobody listens.
        """
        try:
            connection = connect(self._path, self._timeout_s)
            connection.settimeout(timeout_s)
            stream = Stream(connection, self)
            stream.send(method, request, metadata or {})
        except OSError as error:
            raise self.unreachable(error) from error
        return stream

    def unreachable(self, error: OSError) -> RuntimeUnavailable:
        """What a failure of the socket means."""
        return RuntimeUnavailable(f"no {self.who} at {self.address}: {reason(error, self.who)}")


class Stream:
    """Messages as they come in. Another thread may only `close` it, which ends the iteration."""

    def __init__(self, connection: socket.socket, channel: Channel) -> None:
        self._connection = connection
        self._channel = channel
        self._http = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._data = bytearray()
        self._ended = False

    def send(self, method: str, request: bytes, metadata: Mapping[str, str]) -> None:
        """Puts the question."""
        self._http.initiate_connection()
        stream = self._http.get_next_available_stream_id()
        headers = [
            *((":method", "POST"), (":scheme", "http"), (":path", method), (":authority", "localhost")),
            *(("te", "trailers"), ("content-type", "application/grpc"), ("user-agent", "eunomia")),
            *metadata.items(),
        ]
        self._http.send_headers(stream, headers)
        framed = b"\0" + len(request).to_bytes(4, "big") + request
        # A question may be larger than the window that the server opens at first: 64 KiB, in frames of 16.
        while True:
            room = min(self._http.local_flow_control_window(stream), self._http.max_outbound_frame_size)
            part, framed = framed[:room], framed[room:]
            self._http.send_data(stream, part, end_stream=not framed)
            self._connection.sendall(self._http.data_to_send())
            if not framed:
                return
            while not self._http.local_flow_control_window(stream):
                self._receive()

    def __iter__(self) -> Iterator[bytes]:
        """Raises as `Channel.ask` does."""
        while True:
            while (message := self._message()) is not None:
                yield message
            if self._ended:
                return
            try:
                self._receive()
            except OSError as error:
                raise self._channel.unreachable(error) from error

    def _message(self) -> bytes | None:
        """The next whole message; a byte says whether it is compressed, which nobody has asked for, four its size."""
        if len(self._data) < 5:
            return None
        size = int.from_bytes(self._data[1:5], "big")
        if self._data[0] or size > _LARGEST:
            raise RuntimeUnavailable(f"{self._channel.address} does not answer like a {self._channel.who}")
        if len(self._data) < 5 + size:
            return None
        message = bytes(self._data[5 : 5 + size])
        del self._data[: 5 + size]
        return message

    def _receive(self) -> None:
        received = self._connection.recv(1 << 16)
        if not received:
            raise RuntimeUnavailable(f"{self._channel.who} at {self._channel.address} has hung up")
        try:
            for event in self._http.receive_data(received):
                self._take(event)
        except ProtocolError as error:
            raise RuntimeUnavailable(
                f"{self._channel.address} does not answer like a {self._channel.who}: {error}"
            ) from error
        self._connection.sendall(self._http.data_to_send())

    def _take(self, event: Event) -> None:
        if isinstance(event, DataReceived):
            self._data += event.data
            if event.flow_controlled_length:
                self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, ResponseReceived | TrailersReceived):
            self._check({str(name): str(value) for name, value in event.headers or ()})
        elif isinstance(event, StreamEnded):
            self._ended = True
        elif isinstance(event, StreamReset | ConnectionTerminated):
            raise RuntimeUnavailable(f"{self._channel.who} at {self._channel.address} has broken off")

    def _check(self, headers: Mapping[str, str]) -> None:
        """An answer without data has its status in the headers, any other in the trailers."""
        status = headers.get("grpc-status", "0")
        if headers.get(":status", "200") != "200" or status != "0":
            told = unquote(headers.get("grpc-message", "")) or f"status {headers.get(':status', status)}"
            number = int(status) if status.isdecimal() else -1
            raise GrpcError(f"{self._channel.who} at {self._channel.address}: {told}", number)

    def close(self) -> None:
        """Ends it at once, whoever waits in it."""
        hang_up(self._connection)
