"""What the ipc tracker reports, against programs that the test runs."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from eunomia.config import FilterConfig
from tests.collect import Run, collecting
from tests.trackers.ipc.programs import Program, run
from tests.uring import NOP, SILENT, SOCKET, Request, knows

pytestmark = pytest.mark.kernel
_NO_FAMILY = 99


def of(done: Run, *pids: int) -> pl.DataFrame:
    """The events of some processes."""
    return done.events.filter(pl.col("pid").is_in(pids))


def one(frame: pl.DataFrame, **values: Any) -> dict[str, Any]:
    """The one event that has these values."""
    found = frame.filter(**values)
    assert found.height == 1, found
    return found.row(0, named=True)


def counts(frame: pl.DataFrame) -> dict[str, int]:
    """How often each event is there."""
    return dict(frame.group_by("event").len().cast({"event": pl.String}).iter_rows())


SYSTEM_V = """
say("ready")
key, times = map(int, hear())
memory = libc.shmget(key, 10000, CREATE | 0o600)
for _ in range(times):
    libc.shmdt(libc.shmat(memory, None, 0))
semaphores = libc.semget(key, 2, CREATE | 0o600)
for _ in range(times):
    semop(semaphores, 1)
messages = libc.msgget(key, CREATE | 0o600)
for number in range(times):
    msgsnd(messages, b"x" * number)
say(memory, semaphores, messages)
hear()
for number in range(times):
    msgrcv(messages, flags=NOWAIT)
libc.shmctl(memory, REMOVE, None), libc.semctl(semaphores, 0, REMOVE), libc.msgctl(messages, REMOVE, None)
"""
KEY = 0x65000000 + 16 * (os.getpid() % 2**20)


def test_system_v_every_operation(nothing_left: None) -> None:
    program = Program(SYSTEM_V)
    with collecting("ipc", every=True) as done:
        program.hear()
        program.say(KEY + 1, 7)
        memory, semaphores, messages = map(int, program.hear())
        program.say()
        program.end()
    events = of(done, program.pid)
    assert counts(events.filter(pl.col("kind").cast(pl.String).str.starts_with("sysv"))) == {
        "shm_get": 1,
        "shm_attach": 7,
        "shm_detach": 7,
        "shm_remove": 1,
        "sem_get": 1,
        "sem_op": 7,
        "sem_remove": 1,
        "msg_get": 1,
        "msg_send": 7,
        "msg_receive": 7,
        "msg_remove": 1,
    }
    assert events.filter(kind="sysv_shm")["ipc_id"].unique().to_list() == [memory]
    assert events.filter(kind="sysv_sem")["ipc_id"].unique().to_list() == [semaphores]
    assert events.filter(kind="sysv_msg")["ipc_id"].unique().to_list() == [messages]
    used = events.filter(~pl.col("event").cast(pl.String).str.ends_with("_remove"), pl.col("ipc_id").is_not_null())
    assert used["key"].unique().to_list() == [KEY + 1]
    assert one(events, event="shm_get")["bytes"] == 10000
    assert events.filter(event="msg_send")["bytes"].to_list() == list(range(7))
    assert events.filter(event="msg_receive")["bytes"].to_list() == list(range(7))
    assert events["peer_pid"].null_count() == events.height
    assert done.summary is not None
    assert done.summary.lost == {}


def test_only_the_first_use_unless_asked() -> None:
    program = Program(SYSTEM_V)
    with collecting("ipc") as done:
        program.hear()
        program.say(KEY + 2, 50)
        program.hear()
        program.say()
        program.end()
    seen = counts(of(done, program.pid))
    assert (seen["sem_op"], seen["msg_send"], seen["msg_receive"]) == (1, 1, 1)
    assert (seen["shm_attach"], seen["shm_detach"]) == (50, 50)


OTHER_SIDE = """
say("ready")
memory, semaphores, messages = map(int, hear())
libc.shmat(memory, None, 0)
semop(semaphores, 1)
msgrcv(messages)
"""


def test_system_v_between_two_processes() -> None:
    """Shared memory made, and a message sent, before the run began: the kernel still knows by whom."""
    first, second = Program(SYSTEM_V), Program(OTHER_SIDE)
    first.hear()
    first.say(KEY + 3, 2)
    ids = first.hear()
    with collecting("ipc") as done:
        second.hear()
        second.say(*ids)
        second.end()
        first.say()
        first.end()
    events = of(done, second.pid)
    for event in ("shm_attach", "msg_receive"):
        seen = one(events, event=event)
        assert (seen["peer_pid"], seen["key"]) == (first.pid, KEY + 3), event
        assert seen["peer_comm"] == seen["comm"]
        assert seen["peer_cgroup_id"] == seen["cgroup_id"]
        assert seen["peer_container_id"] == "host"
    # Of semaphores the kernel notes nobody; from the first use that was seen on, the tracker does.
    assert one(events, event="sem_op")["peer_pid"] is None
    assert one(of(done, first.pid), event="sem_remove")["peer_pid"] == second.pid


def test_many_objects_at_once() -> None:
    """Beyond 64 objects the kernel's table of them is a tree of two steps."""
    program = run_many = Program(
        "say('ready'); hear()\n"
        "ids = [libc.shmget(PRIVATE, 4096 * (n + 1), CREATE | 0o600) for n in range(150)]\n"
        "[libc.shmdt(libc.shmat(id, None, 0)) for id in ids]\n"
        "[libc.shmctl(id, REMOVE, None) for id in ids]"
    )
    with collecting("ipc") as done:
        run_many.hear()
        program.say()
        program.end()
    attached = of(done, program.pid).filter(event="shm_attach")
    assert sorted(attached["bytes"].to_list()) == [4096 * (number + 1) for number in range(150)]


def test_posix_queues_and_memory() -> None:
    receiver = Program(
        "queue = mq_open(sys.stdin.readline().strip(), os.O_RDONLY | os.O_CREAT)\n"
        "say('ready')\n"
        "[mq_receive(queue) for _ in range(5)]\n"
    )
    name = f"/eunomia-{receiver.pid}"
    with collecting("ipc", every=True) as done:
        receiver.say(name)
        receiver.hear()
        sender = run(
            f"queue = mq_open({name!r}, os.O_WRONLY)\n"
            "[mq_send(queue, b'x' * number) for number in range(5)]\n"
            f"librt.mq_unlink({name!r}.encode())\n"
            f"os.close(os.open('/dev/shm{name}', os.O_RDWR | os.O_CREAT)); os.unlink('/dev/shm{name}')"
        )
        receiver.end()
    sent, received = of(done, sender), of(done, receiver.pid)
    assert counts(sent) == {"mq_open": 1, "mq_send": 5, "mq_unlink": 1, "posix_shm_open": 1, "posix_shm_unlink": 1}
    assert counts(received) == {"mq_open": 1, "mq_receive": 5}
    assert sent.filter(event="mq_send")["bytes"].to_list() == list(range(5))
    assert received.filter(event="mq_receive")["bytes"].to_list() == list(range(5))
    queues = pl.concat([sent, received]).filter(kind="posix_mq")
    assert queues["name"].unique().to_list() == [name]
    assert queues.filter(pl.col("event") != "mq_unlink")["inode"].n_unique() == 1
    assert sent.filter(event="mq_send")["peer_pid"].unique().to_list() == [receiver.pid]
    assert received.filter(event="mq_receive")["peer_pid"].unique().to_list() == [sender]
    assert sent.filter(kind="posix_shm")["name"].unique().to_list() == [f"/dev/shm{name}"]


def test_pipes(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with collecting("ipc", anonymous=True) as done:
        reader = Program(f"say('ready'); open({str(fifo)!r}).read(); os.pipe()")
        reader.hear()
        writer = run(f"open({str(fifo)!r}, 'w').write('text')")
        reader.end()
    opened = done.events.filter(event="fifo_open", name=str(fifo))
    assert set(opened["pid"].to_list()) == {reader.pid, writer}
    assert opened["inode"].unique().to_list() == [fifo.stat().st_ino]
    # Both return from open(2) at the same time; the later one at least knows of the earlier one.
    other = {reader.pid: writer, writer: reader.pid}
    peers = dict(opened.filter(pl.col("peer_pid").is_not_null()).select("pid", "peer_pid").iter_rows())
    assert peers
    assert all(other[pid] == peer for pid, peer in peers.items())
    assert one(of(done, reader.pid), event="pipe")["inode"] > 0


SERVER = """
kind, address = hear()
address = "\\0" + address[1:] if address[0] == "@" else address
server = socket.socket(socket.AF_UNIX, getattr(socket, "SOCK_" + kind.upper()))
server.bind(address)
if kind != "dgram":
    server.listen()
say("ready")
hear()
"""
ACCEPT = "server.accept()\n"


@pytest.mark.parametrize("kind", ["stream", "seqpacket"])
@pytest.mark.parametrize("abstract", [False, True])
def test_unix_connections(kind: str, abstract: bool, tmp_path: Path) -> None:
    server = Program(SERVER + ACCEPT)
    address = f"@eunomia-{server.pid}" if abstract else str(tmp_path / "socket")
    with collecting("ipc") as done:
        server.say(kind, address)
        server.hear()
        client = Program(
            f"""
client = socket.socket(socket.AF_UNIX, socket.SOCK_{kind.upper()})
client.connect({address.replace("@", chr(0))!r})
hear()
"""
        )
        server.say()
        server.end()
        client.end()
    bound = one(of(done, server.pid), event="unix_bind")
    connected = one(of(done, client.pid), event="unix_connect")
    accepted = one(of(done, server.pid), event="unix_accept")
    assert {(seen["type"], seen["name"]) for seen in (bound, connected, accepted)} == {(kind, address)}
    assert (connected["peer_pid"], accepted["peer_pid"]) == (server.pid, client.pid)
    assert connected["peer_cgroup_id"] == connected["cgroup_id"]
    assert (bound["bound_name"], connected["bound_name"], accepted["bound_name"]) == (None, address, None)
    assert len({seen["inode"] for seen in (bound, connected, accepted)}) == 3


@pytest.mark.parametrize("how", ["connect", "submitted", "silent"])
def test_a_link_does_not_hide_whom_one_talks_to(how: str, tmp_path: Path) -> None:
    """Nor does io_uring; where nothing is said of a request's end, the name that it was given is known at least.

    Nothing is before 5.18; what came with the next one tells whether it is such a kernel.
    """
    server = Program(SERVER)
    address, link = str(tmp_path / "socket"), str(tmp_path / "link")
    Path(link).symlink_to(address)
    silent = how == "silent" and knows(Request(NOP, flags=SILENT))
    connect = "client.connect(address)"
    if how != "connect":
        connect = f"""
sys.path.insert(0, {str(Path(__file__).resolve().parents[3])!r})
from tests.uring import *
name = struct.pack("H", 1) + address.encode() + bytes(1)
flags = SILENT if {silent} else 0
answers = Ring().ask(Request(CONNECT, client.fileno(), len(name), name, flags=flags))
assert answers == ([] if flags else [0])
"""
    with collecting("ipc") as done:
        server.say("stream", address)
        server.hear()
        client = Program(f"import struct, sys; client = socket.socket(socket.AF_UNIX); address = {link!r}\n{connect}")
        client.end()
        server.end()
    connected = one(of(done, client.pid), event="unix_connect")
    assert connected["name"] == link
    if silent or (how != "connect" and not knows(Request(SOCKET, _NO_FAMILY, socket.SOCK_STREAM))):
        assert (connected["bound_name"], connected["peer_pid"]) == (None, None)
    else:
        assert (connected["bound_name"], connected["peer_pid"]) == (address, server.pid)
        assert connected["type"] == "stream"


@pytest.mark.parametrize("failed", [True, False])
def test_a_silent_connection_that_fails_says_so_and_nothing_else(failed: bool, tmp_path: Path) -> None:
    with collecting("ipc", failed=failed) as done:
        pid = run(f"""
import struct, sys
sys.path.insert(0, {str(Path(__file__).resolve().parents[3])!r})
from tests.uring import *
client = socket.socket(socket.AF_UNIX)
name = struct.pack("H", 1) + {str(tmp_path / "nobody")!r}.encode() + bytes(1)
ring = Ring()
if ring.may_be_silent:
    ring.submit(Request(CONNECT, client.fileno(), len(name), name, flags=SILENT))
""")
    seen = of(done, pid).filter(event="unix_connect").select("name", "error").rows()
    there = knows(Request(NOP, flags=SILENT)) and knows(Request(SOCKET, _NO_FAMILY, socket.SOCK_STREAM))
    assert seen == ([(str(tmp_path / "nobody"), "ENOENT")] if there and failed else [])


@pytest.mark.parametrize("abstract", [False, True])
@pytest.mark.parametrize("how", ["sendto", "sendmsg", "connect"])
def test_datagrams(how: str, abstract: bool, tmp_path: Path) -> None:
    server = Program(SERVER)
    address = f"@eunomia-{server.pid}" if abstract else str(tmp_path / "socket")
    meant = address.replace("@", chr(0))
    send = {
        "sendto": f"client.sendto(b'text', {meant!r})",
        "sendmsg": f"client.sendmsg([b'te', b'xt'], [], 0, {meant!r})",
        "connect": f"client.connect({meant!r}); client.send(b'text')",
    }[how]
    with collecting("ipc") as done:
        server.say("dgram", address)
        server.hear()
        client = run(f"client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\nfor _ in range(3):\n    {send}")
        server.say()
        server.end()
    events = of(done, client)
    assert counts(events) == ({"unix_connect": 3} if how == "connect" else {"unix_send": 1})
    for seen in events.iter_rows(named=True):
        assert (seen["type"], seen["name"], seen["peer_pid"]) == ("dgram", address, server.pid)
        assert seen["bytes"] == (None if how == "connect" else 4)


def test_a_datagram_to_a_socket_bound_before_the_run(tmp_path: Path) -> None:
    server, address = Program(SERVER), str(tmp_path / "socket")
    server.say("dgram", address)
    server.hear()
    with collecting("ipc") as done:
        pid = run(f"socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'text', {address!r})")
    server.say()
    server.end()
    seen = one(of(done, pid), event="unix_send")
    taken = {trial.hook.name for trial in done.agent.ways()["ipc"] if trial.reason is None}
    assert (seen["peer_cgroup_id"], seen["peer_pid"]) == (seen["cgroup_id"] if "receivers" in taken else None, None)


def test_socketpairs_only_when_asked_for() -> None:
    for anonymous, expected in ((True, ["unix_pair"]), (False, [])):
        with collecting("ipc", anonymous=anonymous) as done:
            pid = run("socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)")
        events = of(done, pid).filter(kind="unix")
        assert events["event"].to_list() == expected
        assert events["type"].to_list() == ["seqpacket"] * len(expected)


def test_other_sockets_are_none_of_ours() -> None:
    with collecting("ipc", failed=True, every=True) as done:
        pid = run(
            """
server = socket.socket(); server.bind(("127.0.0.1", 0)); server.listen()
client = socket.create_connection(server.getsockname()); server.accept()
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.sendto(b"x", ("127.0.0.1", 9))
"""
        )
    assert of(done, pid).filter(kind="unix").is_empty()


FAILURES = """
libc.shmget(0x7fffff01, 4096, 0)
libc.shmat(0x7fffff02, None, 0)
semop(0x7fffff03, 1)
queue = libc.msgget(PRIVATE, CREATE | 0o600)
msgrcv(queue, 100, NOWAIT)
libc.msgctl(queue, REMOVE, None)
msgsnd(queue, b"text")
mq_open("/no-such-queue", os.O_RDONLY)
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    try:
        socket.socket(socket.AF_UNIX, kind).connect("/no/such/socket")
    except OSError:
        pass
try:
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"text", "/no/such/socket")
except OSError:
    pass
try:
    os.open("/dev/shm/no-such-file", os.O_RDONLY)
except OSError:
    pass
"""


def test_failures_only_when_asked_for() -> None:
    with collecting("ipc", failed=True) as done:
        pid = run(FAILURES)
    seen = of(done, pid).filter(pl.col("error").is_not_null()).select("event", "error", "ipc_id", "name").rows()
    queue = one(of(done, pid), event="msg_get")["ipc_id"]
    assert seen == [
        ("shm_get", "ENOENT", None, None),
        ("shm_attach", "EINVAL", 0x7FFFFF02, None),
        ("sem_op", "EINVAL", 0x7FFFFF03, None),
        ("msg_receive", "ENOMSG", queue, None),
        ("msg_send", "EINVAL", queue, None),
        ("mq_open", "ENOENT", None, "/no-such-queue"),
        ("unix_connect", "ENOENT", None, "/no/such/socket"),
        ("unix_connect", "ENOENT", None, "/no/such/socket"),
        ("unix_send", "ENOENT", None, "/no/such/socket"),
        ("posix_shm_open", "ENOENT", None, "/dev/shm/no-such-file"),
    ]
    with collecting("ipc") as done:
        pid = run(FAILURES)
    assert counts(of(done, pid)) == {"msg_get": 1, "msg_remove": 1}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="int 0x80 is of x86")
def test_the_32_bit_entry() -> None:
    """ipc(2) and socketcall(2), into which i386 puts all of System V and of sockets."""
    with collecting("ipc", every=True, anonymous=True) as done:
        pid = run(
            """
call, memory = int80(), low()
IPC, SOCKETCALL, SEMOP, SEMGET, SEMCTL, MSGSND, MSGRCV, MSGGET, MSGCTL, SHMAT, SHMDT, SHMGET, SHMCTL = (
    117, 102, 1, 2, 3, 11, 12, 13, 14, 21, 22, 23, 24)
shared = call(IPC, SHMGET, PRIVATE, 5000, CREATE | 0o600)
assert call(IPC, SHMAT, shared, 0, memory, 0) == 0
address = ctypes.c_uint.from_address(memory).value
assert call(IPC, SHMDT, 0, 0, 0, address) == 0
assert call(IPC, SHMCTL, shared, REMOVE, 0, 0) == 0
semaphores = call(IPC, SEMGET, PRIVATE, 1, CREATE | 0o600)
ctypes.memmove(memory, struct.pack("=Hhh", 0, 1, 0), 6)
assert call(IPC, SEMOP, semaphores, 1, 0, memory) == 0
ctypes.memmove(memory, bytes(64), 64)
assert call(IPC, SEMCTL, semaphores, 0, REMOVE, memory) == 0
queue = call(IPC, MSGGET, PRIVATE, CREATE | 0o600)
ctypes.memmove(memory, struct.pack("=i", 1) + b"text", 8)
assert call(IPC, MSGSND, queue, 4, 0, memory) == 0
assert call(393, 0x7fffff01, 4096, 0) < 0 or True  # semget by its own number
ctypes.memmove(memory + 64, struct.pack("=Ii", memory, 0), 8)
assert call(IPC, MSGRCV, queue, 100, NOWAIT, memory + 64) == 4
assert call(IPC, MSGCTL, queue, REMOVE, 0, 0) == 0
ctypes.memmove(memory, struct.pack("=IIII", socket.AF_UNIX, socket.SOCK_STREAM, 0, memory + 64), 16)
assert call(SOCKETCALL, 8, memory) == 0
server = socket.socket(socket.AF_UNIX); server.bind("\\0eunomia-32"); server.listen()
client = socket.socket(socket.AF_UNIX)
ctypes.memmove(memory + 64, struct.pack("=H", socket.AF_UNIX) + b"\\0eunomia-32", 13)
ctypes.memmove(memory, struct.pack("=III", client.fileno(), memory + 64, 13), 12)
assert call(SOCKETCALL, 3, memory) == 0
ctypes.memmove(memory, struct.pack("=III", server.fileno(), 0, 0), 12)
assert call(SOCKETCALL, 5, memory) >= 0
"""
        )
    events = of(done, pid)
    assert counts(events) == {
        "shm_get": 1,
        "shm_attach": 1,
        "shm_detach": 1,
        "shm_remove": 1,
        "sem_get": 1,
        "sem_op": 1,
        "sem_remove": 1,
        "msg_get": 1,
        "msg_send": 1,
        "msg_receive": 1,
        "msg_remove": 1,
        "unix_pair": 1,
        "unix_bind": 1,
        "unix_connect": 1,
        "unix_accept": 1,
    }
    assert one(events, event="shm_get")["bytes"] == 5000
    assert one(events, event="shm_detach")["ipc_id"] == one(events, event="shm_get")["ipc_id"]
    assert (one(events, event="msg_send")["bytes"], one(events, event="msg_receive")["bytes"]) == (4, 4)
    connected = one(events, event="unix_connect")
    assert (connected["name"], connected["peer_pid"]) == ("@eunomia-32", pid)


def test_signals_across_processes() -> None:
    receiver = Program("signal.signal(signal.SIGUSR1, signal.SIG_IGN)\nsay('ready'); hear()")
    receiver.hear()
    with collecting("ipc") as done:
        sender = run(
            f"""
os.kill({receiver.pid}, signal.SIGUSR1)
os.kill({receiver.pid}, signal.SIGURG)
libc.tgkill({receiver.pid}, {receiver.pid}, signal.SIGCONT)
os.kill({receiver.pid}, 0)
os.kill(os.getpid(), signal.SIGCONT)
child = os.fork()
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
"""
        )
        receiver.say()
        receiver.end()
    seen = of(done, sender).select("event", "kind", "signal", "peer_pid", "ignored", "from_kernel").rows()
    assert seen == [
        ("signal_sent", "signal", "SIGUSR1", receiver.pid, True, False),
        ("signal_sent", "signal", "SIGURG", receiver.pid, True, False),
        ("signal_sent", "signal", "SIGCONT", receiver.pid, True, False),
    ]


def test_all_signals() -> None:
    with collecting("ipc", kinds="signal", all_signals=True) as done:
        pid = run(
            """
signal.signal(signal.SIGUSR1, lambda *_: None)
os.kill(os.getpid(), signal.SIGUSR1)
child = os.fork()
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
"""
        )
    own = one(of(done, pid), signal="SIGUSR1")
    assert (own["peer_pid"], own["from_kernel"], own["ignored"]) == (pid, False, False)
    ended = done.events.filter(peer_pid=pid, signal="SIGCHLD")
    assert (ended.height, ended["from_kernel"].to_list(), ended["ppid"].to_list()) == (1, [True], [pid])


def test_a_filter_sees_signals_from_both_sides() -> None:
    watched, other = Program("say('ready'); hear()"), Program("say('ready'); os.kill(int(hear()[0]), 18)")
    with collecting("ipc", FilterConfig(pids=(watched.pid,))) as done:
        watched.hear()
        other.hear()
        other.say(watched.pid)
        other.end()
        watched.say()
        watched.end()
    seen = one(done.events, event="signal_received")
    assert (seen["pid"], seen["peer_pid"], seen["signal"]) == (watched.pid, other.pid, "SIGCONT")


def test_kinds() -> None:
    with collecting("ipc", kinds=("sysv_sem", "unix"), failed=True) as done:
        pid = run(FAILURES)
    assert set(of(done, pid)["kind"].to_list()) == {"sysv_sem", "unix"}


def test_a_flood_is_accounted_for_exactly() -> None:
    with collecting("ipc", ring_bytes=4 * os.sysconf("SC_PAGESIZE"), every=True, kinds="sysv_sem") as done:
        run("id = libc.semget(PRIVATE, 1, CREATE | 0o600)\n[semop(id, 1) for _ in range(20000)]\nlibc.semctl(id, 0, 0)")
    summary = done.summary
    assert summary is not None
    assert summary.emitted >= 20002
    assert summary.emitted == summary.delivered + sum(summary.lost.values())
    assert summary.delivered == done.events.height
