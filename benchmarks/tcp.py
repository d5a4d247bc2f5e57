"""What a TCP connection costs while each is reported: made, accepted and closed on loopback, next to other tools.

Output goes to /dev/null. tcplife reports each connection once, when it ends, and so does the bpftrace script. What the
tools themselves use comes on top. Last, that bytes cost nothing: a stream through one connection, CPU time a MB.
"""

from __future__ import annotations

import itertools
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from benchmarks import empty
from benchmarks.measure import Row, cpu_s, median_ratio
from benchmarks.spawning import used_s
from benchmarks.tools import EUNOMIA, peer, running, with_tracefs

_HOOKS = ("tp_btf/inet_sock_set_state", "tp_btf/inet_sock_set_state")  # what tcp takes without fexit
_SCRIPT = """
tracepoint:sock:inet_sock_set_state /args->protocol == 6 && args->newstate < 4/ { @[args->skaddr] = nsecs; }
tracepoint:sock:inet_sock_set_state /args->protocol == 6 && args->newstate == 7/ {
  printf("%d %s %s %d %s %d %llu\\n", pid, comm, ntop(args->saddr), args->sport, ntop(args->daddr), args->dport,
    nsecs - @[args->skaddr]);
  delete(@[args->skaddr]);
}
"""
_MB = 1 << 20
_REST_S = 1.5  # once attached, a tool still has this and that to begin with
_addresses = itertools.count(2)
Case = Callable[[], AbstractContextManager[int | None]]


def _server() -> socket.socket:
    """On an address of its own, so that ports in TIME_WAIT never run out."""
    return socket.create_server((f"127.77.{next(_addresses) % 250 + 1}.1", 0), backlog=16)


def connect(count: int) -> tuple[float, float]:
    """So many connections one after the other; gives wall clock and CPU time of one, both ends, in µs."""
    with _server() as server:
        address = server.getsockname()
        wall, used = time.perf_counter(), used_s()
        for _ in range(count):
            client = socket.socket()
            client.connect(address)
            accepted, _ = server.accept()
            client.close()
            accepted.close()
        return (time.perf_counter() - wall) / count * 1e6, (used_s() - used) / count * 1e6


def stream(megabytes: int) -> float:
    """So much through one connection; gives CPU time of a MB, both ends, in µs."""
    data, buffer = bytes(_MB // 16), bytearray(_MB // 16)
    with _server() as server, socket.create_connection(server.getsockname()) as client, server.accept()[0] as accepted:
        used = used_s()
        for _ in range(megabytes * 16):
            client.sendall(data)
            left = len(data)
            while left:
                left -= accepted.recv_into(buffer)
        return (used_s() - used) / megabytes * 1e6


@contextmanager
def _nothing() -> Iterator[None]:
    time.sleep(0.5)
    yield


@contextmanager
def _empty() -> Iterator[None]:
    with empty.attached(empty.compiled(_HOOKS)):
        time.sleep(0.5)
        yield


def _cases() -> dict[str, Case]:
    cases: dict[str, Case] = {"nothing": _nothing, "empty": _empty}
    cases["eunomia"] = lambda: running((*EUNOMIA, "run", "tcp", "--fmt", "json"))
    filtered = (*EUNOMIA, "run", "tcp", "--fmt", "json", "-p", "1")
    cases["eunomia, of another process"] = lambda: running(filtered)
    if tcplife := peer("tcplife-libbpf", "tcplife"):
        cases["tcplife (libbpf-tools)"] = lambda: running(with_tracefs([tcplife]))
    if peer("bpftrace"):
        cases["bpftrace"] = lambda: running(with_tracefs(["bpftrace", "-e", _SCRIPT]))
    return cases


def run(*, quick: bool) -> Iterator[Row]:
    """The benchmark."""
    rounds, count, megabytes = (2, 200, 20) if quick else (9, 5000, 200)
    cases = _cases()
    names = list(cases)
    wall: dict[str, list[float]] = {name: [] for name in names}
    cpu: dict[str, list[float]] = {name: [] for name in names}
    own: dict[str, list[float]] = {name: [] for name in names}
    bytes_: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        for place in range(len(names)):
            name = names[(turn + place) % len(names)]
            with cases[name]() as pid:
                if pid:
                    time.sleep(_REST_S)
                before = cpu_s(pid) if pid else 0.0
                one_wall, one_cpu = connect(count)
                if pid:
                    time.sleep(0.3)  # for what it still has to take
                    own[name].append((cpu_s(pid) - before) / count * 1e6)
                wall[name].append(one_wall)
                cpu[name].append(one_cpu)
                bytes_[name].append(stream(megabytes))
    yield Row("nothing: a connection, wall", statistics.median(wall["nothing"]), "µs")
    yield Row("nothing: a connection, CPU", statistics.median(cpu["nothing"]), "µs")
    for name in names[1:]:
        added = [one - base for one, base in zip(cpu[name], cpu["nothing"], strict=True)]
        yield Row(f"{name}: ratio of wall", median_ratio(wall[name], wall["nothing"]), "times")
        yield Row(f"{name}: ratio of CPU", median_ratio(cpu[name], cpu["nothing"]), "times")
        yield Row(f"{name}: CPU added to a connection", statistics.median(added), "µs")
        if own[name]:
            yield Row(f"{name}: its own CPU, a connection", statistics.median(own[name]), "µs")
        yield Row(f"{name}: ratio of CPU, a MB of a stream", median_ratio(bytes_[name], bytes_["nothing"]), "times")
