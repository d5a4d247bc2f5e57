"""Makes every hook of the tracker fire."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.trackers.ipc.programs import run

_ALL = """
memory = libc.shmget(PRIVATE, 4096, CREATE | 0o600)
libc.shmdt(libc.shmat(memory, None, 0))
libc.shmctl(memory, REMOVE, None)
semaphores = libc.semget(PRIVATE, 1, CREATE | 0o600)
semop(semaphores, 1)
libc.semctl(semaphores, 0, REMOVE)
messages = libc.msgget(PRIVATE, CREATE | 0o600)
msgsnd(messages, b"text")
msgrcv(messages)
libc.msgctl(messages, REMOVE, None)

queue = mq_open(f"/eunomia-{os.getpid()}", os.O_RDWR | os.O_CREAT)
mq_send(queue, b"text")
mq_receive(queue)
librt.mq_unlink(f"/eunomia-{os.getpid()}".encode())
shared = f"/dev/shm/eunomia-{os.getpid()}"
os.close(os.open(shared, os.O_RDWR | os.O_CREAT))
os.unlink(shared)

os.pipe()
os.mkfifo("fifo")
os.open("fifo", os.O_RDWR)
socket.socketpair()
server, client = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
server.bind("socket")
server.listen()
client.connect("socket")
server.accept()
first, second = (socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in "ab")
first.bind("datagrams")
second.sendto(b"text", "datagrams")

child = os.fork()
if child == 0:
    time.sleep(10)
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
"""


def provoke() -> None:
    """One of everything."""
    with tempfile.TemporaryDirectory() as folder:
        run(f"os.chdir({str(Path(folder))!r})\n{_ALL}")
