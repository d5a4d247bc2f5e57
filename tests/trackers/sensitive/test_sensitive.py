"""Each call with what the kernel made of it: programs of our own do to themselves what is watched for."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from eunomia.config import FilterConfig
from eunomia.kernel.paths import object_file
from eunomia.kernel.spec import ObjectSpec
from eunomia.trackers import registry
from eunomia.trackers.sensitive import EVENTS, FREQUENT
from tests.collect import Run, collecting
from tests.trackers.sensitive.provoke import provoke, run_calls
from tests.uring import SILENT, SOCKET, Request, knows

pytestmark = pytest.mark.kernel
_NO_FAMILY = 99

OWN_MOUNTS = """
NEWNS, REC, PRIVATE, BIND, REMOUNT, RDONLY = 0x20000, 0x4000, 1 << 18, 4096, 32, 1
assert call("unshare", NEWNS) == 0
assert call("mount", b"none", b"/", 0, REC | PRIVATE, 0) == 0
folder = sys.argv[2].encode()
"""


@contextmanager
def watching(**options: Any) -> Iterator[Run]:
    """Runs the tracker on what this process starts; nothing may get lost."""
    with collecting("sensitive", FilterConfig(pids=(os.getpid(),), children=True), **options) as run:
        yield run
    assert run.summary is not None
    assert run.summary.lost == {}
    assert run.summary.emitted == run.summary.delivered


def rows(run: Run, event: str, *columns: str) -> list[tuple[Any, ...]]:
    """Some columns of the events of one kind, in order."""
    return run.events.filter(event=event).select(columns).rows()


def row(run: Run, event: str) -> dict[str, Any]:
    """The one event of a kind."""
    (only,) = run.events.filter(event=event).to_dicts()
    return only


def test_the_events_are_those_of_the_program() -> None:
    spec = ObjectSpec.read(object_file(registry.folder("sensitive"), "sensitive"), "sensitive")
    known: Any = spec.event.schema["event"].dtype
    assert tuple(known.categories) == EVENTS


def test_every_event_by_name() -> None:
    with watching(only=",".join(EVENTS)) as run:
        provoke()
    assert set(run.events["event"].to_list()) == set(EVENTS)


def test_what_is_frequent_or_fails_is_left_out_if_told() -> None:
    with watching() as run:
        provoke()
    assert set(EVENTS) - set(run.events["event"].to_list()) == set(FREQUENT)
    with watching(failed=False, exclude="unshare,memfd_create") as run:
        provoke()
    seen = set(run.events["event"].to_list())
    assert run.events["error"].is_null().all()
    assert "dup_stdio" in seen
    assert not seen & {"unshare", "memfd_create", "mount", "ptrace"}


def test_mounts(tmp_path: Path) -> None:
    """Where a mount lies is what the kernel found, not the name that it was given."""
    (tmp_path / "real/point").mkdir(parents=True)
    (tmp_path / "bound").mkdir()
    (tmp_path / "link").symlink_to("real")
    program = f"""{OWN_MOUNTS}
os.chdir(folder)
point = b"link/../link/point"
assert call("mount", b"a-source", point, b"tmpfs", 2 | 8, b"size=1M") == 0
assert call("mount", point, b"bound", 0, BIND, 0) == 0
opened = os.open(b"bound", os.O_RDONLY)
assert call("mount", b"link", b"/proc/self/fd/%d" % opened, 0, BIND | REC, 0) == 0
assert call("umount2", b"/proc/thread-self/fd/%d" % opened, 2) == 0
assert call("mount", 0, b"bound", 0, BIND | REMOUNT | RDONLY, 0) == 0
assert call("mount", b"/dev/no-such-device", b"bound", b"ext4", 0, 0) == -1
assert call("umount2", b"bound", 2) == 0
"""
    with watching() as run:
        run_calls(program, str(tmp_path))
    point, bound = f"{tmp_path}/real/point", f"{tmp_path}/bound"
    assert rows(run, "mount", "error", "flags", "text", "path", "path2", "name") == [
        (None, "MS_REC|MS_PRIVATE", None, "/", "none", "/"),
        (None, "MS_NOSUID|MS_NOEXEC", "tmpfs", point, "a-source", "link/../link/point"),
        (None, "MS_BIND", "tmpfs", bound, "link/../link/point", "bound"),
        (None, "MS_BIND|MS_REC", None, bound, "link", "/proc/self/fd/3"),
        (None, "MS_RDONLY|MS_REMOUNT|MS_BIND", None, bound, None, "bound"),
        ("ENOENT", "0", "ext4", bound, "/dev/no-such-device", "bound"),
    ]
    assert rows(run, "umount", "flags", "path") == [("MNT_DETACH", bound)] * 2
    first, second = run.events.filter(event="mount")["device"].to_list()[1:3]
    assert first == second


def test_the_new_way_to_mount(tmp_path: Path) -> None:
    (tmp_path / "point").mkdir()
    program = f"""{OWN_MOUNTS}
made = call("fsopen", b"tmpfs", 1)
assert call("fsconfig", made, 1, b"source", b"a-source", 0) == 0
assert call("fsconfig", made, 6, 0, 0, 0) == 0
mount = call("fsmount", made, 1, 2)
assert call("move_mount", mount, b"", -100, folder + b"/point", 4) == 0
assert call("open_tree", -100, folder, 1) >= 0
"""
    with watching() as run:
        run_calls(program, str(tmp_path))
    assert row(run, "fsopen")["text"] == "tmpfs"
    assert rows(run, "fsconfig", "command", "text", "path2") == [
        ("FSCONFIG_SET_STRING", "source", "a-source"),
        ("FSCONFIG_CMD_CREATE", None, None),
    ]
    fsmount, moved = row(run, "fsmount"), row(run, "move_mount")
    assert (fsmount["text"], fsmount["path2"], fsmount["flags"]) == ("tmpfs", "a-source", "MOUNT_ATTR_NOSUID")
    assert (moved["path"], moved["text"], moved["path2"]) == (f"{tmp_path}/point", "tmpfs", "a-source")
    assert moved["device"] == fsmount["device"]
    assert (row(run, "open_tree")["path"], row(run, "open_tree")["flags"]) == (str(tmp_path), "OPEN_TREE_CLONE")


def test_another_root(tmp_path: Path) -> None:
    (tmp_path / "root/inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to("root")
    program = """
folder = sys.argv[2].encode()
assert call("chroot", folder + b"/link") == 0
os.chdir("/")
assert call("chroot", b"inner") == 0
assert call("chroot", b"/nowhere") == -1
"""
    with watching() as run:
        run_calls(program, str(tmp_path))
    assert rows(run, "chroot", "error", "path", "host_path") == [
        (None, f"{tmp_path}/root", f"{tmp_path}/root"),
        (None, f"{tmp_path}/root/inner", f"{tmp_path}/root/inner"),
        ("ENOENT", "/nowhere", f"{tmp_path}/root/inner/nowhere"),
    ]


_TARGET = """
import time
read, write = os.pipe()
child = os.fork()
if not child:
    with open("/proc/self/comm", "w") as comm:
        comm.write("the-target")
    os.write(write, b"x")
    time.sleep(60)
os.read(read, 1)
"""


def test_other_processes() -> None:
    program = f"""{_TARGET}
byte = ctypes.create_string_buffer(1)
memory = (ctypes.c_size_t * 2)(ctypes.addressof(byte), 1)
call("process_vm_readv", child, memory, 1, memory, 1, 0)
call("process_vm_writev", child, memory, 1, 0, 0, 0)
assert call("ptrace", 0x4206, child, 0, 0) == 0  # SEIZE
call("ptrace", 2, child, 0, 0)  # PEEKDATA: not told
call("ptrace", 4, child, 0, 0)
call("pidfd_getfd", call("pidfd_open", child, 0), read, 0)
os.kill(child, 9)
"""
    with watching() as run:
        pid = run_calls(program)
    told = run.events.filter(pl.col("target_pid").is_not_null())
    assert told["event"].to_list() == ["process_vm_readv", "process_vm_writev", "ptrace", "ptrace", "pidfd_getfd"]
    assert told["command"].drop_nulls().to_list() == ["PTRACE_SEIZE", "PTRACE_POKETEXT"]
    assert set(told["target_comm"]) == {"the-target"}
    assert told["target_pid"].n_unique() == 1
    assert told["target_pid"][0] != pid


def test_a_target_has_its_number_on_the_host(tmp_path: Path) -> None:
    """In a PID namespace of its own a process says 2 and means another."""
    program = f"""
assert call("unshare", 0x20000000) == 0
inner = os.fork()
if not inner:
    {_TARGET.strip().replace(chr(10), chr(10) + "    ")}
    assert child == 2
    call("process_vm_readv", child, 0, 0, 0, 0, 0)
    call("process_vm_readv", 77777, 0, 0, 0, 0, 0)
    os._exit(0)
assert os.waitpid(inner, 0)[1] == 0
"""
    with watching() as run:
        run_calls(program)
    (found, comm), nobody = rows(run, "process_vm_readv", "target_pid", "target_comm")
    assert found > 2
    assert comm == "the-target"
    assert nobody == (None, None)


def test_namespaces() -> None:
    program = """
import struct
net = os.open("/proc/self/ns/net", os.O_RDONLY)
assert call("setns", net, 0x40000000) == 0
assert call("setns", os.open("/proc/self/ns/uts", os.O_RDONLY), 0) == 0
assert call("setns", os.open("/dev/null", os.O_RDONLY), 0) == -1
assert call("setns", call("pidfd_open", os.getpid(), 0), 0x04000000 | 0x40000000) == 0
assert call("unshare", 0x04000000 | 0x08000000) == 0
arguments = struct.pack("8Q", 0x20000000 | 0x10000000, 0, 0, 0, 17, 0, 0, 0)
child = call("clone3", arguments, len(arguments))
if not child:
    os._exit(0)
print(child, flush=True)
assert os.waitpid(child, 0)[1] == 0
assert os.waitpid(os.fork() or os._exit(0), 0)[1] == 0  # without new namespaces: not told
"""
    read, write = os.pipe()
    with watching() as run:
        pid = run_calls(program, stdout=write)
    child = int(os.read(read, 100))
    os.close(read)
    os.close(write)
    net, uts, bad, by_process = run.events.filter(event="setns").to_dicts()
    assert (net["text"], net["flags"], net["inode"]) == ("net", "CLONE_NEWNET", Path("/proc/self/ns/net").stat().st_ino)
    assert (uts["text"], uts["inode"]) == ("uts", Path("/proc/self/ns/uts").stat().st_ino)
    assert (bad["error"], bad["text"], bad["target_pid"]) == ("EINVAL", None, None)
    assert (by_process["text"], by_process["target_pid"]) == (None, pid)
    assert by_process["flags"] == "CLONE_NEWUTS|CLONE_NEWNET"
    assert rows(run, "unshare", "flags") == [("CLONE_NEWUTS|CLONE_NEWIPC",)]
    assert rows(run, "clone_ns", "flags", "target_pid") == [("CLONE_NEWUSER|CLONE_NEWPID", child)]


def test_bpf() -> None:
    program = """
import struct
code = ctypes.create_string_buffer(struct.pack("<BBhiBBhi", 0xb7, 0, 0, 0, 0x95, 0, 0, 0))  # r0 = 0; exit
license = ctypes.create_string_buffer(b"GPL")
places = ctypes.addressof(code), ctypes.addressof(license)
load = struct.pack("<IIQQIIQII16s", 1, 2, *places, 0, 0, 0, 0, 0, b"a_program")
loaded = call("bpf", 5, load, len(load))
assert loaded >= 0
made = struct.pack("<IIII12x16s", 2, 4, 8, 1, b"a_map")
map = call("bpf", 0, made, len(made))
assert map >= 0
call("bpf", 1, struct.pack("<I4xQQQ", map, 0, 0, 0), 32)  # a look-up: not told
call("bpf", 14, bytes(16), 16)
"""
    with watching(only="bpf") as run:
        run_calls(program)
    assert rows(run, "bpf", "error", "command", "type", "text") == [
        (None, "BPF_PROG_LOAD", "BPF_PROG_TYPE_SOCKET_FILTER", "a_program"),
        (None, "BPF_MAP_CREATE", "BPF_MAP_TYPE_ARRAY", "a_map"),
        ("ENOENT", "BPF_MAP_GET_FD_BY_ID", None, None),
    ]


def test_names_keys_and_handles(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    program = """
folder = sys.argv[2].encode()
assert call("memfd_create", b"a name", 1 | 2) >= 0
call("add_key", b"user", b"a-key", b"secret", 6, -1)
call("request_key", b"user", b"another-key", 0, -1)
call("keyctl", 0, -3, 0, 0, 0)
call("personality", 0x0040000)
call("personality", 0xffffffff)  # only asks
handle = ctypes.create_string_buffer(b"\\x80\\0\\0\\0", 8 + 128)
at = ctypes.create_string_buffer(4)
mount = os.open(folder, os.O_RDONLY)
if call("name_to_handle_at", mount, b"file", handle, at, 0) == 0:
    assert call("open_by_handle_at", mount, handle, 0) >= 0
else:
    call("open_by_handle_at", mount, handle, 0)
    print("no handles", flush=True)
call("delete_module", b"no_such_module", os.O_NONBLOCK | os.O_TRUNC)
call("finit_module", os.open(folder + b"/file", os.O_RDONLY), b"some=parameters", 1)
call("io_uring_setup", 8, bytes(8) + b"\\2\\0\\0\\0" + bytes(200))
"""
    read, write = os.pipe()
    with watching() as run:
        run_calls(program, str(tmp_path), stdout=write)
    os.close(write)
    without = os.read(read, 100)
    os.close(read)
    assert rows(run, "memfd_create", "text", "flags") == [("a name", "MFD_CLOEXEC|MFD_ALLOW_SEALING")]
    assert rows(run, "add_key", "type", "text", "path2") == [("user", "a-key", None)]
    assert rows(run, "request_key", "type", "text") == [("user", "another-key")]
    assert rows(run, "keyctl", "command") == [("KEYCTL_GET_KEYRING_ID",)]
    assert rows(run, "personality", "flags") == [("ADDR_NO_RANDOMIZE",)]
    handle = row(run, "open_by_handle_at")
    assert handle["path"] == (None if without else f"{tmp_path}/file")
    assert (handle["error"] is None) == (not without)
    assert rows(run, "delete_module", "text", "flags") == [("no_such_module", "O_NONBLOCK|O_TRUNC")]
    module = row(run, "finit_module")
    assert module["path"] == f"{tmp_path}/file"
    assert (module["text"], module["flags"]) == ("some=parameters", "MODULE_INIT_IGNORE_MODVERSIONS")
    assert module["error"] is not None
    ring = row(run, "io_uring_setup")
    assert (ring["arguments"][0], ring["flags"]) == (8, "IORING_SETUP_SQPOLL")


def test_ioctl(tmp_path: Path) -> None:
    """Few commands are told: here one that would make a file undeletable, with nothing set, and one of a terminal."""
    (tmp_path / "file").touch()
    program = r"""
file = os.open(sys.argv[2], os.O_RDWR)
call("ioctl", file, 0x40086602, bytes(8))
call("ioctl", file, 0x541B, bytes(8))  # FIONREAD: not told
call("ioctl", file, 0x5412, b"x")
call("ioctl", file, 0x400454ca, b"tun7")
call("ioctl", 1 << 20, 0x401c5820, b"\x18" + bytes(27))
"""
    with watching() as run:
        run_calls(program, str(tmp_path / "file"))
    assert rows(run, "ioctl", "path") == [(f"{tmp_path}/file",)] * 3 + [(None,)]
    flags, terminal, tun, attributes = rows(run, "ioctl", "error", "command", "flags", "text")
    assert flags[1:] == ("FS_IOC_SETFLAGS", "0", None)
    assert terminal == ("ENOTTY", "TIOCSTI", "0", None)
    assert tun == ("ENOTTY", "TUNSETIFF", "0", "tun7")
    assert attributes == ("EBADF", "FS_IOC_FSSETXATTR", "FS_APPEND_FL|FS_IMMUTABLE_FL", None)


def test_sockets() -> None:
    program = """
kept = []
for family, type, protocol in ((17, 3, 0x0300), (2, 3, 1), (2, 1, 0), (10, 2, 0), (1, 2, 0), (16, 3, 0), (16, 3, 12), (38, 5, 0), (40, 1, 0)):
    kept.append(call("socket", family, type | 0o2000000, protocol))
"""  # noqa: E501
    with watching() as run:
        run_calls(program)
    assert rows(run, "socket", "family", "type", "protocol", "flags") == [
        ("AF_PACKET", "SOCK_RAW", "ETH_P_ALL", "SOCK_CLOEXEC"),
        ("AF_INET", "SOCK_RAW", "IPPROTO_ICMP", "SOCK_CLOEXEC"),
        ("AF_NETLINK", "SOCK_RAW", "NETLINK_NETFILTER", "SOCK_CLOEXEC"),
        ("AF_ALG", "SOCK_SEQPACKET", "0", "SOCK_CLOEXEC"),
        ("AF_VSOCK", "SOCK_STREAM", "0", "SOCK_CLOEXEC"),
    ]


_STDIO = """
import fcntl
listener = socket.create_server(("127.0.0.1", int(sys.argv[2])))
one = socket.create_connection(listener.getsockname())
other, _ = listener.accept()
for stdio in range(3):
    os.dup2(one.fileno(), stdio)
os.dup2(one.fileno(), 0, inheritable=False)
os.close(0)
os.dup(one.fileno())
os.close(0)
fcntl.fcntl(one.fileno(), fcntl.F_DUPFD, 0)
os.close(0)
assert fcntl.fcntl(one.fileno(), fcntl.F_DUPFD_CLOEXEC, 3) > 2
pair = socket.socketpair()
os.dup2(pair[0].fileno(), 1)
pipe = os.pipe()
os.dup2(pipe[0], 0)
os.dup2(os.open("/dev/null", os.O_RDWR), 1)
"""


@pytest.mark.parametrize("silent", [False, True])
def test_sockets_that_are_asked_of_io_uring(silent: bool) -> None:
    with watching(only=("socket",)) as run:
        run_calls(
            """
sys.path.insert(0, sys.argv[2])
from tests.uring import *
flags = SILENT if sys.argv[3] else 0
answers = Ring().ask(*(Request(SOCKET, 17, 3, length=0x300, flags=flags, file_index=index) for index in (0, -1)))
""",
            str(Path(__file__).resolve().parents[3]),
            "silent" if silent else "",
        )
    seen = run.events.filter(event="socket").select("family", "type", "protocol", "fd", "error").rows()
    if not knows(Request(SOCKET, _NO_FAMILY, socket.SOCK_STREAM, flags=SILENT if silent else 0)):
        assert not seen
        return
    assert {row[:3] for row in seen} == {("AF_PACKET", "SOCK_RAW", "ETH_P_ALL")}
    (first, second) = [row[3:] for row in seen]
    if silent:
        assert first == second == (None, None)
    else:
        assert first[0] > 2
        assert first[1] is None
        assert second[0] is None  # for a table that the ring does not have
        assert second[1] in ("ENXIO", "ENFILE")


@pytest.mark.parametrize("failed", [True, False])
def test_a_silent_socket_that_fails_says_so_and_nothing_else(failed: bool) -> None:
    with watching(only=("socket",), failed=failed) as run:
        run_calls(
            """
sys.path.insert(0, sys.argv[2])
from tests.uring import *
ring = Ring()
if ring.may_be_silent:
    ring.submit(Request(SOCKET, 99, 1, flags=SILENT), Request(SOCKET, 17, 3, length=0x300, flags=SILENT))
""",
            str(Path(__file__).resolve().parents[3]),
        )
    seen = run.events.filter(event="socket").select("family", "type", "error").rows()
    there = knows(Request(SOCKET, _NO_FAMILY, socket.SOCK_STREAM, flags=SILENT))
    assert [row[2] for row in seen] == ([*(["EAFNOSUPPORT"] if failed else []), None] if there else [])


def test_a_socket_becomes_stdio() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with watching() as run:
        run_calls(_STDIO, str(port))
    connected = ("AF_INET", "SOCK_STREAM", "IPPROTO_TCP", "127.0.0.1", port)
    assert rows(run, "dup_stdio", "fd", "family", "type", "protocol", "address", "port") == [
        (0, *connected),
        (1, *connected),
        (2, *connected),
        (0, *connected),  # dup3
        (0, *connected),  # dup
        (0, *connected),  # fcntl
        (1, "AF_UNIX", "SOCK_STREAM", "0", None, None),
    ]


def test_a_new_socket_is_stdio_at_once() -> None:
    """Without dup(2): the lowest free descriptor is taken."""
    with watching() as run:
        run_calls("os.close(0); kept = socket.socket(socket.AF_INET6)")
    assert rows(run, "dup_stdio", "fd", "family", "address") == [(0, "AF_INET6", None)]


def test_servers_and_executable_memory() -> None:
    program = """
one = socket.socket()
one.bind(("127.0.0.1", 0))
one.listen()
print(one.getsockname()[1], flush=True)
six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
six.bind(("::1", 0))
import mmap
memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
plain = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE)
address = ctypes.addressof(ctypes.c_char.from_buffer(plain))
assert call("mprotect", address, 4096, 1 | 4) == 0
"""
    read, write = os.pipe()
    with watching(only="bind,listen,mprotect_exec") as run:
        run_calls(program, stdout=write)
    port = int(os.read(read, 100))
    os.close(read)
    os.close(write)
    assert rows(run, "bind", "family", "type", "address", "port") == [
        ("AF_INET", "SOCK_STREAM", "127.0.0.1", 0),
        ("AF_INET6", "SOCK_DGRAM", "::1", 0),
    ]
    assert rows(run, "listen", "family", "address", "port") == [("AF_INET", "127.0.0.1", port)]
    assert rows(run, "mprotect_exec", "flags")[-2:] == [("PROT_READ|PROT_WRITE|PROT_EXEC",), ("PROT_READ|PROT_EXEC",)]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="int 0x80 is of x86")
def test_the_32_bit_entry() -> None:
    """The same calls by their other numbers; sockets by socketcall(2)."""
    program = """
import mmap, struct
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
memory = libc.mmap(0, 4096, 7, 0x22 | 0x40, -1, 0)  # MAP_32BIT
# push rbx; mov eax, edi; mov ebx, esi; mov ecx, edx; int 0x80; pop rbx; ret
code = bytes.fromhex("53 89f8 89f3 89d1 cd80 5b c3")
ctypes.memmove(memory, code, len(code))
call32 = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint)(memory)
text = memory + 2048
ctypes.memmove(text, b"/no/such/place\\0", 15)
call32(61, text, 0)  # chroot
call32(310, 0x04000000, 0)  # unshare
ctypes.memmove(text, struct.pack("3I", 17, 3, 0x0300), 12)
call32(102, 1, text)  # socketcall: socket
ctypes.memmove(text, b"low name\\0", 9)
call32(356, text, 1)  # memfd_create
"""
    with watching() as run:
        run_calls(program)
    assert rows(run, "chroot", "error", "path") == [("ENOENT", "/no/such/place")]
    assert rows(run, "unshare", "flags") == [("CLONE_NEWUTS",)]
    assert rows(run, "socket", "family", "type", "protocol") == [("AF_PACKET", "SOCK_RAW", "ETH_P_ALL")]
    assert rows(run, "memfd_create", "text") == [("low name",)]


def test_names_of_any_length_and_bytes() -> None:
    program = r"""
long = b"/" + b"x" * 300
call("chroot", long)
call("sethostname", b"\xff\xfe", 65)  # too long: refused
call("chroot", 8)  # no address
"""
    with watching() as run:
        run_calls(program)
    long, unreadable = run.events.filter(event="chroot").to_dicts()
    assert long["error"] == "ENAMETOOLONG"
    assert long["path"] == "/" + "x" * 300
    assert long["name"] == "/" + "x" * 254
    assert row(run, "sethostname")["text"] == r"\xff\xfe"
    assert (unreadable["error"], unreadable["path"], unreadable["path_truncated"]) == ("EFAULT", None, True)
