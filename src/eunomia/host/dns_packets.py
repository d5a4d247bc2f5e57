"""DNS answers that come by this machine's network interfaces, those of containers among them."""

from __future__ import annotations

import ctypes
import os
import select
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack

_ETH_P_ALL = 0x0003
_SO_ATTACH_FILTER = 26  # include/uapi/asm-generic/socket.h
_MOST_BYTES = 0xFFFF
_IPV6_HEADER = 40
_UDP_HEADER = 8
_UDP = 17
_DNS = 53

# In the kernel's small language for packets (Documentation/networking/filter.rst): UDP from port 53, else nothing.
# Operation, steps to skip if true and if false, operand.
_FILTER = (
    (0x30, 0, 0, 0),  # A = first byte, whose upper half is the version of IP
    (0x54, 0, 0, 0xF0),
    (0x15, 0, 7, 0x40),  # IPv4, or look for IPv6
    (0x30, 0, 0, 9),  # A = protocol
    (0x15, 0, 11, _UDP),
    (0x28, 0, 0, 6),  # A = place of the fragment
    (0x45, 9, 0, 0x1FFF),  # not the first one
    (0xB1, 0, 0, 0),  # X = length of the IP header
    (0x48, 0, 0, 0),  # A = source port
    (0x15, 5, 6, _DNS),
    (0x15, 0, 5, 0x60),  # IPv6
    (0x30, 0, 0, 6),  # A = next header
    (0x15, 0, 3, _UDP),
    (0x28, 0, 0, _IPV6_HEADER),  # A = source port
    (0x15, 0, 1, _DNS),
    (0x06, 0, 0, _MOST_BYTES),
    (0x06, 0, 0, 0),
)


def _attach_filter(capture: socket.socket) -> None:
    """struct sock_fprog: a length and a pointer to the instructions."""
    instructions = b"".join(struct.pack("HBBI", *one) for one in _FILTER)
    buffer = ctypes.create_string_buffer(instructions, len(instructions))
    program = struct.pack("HxxxxxxP", len(_FILTER), ctypes.addressof(buffer))
    capture.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def payload(packet: bytes) -> bytes | None:
    """What a packet from UDP port 53 carries; None for any other."""
    if packet[:1] and packet[0] >> 4 == 6:
        start, protocol = _IPV6_HEADER, packet[6:7]
    else:
        start, protocol = (packet[0] & 15) * 4 if packet else 0, packet[9:10]
    udp = packet[start : start + _UDP_HEADER]
    if protocol != bytes([_UDP]) or len(udp) < _UDP_HEADER or int.from_bytes(udp[:2], "big") != _DNS:
        return None
    return packet[start + _UDP_HEADER :]


class DnsPackets:
    """Sees them until it is closed. It costs a look at every packet of the machine, and a copy of these.

    Raises:
        PermissionError: CAP_NET_RAW is missing.
        OSError: the kernel has no packet sockets.
    """

    def __init__(self) -> None:
        with ExitStack() as undo:
            self._capture = undo.enter_context(
                socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
            )
            _attach_filter(self._capture)  # what has come before it, `payload` sorts out
            self._wake = os.eventfd(0, os.EFD_CLOEXEC)
            undo.pop_all()

    def __iter__(self) -> Iterator[bytes]:
        """DNS messages as they come, until `stop`."""
        ready = select.poll()
        for fd in (self._capture.fileno(), self._wake):
            ready.register(fd, select.POLLIN)
        while self._wake not in (fd for fd, _ in ready.poll()):
            message = payload(self._capture.recv(_MOST_BYTES))
            if message is not None:
                yield message

    def stop(self) -> None:
        """Ends the iteration, from another thread."""
        os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """Frees everything; nobody may iterate any more."""
        self._capture.close()
        os.close(self._wake)
