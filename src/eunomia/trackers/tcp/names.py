"""Names of addresses: those that programs asked the DNS for, else those that the DNS has for the address."""

from __future__ import annotations

import socket
import time
from collections import OrderedDict
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Lock, Thread
from typing import TypeVar

from eunomia.host.dns_packets import DnsPackets
from eunomia.trackers.tcp.dns import answers

_REMEMBERED = 16_384
_WAITING = 1_024
_ASKERS = 4
_ASK_AGAIN_S = 300.0

Value = TypeVar("Value")


def _keep(names: OrderedDict[str, Value], address: str, value: Value) -> None:
    names[address] = value
    names.move_to_end(address)
    while len(names) > _REMEMBERED:
        names.popitem(last=False)


class PeerNames:
    """What addresses are called. Nothing here waits for anybody; two kinds of threads do.

    An answer that some program of this machine or of a container on it has got from the DNS is believed first: it has
    the very name that the program wanted. Other addresses are looked up as the host does it (/etc/hosts, then DNS,
    nsswitch.conf(5)); until the answer is there they have no name.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._seen: OrderedDict[str, str] = OrderedDict()
        self._asked: OrderedDict[str, tuple[float, str | None]] = OrderedDict()
        self._questions: Queue[str | None] = Queue(_WAITING)
        self._packets: DnsPackets | None = None
        with suppress(OSError):  # without CAP_NET_RAW, or packet sockets in the kernel, it is asking alone
            self._packets = DnsPackets()
        self._listener = Thread(target=self._listen, name="eunomia-dns", daemon=True)
        self._listener.start()
        for _ in range(_ASKERS):
            Thread(target=self._ask, name="eunomia-resolve", daemon=True).start()

    def get(self, address: str) -> str | None:
        """The name of an address, if it has one that is known by now."""
        with self._lock:
            if address in self._seen:
                return self._seen[address]
            asked_s, name = self._asked.get(address, (0.0, None))
            now_s = time.monotonic()
            if asked_s and now_s < asked_s + _ASK_AGAIN_S:
                return name
            with suppress(Full):  # it comes round again with the next connection
                self._questions.put_nowait(address)
                _keep(self._asked, address, (now_s, name))
            return name

    def _listen(self) -> None:
        for message in self._packets or ():
            name, addresses = answers(message)
            with self._lock:
                for address in addresses if name else ():
                    _keep(self._seen, address, name)

    def _ask(self) -> None:
        while (address := self._questions.get()) is not None:
            name = None
            with suppress(OSError):
                name = socket.gethostbyaddr(address)[0]
            with self._lock:
                _keep(self._asked, address, (time.monotonic(), name))

    def close(self) -> None:
        """Ends the threads; one that still waits for the DNS ends when that has answered."""
        if self._packets is not None:
            self._packets.stop()
        self._listener.join()
        if self._packets is not None:
            self._packets.close()
        with suppress(Empty):  # nobody waits for these answers any more
            while True:
                self._questions.get_nowait()
        for _ in range(_ASKERS):
            self._questions.put_nowait(None)
