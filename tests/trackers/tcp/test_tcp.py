"""What the tcp tracker reports, against connections that the test's own programs make."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from eunomia.config import FilterConfig
from eunomia.host.roots import Roots
from eunomia.kernel.object import Settings
from eunomia.kernel.paths import object_file
from eunomia.kernel.spec import ObjectSpec
from eunomia.kernel.tracing import Tracing
from eunomia.trackers import registry
from tests.collect import Run, collecting
from tests.trackers.tcp.programs import play, running

pytestmark = pytest.mark.kernel

COMM = Path(sys.executable).name[:15]
BOTH_WAYS = """
server = serve({host!r}, socket.{family})
client, accepted = pair(server)
ends = client.getsockname()[:2], accepted.getsockname()[:2], server.getsockname()[1]
carry(client, accepted, {up}); carry(accepted, client, {down})
client.close(); accepted.recv(1); accepted.close()
tell(ends=ends, net_ns=os.stat("/proc/self/ns/net").st_ino)
"""


def of(run: Run, *pids: int, **values: str) -> pl.DataFrame:
    """The events of some processes, in order."""
    return run.events.filter(pl.col("pid").is_in(pids), **values).sort("time")


def one(frame: pl.DataFrame, **values: str) -> dict[str, Any]:
    """The one event that has these values."""
    found = frame.filter(**values)
    assert found.height == 1, found
    return found.row(0, named=True)


def kinds(frame: pl.DataFrame) -> dict[str, int]:
    """How many there are of each."""
    return dict(Counter(frame["event"].to_list()))


@pytest.mark.parametrize(
    ("host", "family", "up", "down"),
    [
        ("127.0.0.1", "AF_INET", 1, 0),
        ("10.9.8.7", "AF_INET", 3_000_001, 70_000),
        ("::1", "AF_INET6", 0, 5),
        ("2001:db8::7", "AF_INET6", 123_456, 2_345_678),
    ],
)
def test_connection(host: str, family: str, up: int, down: int) -> None:
    with collecting("tcp") as run:
        told = play(BOTH_WAYS.format(host=host, family=family, up=up, down=down))
    client, server, port = told["ends"]
    events = of(run, told["pid"])
    assert kinds(events) == {"connect": 1, "accept": 1, "close": 2}
    assert events["event"].to_list()[:2] in (["connect", "accept"], ["accept", "connect"])
    assert set(events["net_ns"]) == {told["net_ns"]}
    assert set(events["comm"]) == {COMM}
    out, incoming = events.filter(direction="out"), events.filter(direction="in")
    for frame, near, far, sent, received in ((out, client, server, up, down), (incoming, server, client, down, up)):
        for row in frame.iter_rows(named=True):
            assert [row["saddr"], row["sport"]] == near
            assert [row["daddr"], row["dport"]] == far
            assert (row["error"], row["reset"]) == (None, None)
        closed = one(frame, event="close")
        assert (closed["sent_bytes"], closed["received_bytes"]) == (sent, received)
        assert 0 < closed["duration"] < 60e9
    assert server[1] == port
    made = one(out, event="connect")
    assert (made["old_state"], made["state"]) == ("syn_sent", "established")
    assert 0 < made["latency"] < 10e9
    assert 0 < made["rtt"] < 10e9
    assert (made["duration"], made["sent_bytes"], made["received_bytes"]) == (None, None, None)
    assert one(incoming, event="accept")["latency"] is None
    assert one(out, event="close")["old_state"] == "fin_wait2"  # it closed first
    assert one(incoming, event="close")["old_state"] == "last_ack"


def test_mapped_addresses_are_shown_as_ipv4() -> None:
    with collecting("tcp") as run:
        told = play("""
server = serve("::", socket.AF_INET6, dualstack_ipv6=True)
client = socket.socket(socket.AF_INET6)
client.connect(("::ffff:10.9.8.7", server.getsockname()[1]))
accepted = server.accept()[0]
tell(peer=accepted.getpeername()[0])
client.close(); accepted.close()
""")
    assert told["peer"].startswith("::ffff:")
    events = of(run, told["pid"])
    assert kinds(events) == {"connect": 1, "accept": 1, "close": 2}
    assert {*events["saddr"], *events["daddr"]} == {"10.9.8.7"}


def test_refused() -> None:
    with collecting("tcp") as run:
        told = play("""
server = serve(); port = server.getsockname()[1]; server.close()
codes = []
for family, host in ((socket.AF_INET, LOOPBACK), (socket.AF_INET6, "::1")):
    codes.append(socket.socket(family).connect_ex((host, port)))
tell(port=port, codes=codes)
""")
    events = of(run, told["pid"])
    assert kinds(events) == {"fail": 2}
    assert events["error"].to_list() == ["ECONNREFUSED"] * 2
    assert events["dport"].to_list() == [told["port"]] * 2
    assert events["daddr"].to_list() == ["127.0.0.1", "::1"]
    assert (events["duration"] > 0).all()
    assert events["latency"].null_count() == 2


FULL = """
server = serve(backlog=0)
held = []
for _ in range(4):  # the queue takes one or two; the next request for a connection is dropped
    client = socket.socket(); client.setblocking(False); client.connect_ex(server.getsockname()); held.append(client)
time.sleep(0.3)
"""


def test_timed_out_after_sending_again() -> None:
    with collecting("tcp") as run:
        told = play(
            FULL
            + """
client = socket.socket(); code = client.connect_ex(server.getsockname())
tell(code=code, port=server.getsockname()[1])
""",
            setup="echo 1 > /proc/sys/net/ipv4/tcp_syn_retries",
        )
    assert told["code"] == 110
    failed = of(run, told["pid"], event="fail").filter(pl.col("error") == "ETIMEDOUT")
    assert failed.height >= 1
    assert set(failed["dport"]) == {told["port"]}
    assert (failed["retransmits"] >= 1).all()  # more than asked for where the first ones go in even steps, since 6.5
    assert (failed["duration"] > 1e9).all()


def test_given_up_before_an_answer() -> None:
    with collecting("tcp") as run:
        told = play(
            FULL + "client = socket.socket(); client.settimeout(0.2)\n"
            "try: client.connect(server.getsockname())\n"
            "except TimeoutError: tell(port=client.getsockname()[1])\n"
            "client.close()"
        )
    failed = of(run, told["pid"], event="fail").filter(sport=told["port"])
    assert failed.height == 1
    assert failed["error"].to_list() == [None]
    assert 0.15e9 < failed["duration"][0] < 20e9


def test_no_port_left() -> None:
    with collecting("tcp") as run:
        told = play(
            "server = serve(); first = pair(server); tell(code=socket.socket().connect_ex(server.getsockname()))",
            # Where the server's own port is drawn from.
            setup="echo '40000 40001' > /proc/sys/net/ipv4/ip_local_port_range",
        )
    assert told["code"] == 99
    failed = one(of(run, told["pid"]), event="fail")
    assert (failed["error"], failed["sport"]) == ("EADDRNOTAVAIL", 0)


def test_non_blocking() -> None:
    with collecting("tcp") as run:
        told = play("""
import select
server = serve(); client = socket.socket(); client.setblocking(False)
code = client.connect_ex(server.getsockname())
select.select([], [client], [])
again = client.connect_ex(server.getsockname())
tell(code=code, again=again, error=client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
client.close()
""")
    assert (told["code"], told["again"], told["error"]) == (115, 0, 0)
    assert kinds(of(run, told["pid"], direction="out")) == {"connect": 1, "close": 1}


def test_one_socket_connected_twice() -> None:
    with collecting("tcp") as run:
        told = play("""
gone = serve(); refusing = gone.getsockname(); gone.close()
server = serve(); client = socket.socket()
code = client.connect_ex(refusing)
client.connect(server.getsockname())
tell(code=code)
client.close()
""")
    assert told["code"] == 111
    assert of(run, told["pid"], direction="out")["event"].to_list() == ["fail", "connect", "close"]


def test_resets() -> None:
    with collecting("tcp") as run:
        told = play("""
server = serve()
ports = []
client, accepted = pair(server); ports.append(client.getsockname()[1])
reset(client); accepted.close()
client, accepted = pair(server); ports.append(client.getsockname()[1])
client.sendall(b"never read"); time.sleep(0.05); accepted.close(); time.sleep(0.05); client.close()
tell(ports=ports)
""")
    closed = of(run, told["pid"], event="close")
    assert closed.height == 4
    first, second = told["ports"]
    rows = [
        (row["sport"] == first or row["dport"] == first, row["direction"], row["reset"], row["error"])
        for row in closed.iter_rows(named=True)
    ]
    assert set(rows) == {
        (True, "out", "sent", None),
        (True, "in", "received", "ECONNRESET"),
        (False, "in", "sent", None),
        (False, "out", "received", "ECONNRESET"),
    }
    unread = closed.filter(direction="in", reset="sent")
    assert (unread["received_bytes"][0], second) == (len("never read"), unread["dport"][0])


def test_fast_open() -> None:
    with collecting("tcp") as run:
        told = play(
            """
server = serve(); server.setsockopt(socket.IPPROTO_TCP, 23, 5); server.listen()
for turn in range(2):  # the first brings the cookie
    client = socket.socket(); client.sendto(b"hello", 0x20000000, server.getsockname())
    accepted = server.accept()[0]; read(accepted, 5)
    client.close(); accepted.recv(1); accepted.close()
tell()
""",
            setup="echo 3 > /proc/sys/net/ipv4/tcp_fastopen",
        )
    events = of(run, told["pid"])
    assert kinds(events) == {"connect": 2, "accept": 2, "close": 4}
    assert events.filter(event="close", direction="out")["sent_bytes"].to_list() == [5, 5]
    assert events.filter(event="close", direction="in")["received_bytes"].to_list() == [5, 5]


def test_a_burst_is_all_there() -> None:
    count = 1000
    with collecting("tcp") as run:
        told = play(f"""
server = serve(backlog=1024)
for turn in range({count}):
    client, accepted = pair(server)
    client.sendall(b"x" * turn); client.shutdown(socket.SHUT_WR); read(accepted, turn); accepted.close(); client.close()
tell()
""")
    events = of(run, told["pid"])
    assert kinds(events) == {"connect": count, "accept": count, "close": 2 * count}
    assert sorted(events.filter(event="close", direction="out")["sent_bytes"]) == list(range(count))
    assert sorted(events.filter(event="close", direction="in")["received_bytes"]) == list(range(count))
    assert run.summary is not None
    assert (run.summary.lost, run.summary.missed) == ({}, {})
    assert run.summary.emitted == run.summary.delivered


OPEN = """
server = serve(); client, accepted = pair(server)
client.sendall(b"early"); read(accepted, 5); tell(port=client.getsockname()[1], server=server.getsockname()[1])
wait()
accepted.sendall(b"late"); read(client, 4); client.close(); accepted.recv(1); accepted.close()
later, taken = pair(server)
tell(); wait()
"""


def test_what_is_open_at_the_start() -> None:
    with running(OPEN) as program:
        told = program.heard()
        with collecting("tcp") as run:
            program.go_on()
            program.heard()
    events = of(run, program.pid)
    assert kinds(events) == {"close": 2, "connect": 1, "accept": 1}
    closed = events.filter(event="close")
    assert set(closed["comm"]) == {COMM}
    assert closed["duration"].null_count() == 2
    assert closed["direction"].null_count() == 2
    bytes_ = {row["sport"]: (row["sent_bytes"], row["received_bytes"]) for row in closed.iter_rows(named=True)}
    assert bytes_ == {told["port"]: (5, 4), told["server"]: (4, 5)}


def test_whose_a_connection_is_when_its_owner_is_killed() -> None:
    with collecting("tcp") as run:
        with running(
            "server = serve('10.9.8.7'); tell(at=server.getsockname()); taken = server.accept()[0]; wait()"
        ) as server:
            at = server.heard()["at"]
            text = f"client = socket.create_connection({tuple(at)!r}); client.sendall(b'abc'); tell(); wait()"
            with running(text, inside=server) as client:
                client.heard()
                time.sleep(0.1)
                client.kill()
                time.sleep(0.2)
            server.kill()
        time.sleep(0.1)
    for program, sent, received in ((client, 3, 0), (server, 0, 3)):
        closed = one(of(run, program.pid), event="close")
        assert (closed["sent_bytes"], closed["received_bytes"]) == (sent, received)


WORKER = """
server = serve(); tell(at=server.getsockname())
if os.fork():
    wait()
else:
    os.close(0)
    for _ in range(2):
        taken = server.accept()[0]; read(taken, 1); taken.close()
    tell(worker=os.getpid()); os._exit(0)
"""


def test_a_worker_that_accepts_for_another(nothing_left: None) -> None:
    with collecting("tcp") as run:
        with running(WORKER) as program:
            at = program.heard()["at"]
            text = (
                f"for _ in range(2): c = socket.create_connection({tuple(at)!r}); c.sendall(b'x'); c.recv(1); c.close()"
            )
            with running(text, inside=program) as client:
                client.end()
            worker = program.heard()["worker"]
            time.sleep(0.1)
    incoming = run.events.filter(pl.col("pid").is_in([program.pid, worker]), direction="in")
    assert kinds(incoming) == {"accept": 2, "close": 2}
    exact = any(section.startswith("fexit") for trial in _taken(run, "accept") for section in trial)
    assert set(incoming.filter(event="accept")["pid"]) == {worker if exact else program.pid}
    assert set(incoming.filter(event="close")["pid"]) == {worker}


def _taken(run: Run, hook: str) -> list[tuple[str, ...]]:
    return [trial.sections for trial in run.agent.ways()["tcp"] if trial.hook.name == hook and trial.reason is None]


def test_listeners_that_share_a_port() -> None:
    share = """
server = socket.create_server(({host!r}, {port}), reuse_port=True); tell(at=server.getsockname()); wait()
server.setblocking(False); taken = []
try:
    while True: taken.append(server.accept()[1][1])
except BlockingIOError: tell(taken=taken)
wait()
"""
    with collecting("tcp") as run:
        with running(share.format(host="127.0.0.1", port=0)) as first:
            at = tuple(first.heard()["at"])
            with running(share.format(host=at[0], port=at[1]), inside=first) as second:
                second.heard()
                text = f"many = [socket.create_connection({at!r}) for _ in range(40)]; tell(); wait()"
                with running(text, inside=first) as client:
                    client.heard()
                    for program in (first, second):
                        program.go_on()
                    served = {program.pid: program.heard()["taken"] for program in (first, second)}
    incoming = run.events.filter(event="accept")
    assert sum(map(len, served.values())) == 40
    for pid, ports in served.items():
        assert ports
        assert sorted(incoming.filter(pid=pid)["dport"]) == sorted(ports)


def test_only_some_ports() -> None:
    with collecting("tcp", port=("40001", "40005-40006")) as run:
        told = play("""
for port in range(40000, 40008):
    server = socket.create_server((LOOPBACK, port)); client, accepted = pair(server); client.close(); accepted.close()
tell()
""")
    events = of(run, told["pid"])
    assert set(events.filter(direction="in")["sport"]) == {40001, 40005, 40006}
    assert set(events.filter(direction="out")["dport"]) == {40001, 40005, 40006}
    assert events.height == 3 * 4


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        (("10.0.0.0/8",), {"10.9.8.7"}),
        (("127.0.0.1",), {"127.0.0.1"}),
        (("2001:db8::/32", "::1"), {"2001:db8::7", "::1"}),
        (("0.0.0.0/0",), {"10.9.8.7", "127.0.0.1"}),
        (("::/0",), {"10.9.8.7", "127.0.0.1", "2001:db8::7", "::1"}),
        (("192.0.2.0/24",), set()),
    ],
)
def test_only_some_addresses(asked: tuple[str, ...], seen: set[str]) -> None:
    with collecting("tcp", addr=asked) as run:
        told = play("""
for host in ("10.9.8.7", "127.0.0.1", "2001:db8::7", "::1"):
    server = serve(host, socket.AF_INET6 if ":" in host else socket.AF_INET)
    client, accepted = pair(server); client.close(); accepted.close()
tell()
""")
    events = of(run, told["pid"])
    assert set(events["daddr"]) == seen
    assert events.height == 4 * len(seen)


def test_every_state() -> None:
    with collecting("tcp", states=True) as run:
        told = play(BOTH_WAYS.format(host="127.0.0.1", family="AF_INET", up=1, down=1))
    events = of(run, told["pid"])
    client, _, port = told["ends"]
    steps = {
        side: list(zip(*(frame[name].to_list() for name in ("event", "old_state", "state")), strict=True))
        for side, frame in (("out", events.filter(direction="out")), ("in", events.filter(sport=port, dport=client[1])))
    }
    assert steps["out"] == [
        ("state", "close", "syn_sent"),
        ("connect", "syn_sent", "established"),
        ("state", "established", "fin_wait1"),
        ("state", "fin_wait1", "fin_wait2"),
        ("close", "fin_wait2", "close"),
    ]
    assert [step[0] for step in steps["in"]] == ["accept", "state", "state", "close"]
    assert steps["in"][1:] == [
        ("state", "established", "close_wait"),
        ("state", "close_wait", "last_ack"),
        ("close", "last_ack", "close"),
    ]
    listening = events.filter(sport=port, dport=0)
    assert listening["state"].to_list() == ["listen", "close"]


def test_only_one_process() -> None:
    talk = "wait(); server = serve(); client, accepted = pair(server); client.close(); accepted.close(); tell(); wait()"
    with running(talk) as watched, running(talk) as other:
        with collecting("tcp", FilterConfig(pids=(watched.pid,))) as run:
            for program in (watched, other):
                program.go_on()
                program.heard()
    assert kinds(run.events) == {"connect": 1, "accept": 1, "close": 2}
    assert set(run.events["pid"]) == {watched.pid}


def test_sockets_for_which_there_is_no_room() -> None:
    spec = ObjectSpec.read(object_file(registry.folder("tcp"), "tcp"))
    tracker = registry.get("tcp")
    tracing = Tracing(spec, tracker.hooks, Settings(max_entries={"sockets": 1}), Roots())
    try:
        told = play("""
server = serve(); pairs = [pair(server) for _ in range(10)]
tell(net_ns=os.stat("/proc/self/ns/net").st_ino)
""")
        records = tracing.drain(final=True)
        counters = tracing.counters()
    finally:
        tracing.close()
    assert records is not None
    frame = tracing.layout.decode(records.data, records.count, start=records.start, stride=records.stride)
    events = frame.filter(net_ns=told["net_ns"])
    assert kinds(events) == {"connect": 10, "accept": 10, "close": 20}
    assert counters.filter_full > 0
