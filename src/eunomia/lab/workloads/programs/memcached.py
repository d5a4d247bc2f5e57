"""Asks a memcached on the loopback; fails when an answer is not what it should be."""

import socket

DIALOGUE = (
    (b"set key 0 0 5\r\nvalue\r\n", b"STORED\r\n"),
    (b"get key\r\n", b"VALUE key 0 5\r\nvalue\r\nEND\r\n"),
    (b"set n 0 0 2\r\n41\r\n", b"STORED\r\n"),
    (b"incr n 1\r\n", b"42\r\n"),
    (b"delete key\r\n", b"DELETED\r\n"),
    (b"set big 0 0 500000\r\n" + b"x" * 500000 + b"\r\n", b"STORED\r\n"),
    (b"flush_all\r\n", b"OK\r\n"),
)

connections = [socket.create_connection(("127.0.0.1", 11211), 10) for _ in range(8)]
for connection in connections:
    for question, expected in DIALOGUE:
        connection.sendall(question)
        answer = b""
        while len(answer) < len(expected):
            answer += connection.recv(4096) or exit(f"closed after {question[:20]!r}")
        if answer != expected:
            exit(f"{question[:20]!r}: {answer!r}")
connections[0].sendall(b"stats\r\n")
if not connections[0].recv(65536).startswith(b"STAT pid "):
    exit("no statistics")
