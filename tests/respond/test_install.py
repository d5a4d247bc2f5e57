"""A filter comes onto a process that runs, and nothing else of the process changes."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from eunomia.errors import EunomiaError
from eunomia.host.procfs import Procfs
from eunomia.host.roots import Roots
from eunomia.privileges.profile import Action, Profile
from eunomia.respond.haste import on_own_thread
from eunomia.respond.holding import hold
from eunomia.respond.install import RefusedError, install
from eunomia.respond.instructions import Instruction
from eunomia.respond.machines import machine
from eunomia.respond.program import Program, compile_profile
from eunomia.respond.ptrace import FrozenError, GoneError
from eunomia.respond.subject import look, refusal
from eunomia.schema.syscalls import codes
from tests.cli.command import ROOT
from tests.respond.targets import DENIED, EPERM, Target, allowing_all_but, running
from tests.waiting import until

pytestmark = pytest.mark.kernel
_THREADS = 200
_OF_32_BITS = ("epoll_32",) if platform.machine() == "x86_64" else ()


def _report(target: Target) -> list[int]:
    target.tell()
    return [int(word) for word in target.line().split()]


def _state(target: Target) -> str:
    return target.status("State")[0]


def _filters(target: Target) -> set[str]:
    """What all of its threads have."""
    texts = [path.read_text() for path in Path(f"/proc/{target.pid}/task").glob("*/status")]
    return {match[1] for text in texts for match in re.finditer(r"^Seccomp_filters:\s*(\d+)", text, re.MULTILINE)}


@pytest.mark.parametrize("threads", [1, _THREADS])
def test_every_thread_is_filtered_while_all_run(target: Path, threads: int) -> None:
    """No call goes wrong but those denied, of no thread and of no new child; the memory is given back."""
    with running(target, "spin", str(threads)) as process:
        assert process.line() == "ready"
        calls, *rest = _report(process)
        assert rest == [0, 0, 0, 0]
        before = Path(f"/proc/{process.pid}/maps").read_text()
        done = process.install(allowing_all_but(DENIED))
        assert not done.already
        assert done.left_bytes == 0
        assert Path(f"/proc/{process.pid}/maps").read_text() == before
        assert _filters(process) == {"1"}
        more, denied, wrong, alike, child = _report(process)
        assert more > calls
        assert wrong == 0
        assert alike == threads
        assert denied > 0
        assert child == EPERM


def test_the_same_filter_is_put_on_once(target: Path) -> None:
    """Another one comes on top."""
    with running(target, "spin", "2") as process:
        assert process.line() == "ready"
        assert not process.install(allowing_all_but("ptrace")).already
        assert process.install(allowing_all_but("ptrace")).already
        assert _filters(process) == {"1"}
        assert not process.install(allowing_all_but(DENIED)).already
        assert _filters(process) == {"2"}
        assert _report(process)[3] == 2


@pytest.mark.parametrize(
    "how",
    [
        *("read", "poll", "ppoll", "select", "epoll", "epoll_pwait", *_OF_32_BITS, "futex", "wait", "accept"),
        *("connect_limit", "io_getevents"),
    ],
)
def test_a_blocking_call_goes_on(target: Path, how: str) -> None:
    """The program never learns that it was interrupted: neither by an error, nor by an end before its time."""
    with running(target, "block", how) as process:
        said = process.line().split()
        until(lambda: _state(process) == "S")
        time.sleep(0.05)
        for number in range(3):
            process.install(allowing_all_but(DENIED, "mount" if number else "reboot", *(["swapon"] * number)))
        until(lambda: _state(process) == "S")
        if how == "accept":
            with socket.create_connection(("127.0.0.1", int(said[1]))):
                assert process.line().split()[:2] == ["1", "0"]
        else:
            process.tell(b"x")
            assert process.line().split()[:2] == ["1", "0"]


@pytest.mark.parametrize("how", ["nanosleep", "poll_limit"])
@pytest.mark.parametrize("restarts", [True, False])
def test_a_wait_with_a_limit_goes_on(target: Path, how: str, restarts: bool) -> None:
    """To its end where it may be taken up again; where the profile denies that, from its beginning."""
    denied = ("ptrace",) if restarts else ("ptrace", "restart_syscall")
    with running(target, "block", how) as process:
        process.line()
        time.sleep(0.7)
        process.install(allowing_all_but(*denied))
        result, error, took_ms = process.line().split()
        assert (result, error) == ("1", "0")
        assert 1450 < int(took_ms) < 1900 if restarts else 2150 < int(took_ms) < 2700


def test_a_signal_is_delivered_as_ever(target: Path) -> None:
    """Also one that arrives while the thread is held, and in a call that lets signals through itself."""
    with running(target, "block", "sigsuspend") as process:
        process.line()
        process.install(allowing_all_but(DENIED))
        until(lambda: _state(process) == "S")
        os.kill(process.pid, signal.SIGUSR1)
        assert process.line().split()[:2] == ["1", "0"]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        *(("read", "-1 4"), ("ppoll", "-1 4"), ("epoll", "-1 4"), ("accept", "0 0")),
        *(("sigsuspend", "1 0"), ("nanosleep_long", "0 0")),
    ],
)
def test_a_signal_that_comes_while_it_is_held(target: Path, how: str, said: str) -> None:
    """It ends the call then as it would have ended it without us: no program waits for one that it had."""
    with running(target, "block", how) as process:
        process.line()
        process.blocks()
        on_own_thread(lambda: _signalled_while_held(process.pid))
        assert process.line().split()[:2] == said.split()


def _signalled_while_held(pid: int) -> None:
    with hold(pid, 10, Roots(), restarts=True) as held:
        assert held.call("getppid") == os.getpid()
        os.kill(pid, signal.SIGUSR1)


def test_no_signal_is_lost(target: Path) -> None:
    """Of a thousand that are queued while filters are put on, and none comes in the middle of that."""
    with running(target, "signals") as process:
        process.line()
        sender = threading.Thread(target=_queue, args=(process.pid, 1000))
        sender.start()
        for number in range(10):
            process.install(allowing_all_but(*["swapon"] * (number + 1), "mount" if number % 2 else "reboot"))
        sender.join()
        until(lambda: not int(process.status("ShdPnd"), 16))
        process.tell(b"x")
        assert process.line() == "1 1000"


def _queue(pid: int, count: int) -> None:
    """Some of those signals that are not merged."""
    for _ in range(count):
        os.kill(pid, signal.SIGRTMIN)
        time.sleep(0.0005)


_FILTERED_CALLER = """
import ctypes, sys
from eunomia.host.roots import Roots
from eunomia.respond.install import RefusedError, install
from eunomia.respond.subject import look
from tests.respond.targets import allowing_all_but

own = allowing_all_but("swapon")
text = ctypes.create_string_buffer(own.packed)
header = ctypes.create_string_buffer(
    len(own).to_bytes(8, "little") + ctypes.addressof(text).to_bytes(8, "little"), 16
)
assert ctypes.CDLL(None).syscall(int(sys.argv[2]), 1, 0, header) == 0
for denied in (("munmap",), ("mount",)):
    try:
        print(install(look(int(sys.argv[1]), Roots()), allowing_all_but(*denied), Roots()).left_bytes)
    except RefusedError as error:
        print(error)
"""


def test_by_one_who_cannot_pass_filters_by(target: Path) -> None:
    """As from within a container: what the new filter forbids is not tried; under an old one nothing is done."""
    with running(target, "spin", "2") as process:
        process.line()
        number = codes("seccomp")[0]
        command = (sys.executable, "-c", _FILTERED_CALLER, str(process.pid), str(number))
        env = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=env)
        left, refused = done.stdout.splitlines()
        assert 0 < int(left) < 4096
        assert "a filter that might kill it" in refused
        assert _filters(process) == {"1"}
        assert _report(process)[1:] == [0, 0, 0, 0]


def test_a_stopped_process_stays_stopped(target: Path) -> None:
    """And is filtered when it goes on."""
    with running(target, "spin", "3") as process:
        process.line()
        os.kill(process.pid, signal.SIGSTOP)
        until(lambda: _state(process) == "T")
        process.install(allowing_all_but(DENIED))
        assert _filters(process) == {"1"}
        until(lambda: _state(process) == "T", 1)
        time.sleep(0.1)
        assert _state(process) == "T"
        os.kill(process.pid, signal.SIGCONT)
        assert _report(process)[3:] == [3, EPERM]


def test_a_32_bit_program(target32: Path) -> None:
    """By its own entry; refused when the profile knows nothing of that."""
    with running(target32) as process:
        process.tell(b"x")
        assert process.process.stdout
        assert process.process.stdout.read(1) == b"y"
        assert process.subject().table == "i386"
        process.install(allowing_all_but(DENIED))
        process.tell(b"x")
        assert process.process.stdout.read(1) == b"n"
        subject = process.subject()
        told = refusal(subject, compile_profile(Profile((), Action.ALLOW)), Procfs(Roots()), force=False)
        assert told is not None
        assert "i386" in told
        with pytest.raises(RefusedError, match="i386"):
            install(subject, compile_profile(Profile((), Action.ALLOW)), Roots())
        process.tell(b"x")
        assert process.process.stdout.read(1) == b"n"


def test_in_namespaces_of_its_own_and_without_privileges(target: Path) -> None:
    """It gives up new privileges for it, and for that only."""
    alone = ("setpriv", "--reuid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all")
    inside = ("unshare", "--pid", "--mount", "--net", "--fork", "--kill-child")
    with running(target, "spin", "3", before=(*inside, *alone)) as outer:
        assert outer.line() == "ready"
        pids = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        outer.pid = int(pids[0])
        subject = outer.subject()
        assert subject.needs_no_new_privs
        done = outer.install(allowing_all_but(DENIED))
        assert done.no_new_privs
        assert outer.status("NoNewPrivs") == "1"
        assert _report(outer)[3:] == [3, EPERM]
    with running(target, "spin", "1") as process:
        process.line()
        assert not process.install(allowing_all_but(DENIED)).no_new_privs
        assert process.status("NoNewPrivs") == "0"


def test_one_who_is_filtered_already_and_may_do_nothing_of_it(target: Path) -> None:
    """What has to be done in it is done past its own filters, and past ours."""
    needed = ("mmap", "munmap", "seccomp", "prctl", "mprotect")
    with running(target, "spin", "2") as process:
        process.line()
        process.install(allowing_all_but(*needed, action=Action.KILL_PROCESS))
        done = process.install(allowing_all_but(DENIED, *needed, action=Action.ERRNO))
        assert done.left_bytes == 0
        assert _filters(process) == {"2"}
        process.tell()
        assert process.line().split()[3] == "2"


@pytest.mark.parametrize(("action", "killed"), [(Action.KILL_PROCESS, True), (Action.LOG, False)])
def test_other_answers(target: Path, action: Action, killed: bool) -> None:
    """A process is killed at its first denied call, or goes on."""
    with running(target, "spin", "3") as process:
        process.line()
        with contextlib.suppress(GoneError):  # it may not even live to see its register restored
            process.install(allowing_all_but(DENIED, action=action))
        if killed:
            assert process.process.wait(10) == -signal.SIGSYS
        else:
            assert _report(process)[1:] == [0, 0, 0, 0]


def test_who_is_refused(target: Path) -> None:
    """With a reason, and untouched: traced by another, a zombie, the kernel's own, ourselves, the host's init."""
    program, procfs = allowing_all_but(DENIED), Procfs(Roots())

    def told(process: Target) -> str:
        return refusal(process.subject(), program, procfs, force=False) or ""

    libc = ctypes.CDLL(None, use_errno=True)
    with running(target, "spin", "2") as process:
        process.line()
        assert libc.ptrace(0x4206, process.pid, 0, 0) == 0
        assert f"traced by process {os.getpid()}" in told(process)
        with pytest.raises(RefusedError, match="may not be traced"):
            process.install(program)
    with running("/bin/true") as process:
        until(lambda: _state(process) == "Z")
        assert "has ended" in told(process)
        with pytest.raises(GoneError):
            process.install(program)
    for pid, why in ((os.getpid(), "ourselves"), (1, "host's init"), (2, "thread of the kernel")):
        subject = look(pid, Roots())
        assert subject is not None
        assert why in (refusal(subject, program, procfs, force=False) or "")


def test_a_parent_that_waits_for_its_vfork_child(target: Path) -> None:
    """It cannot be stopped before that has run a program; then it can. Nobody is left held."""
    with running(target, "vfork") as process:
        assert process.line() == "ready"
        until(lambda: _state(process) == "D")
        with pytest.raises(RefusedError, match="does not stop: it is in state D"):
            process.install(allowing_all_but(DENIED))
        assert process.line() == "over"
        assert not process.install(allowing_all_but(DENIED)).already


def test_one_that_ends_meanwhile(target: Path) -> None:
    """Whenever it is killed, that is said; its parent hears of its end as usual."""
    for wait_ms in range(0, 30, 2):
        with running(target, "spin", "20") as process:
            process.line()
            subject = process.subject()
            killer = subprocess.Popen(["sh", "-c", f"sleep {wait_ms / 10000}; kill -9 {process.pid}"])
            with contextlib.suppress(GoneError):
                install(subject, allowing_all_but(DENIED), Roots())
            assert process.process.wait(10) == -signal.SIGKILL
            killer.wait()


def test_a_number_that_is_anothers_by_now(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has got it is left alone: by its start, by the process a thread is of, and by what the caller knows."""
    program = allowing_all_but(DENIED)
    with running(target, "spin", "1") as process, running(target, "spin", "1") as other:
        process.line()
        other.line()
        subject = process.subject()
        meant = iter((True, False))
        with pytest.raises(GoneError):
            install(dataclasses.replace(subject, start_ns=subject.start_ns - 10_000_000), program, Roots())
        with pytest.raises(GoneError):
            install(subject, program, Roots(), is_meant=lambda: next(meant, False))
        assert next(meant, None) is None
        monkeypatch.setattr("eunomia.respond.install.candidates", lambda *_: [other.pid])
        with pytest.raises(GoneError):
            install(subject, program, Roots())
        assert (_filters(process), _filters(other)) == ({"0"}, {"0"})
        assert _report(process)[1:] == _report(other)[1:] == [0, 0, 0, 0]


def test_a_failure_leaves_the_target_as_it_was(target: Path) -> None:
    """One that the kernel refuses: a program that is none."""
    with running(target, "spin", "3") as process:
        process.line()
        before = Path(f"/proc/{process.pid}/maps").read_text()
        nonsense = Program((Instruction(0x99, 0, 0, 0),), Profile(()), ("x86_64", "aarch64"))
        with pytest.raises(RefusedError, match="kernel refused the filter"):
            process.install(nonsense)
        assert Path(f"/proc/{process.pid}/maps").read_text() == before
        assert _filters(process) == {"0"}
        assert process.status("NoNewPrivs") == "0"
        assert _report(process)[1:] == [0, 0, 0, 0]


class _Freezing:
    """A thread in hand that does not run any more from some call on."""

    unfiltered = True

    def __init__(self, at: str) -> None:
        self.entry = next(iter(machine().entries.values()))
        self._at = at

    def has_filter(self, _program: bytes) -> bool:
        return False

    def write(self, _address: int, _data: bytes) -> None:
        pass

    def call(self, name: str, *_arguments: int) -> int:
        if name == self._at:
            raise FrozenError("it does not run")
        return 0x1000 if name == self.entry.map_memory else 0


@pytest.mark.parametrize(
    ("at", "left"),
    [("prctl", ()), ("seccomp", ("no_new_privs",)), ("munmap", ("no_new_privs", "the filter", "bytes of memory"))],
)
def test_who_is_frozen_in_the_middle(monkeypatch: pytest.MonkeyPatch, at: str, left: tuple[str, ...]) -> None:
    """As if nothing had been done only if that is so; else it is told what is left."""
    monkeypatch.setattr("eunomia.respond.install.hold", lambda *_, **__: contextlib.nullcontext(_Freezing(at)))
    subject = look(os.getpid(), Roots())
    assert subject is not None
    bare = dataclasses.replace(subject, no_new_privs=False, may_filter=False)
    with pytest.raises(EunomiaError, match="does not run") as caught:
        install(bare, allowing_all_but(DENIED), Roots())
    assert isinstance(caught.value, RefusedError) is not bool(left)
    assert all(one in str(caught.value) for one in left)
