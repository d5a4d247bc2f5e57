"""Traffic counted in the kernel, against programs that know what they send."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.collect import Run, collecting
from tests.trackers.ipc.programs import run

pytestmark = pytest.mark.kernel

COUNTS = ("operations", "sent", "sent_bytes", "received", "received_bytes")


def traffic(done: Run, pid: int, **values: Any) -> dict[str, Any]:
    """What was counted of a process, all intervals together; one object at a time."""
    rows = done.events.filter(pl.col("pid") == pid).filter(**values)
    assert rows.height, done.events
    assert rows["inode"].n_unique() == 1, rows
    last = rows.row(-1, named=True)
    return {**last, **{name: rows[name].sum() for name in COUNTS}}


PARENT_AND_CHILD = """
{make}
child = os.fork()
if child == 0:
    for _ in range(50):
        {read}
    os._exit(0)
for number in range(50):
    {write}
os.waitpid(child, 0)
"""


@pytest.mark.parametrize(
    ("kind", "make", "write", "read"),
    [
        ("pipe", "a, b = os.pipe()", "os.write(b, b'x' * 100)", "os.read(a, 100)"),
        ("unix", "a, b = socket.socketpair()", "b.send(b'x' * 100)", "a.recv(100, socket.MSG_WAITALL)"),
        (
            "unix",
            "a, b = socket.socketpair()",
            "b.sendmsg([b'x' * 60, b'x' * 40])",
            "a.recvmsg(100, 0, socket.MSG_WAITALL)",
        ),
        (
            "unix",
            "a, b = socket.socketpair()",
            "os.writev(b.fileno(), [b'x' * 100])",
            "a.recv(100, socket.MSG_WAITALL)",
        ),
    ],
)
def test_parent_and_child(kind: str, make: str, write: str, read: str) -> None:
    with collecting("ipc", interval=60.0) as done:
        pid = run(PARENT_AND_CHILD.format(make=make, write=write, read=read))
    parent = traffic(done, pid, kind=kind, sent=50)
    child_pid = done.events.filter(pl.col("ppid") == pid)["pid"].unique().item()
    child = traffic(done, child_pid, kind=kind, received=50)
    assert [parent[name] for name in COUNTS] == [50, 50, 5000, 0, 0]
    assert [child[name] for name in COUNTS] == [50, 0, 0, 50, 5000]
    assert child["peer_pid"] == pid
    assert parent["peer_pid"] in (child_pid, None), "it may have written everything before the child read"
    assert (kind == "pipe") == (parent["inode"] == child["inode"])


def test_queues_and_semaphores() -> None:
    with collecting("ipc", interval=60.0) as done:
        pid = run(
            """
messages = libc.msgget(0x656e7f, CREATE | 0o600)
for number in range(20):
    msgsnd(messages, b"x" * number)
for number in range(20):
    msgrcv(messages)
msgrcv(messages, flags=NOWAIT)
libc.msgctl(messages, REMOVE, None)
semaphores = libc.semget(PRIVATE, 1, CREATE | 0o600)
for _ in range(1000):
    semop(semaphores, 1)
libc.semctl(semaphores, 0, REMOVE)
queue = mq_open(f"/eunomia-{os.getpid()}", os.O_RDWR | os.O_CREAT)
for _ in range(7):
    mq_send(queue, b"abc")
    mq_receive(queue)
librt.mq_unlink(f"/eunomia-{os.getpid()}".encode())
"""
        )
    messages = traffic(done, pid, kind="sysv_msg")
    assert [messages[name] for name in COUNTS] == [40, 20, 190, 20, 190]
    assert messages["key"] == 0x656E7F
    semaphores = traffic(done, pid, kind="sysv_sem")
    assert [semaphores[name] for name in COUNTS] == [1000, 0, 0, 0, 0]
    queue = traffic(done, pid, kind="posix_mq")
    assert [queue[name] for name in COUNTS] == [14, 7, 21, 7, 21]
    assert queue["name"] == f"/eunomia-{pid}"
    assert done.summary is not None
    assert done.summary.lost == {}


def test_a_connection_has_its_address(tmp_path: Path) -> None:
    address = str(tmp_path / "socket")
    with collecting("ipc", interval=60.0, kinds="unix") as done:
        pid = run(
            f"""
server = socket.socket(socket.AF_UNIX); server.bind({address!r}); server.listen()
client = socket.socket(socket.AF_UNIX); client.connect({address!r})
accepted, _ = server.accept()
client.send(b"question"); accepted.recv(100); accepted.send(b"answer"); client.recv(100)
os.write(1, b"nothing of ours")
"""
        )
    rows = done.events.filter(pid=pid)
    assert rows["name"].to_list() == [address] * 2
    assert rows.select(sorted(COUNTS)).sum().row(0) == (4, 2, 14, 2, 14)
    assert rows["kind"].unique().to_list() == ["unix"]


def test_what_goes_elsewhere_is_not_counted(tmp_path: Path) -> None:
    with collecting("ipc", interval=60.0) as done:
        pid = run(f"open({str(tmp_path / 'file')!r}, 'w').write('text'); socket.socket().close(); os.stat('/')")
    assert done.events.filter(pid=pid).is_empty()
