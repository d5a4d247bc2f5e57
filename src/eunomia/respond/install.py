"""A filter for a process that runs: for all its threads at once, and all that it starts from then on.

One thread is stopped and made to call seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC), which gives the
filter to all others as well, or to none; those run on meanwhile. The program stands in memory mapped for the moment,
since a stack may be a few hundred bytes (Go's are). What it all leaves: the filter, and no_new_privs where needed.

Between the first changed register and the last restored one lie some hundred microseconds. Should we be killed by
SIGKILL just then, the process is lost, too: the kernel lets go of it as it is. Any other end of ours leaves it well.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from eunomia.errors import EunomiaError
from eunomia.host.procfs import Procfs
from eunomia.host.roots import Roots
from eunomia.respond.haste import on_own_thread
from eunomia.respond.held import Held
from eunomia.respond.holding import hold
from eunomia.respond.program import Program
from eunomia.respond.ptrace import ForeignError, FrozenError, GoneError, StuckError
from eunomia.respond.subject import Subject, candidates

_SET_MODE_FILTER, _TSYNC = 1, 1
_SET_NO_NEW_PRIVS = 38
_READ_WRITE, _PRIVATE_ANONYMOUS = 3, 0x22
_HEADER_BYTES = 16
_QUICK_S, _PATIENT_S, _VERY_PATIENT_S = 0.1, 2.0, 10.0
_ROUNDS = 5


class RefusedError(EunomiaError):
    """Nothing was done to the process; the text says why."""


@dataclass(frozen=True)
class Installed:
    """What has been done to a process.

    Attributes:
        already: it had this very filter, nothing was done.
        no_new_privs: it was set for that.
        held_s: how long its one thread was held.
        left_bytes: memory that could not be given back, since the profile denies munmap and we cannot pass it by.
    """

    already: bool
    no_new_privs: bool
    held_s: float
    left_bytes: int = 0


def install(
    subject: Subject,
    program: Program,
    roots: Roots,
    *,
    force: bool = False,
    is_meant: Callable[[], bool] = lambda: True,
) -> Installed:
    """Puts a filter on a process.

    Args:
        subject: it.
        program: the filter.
        roots: where /proc is.
        force: whether to try it under filters that cannot be passed by, which may kill the process.
        is_meant: asked when it is held and can go nowhere: whether it is the one that is meant. Its number and its
            start are compared anyway.

    Raises:
        GoneError: it has ended, whoever may have its number now.
        RefusedError: it cannot be done; the process is as it was.
        EunomiaError: it could not be done, and something is left of it; the text says what.
    """
    return on_own_thread(lambda: _install(subject, program, roots, is_meant, force=force))


def _install(
    subject: Subject, program: Program, roots: Roots, is_meant: Callable[[], bool], *, force: bool
) -> Installed:
    stuck: dict[int, StuckError] = {}
    for _ in range(_ROUNDS):
        if not (_is_there(subject, roots) and is_meant()):  # who has its number now is not to be held
            break
        left = [tid for tid in candidates(subject.pid, roots) if tid not in stuck]
        for tid in left:
            patience_s = _QUICK_S if tid != left[-1] else _patience_s(tid, roots)
            try:
                with hold(tid, patience_s, roots, restarts=program.lets_through("restart_syscall")) as held:
                    _recognise(tid, subject, roots, is_meant)
                    return _put_on(held, subject, program, force=force)
            except GoneError:
                continue
            except StuckError as error:
                stuck[tid] = error
            except (FrozenError, ForeignError) as error:
                raise RefusedError(str(error)) from error
            except OSError as error:
                _refuse_unless_ended(tid, error, subject, roots)
        if not left:
            break
    if stuck:
        raise RefusedError(f"{next(iter(stuck.values()))}: it is in {_where(next(iter(stuck)), roots)}")
    raise GoneError(f"process {subject.pid} has ended")


def _is_there(subject: Subject, roots: Roots) -> bool:
    """Whether a process's number is still its own."""
    origin = Procfs(roots).origin(subject.pid)
    return origin is not None and origin.start_ns == subject.start_ns


def _refuse_unless_ended(tid: int, error: OSError, subject: Subject, roots: Roots) -> None:
    """Who has just ended may not be seized, by the same error as one who is traced by somebody else (ptrace(2))."""
    status = Procfs(roots).status(tid)
    if status is not None and status["State"][0] not in "ZX":
        raise RefusedError(_explained(error, subject)) from error


def _recognise(tid: int, subject: Subject, roots: Roots, is_meant: Callable[[], bool]) -> None:
    """Makes sure that a thread that is held, and so keeps its numbers, belongs to the process that was looked at."""
    status = Procfs(roots).status(tid)
    of = None if status is None else int(status["Tgid"])
    if of != subject.pid or not _is_there(subject, roots) or not is_meant():
        raise GoneError(f"thread {tid} of process {subject.pid} has ended")


def _put_on(held: Held, subject: Subject, program: Program, *, force: bool) -> Installed:
    """Does it, with a thread in hand."""
    started_s = time.monotonic()
    if held.has_filter(program.packed):
        return Installed(True, False, time.monotonic() - started_s)
    if not program.takes(held.entry.table):
        raise RefusedError(f"it makes {held.entry.table} calls, of which the profile has none: it could not go on")
    if subject.mode and not held.unfiltered and not force:
        raise RefusedError(
            "it has a filter that might kill it for what has to be done, and passing that by takes CAP_SYS_ADMIN, a"
            " kernel with CONFIG_CHECKPOINT_RESTORE, and no filter over ourselves: --force tries it nevertheless"
        )
    room = _HEADER_BYTES + len(program.packed)
    address = held.call(held.entry.map_memory, 0, room, _READ_WRITE, _PRIVATE_ANONYMOUS, -1, 0)
    if address < 0:
        raise RefusedError(f"no memory could be mapped in it: {os.strerror(-address)}")
    left = [_memory(room)]
    try:
        result, kept = _set_filter(held, subject, program, address, room, left)
    except (FrozenError, OSError) as error:
        if not left:
            raise
        raise EunomiaError(f"{error}; it was begun, and this is left of it: {' and '.join(left)}") from error
    _check(result, gave_up=subject.needs_no_new_privs)
    return Installed(False, subject.needs_no_new_privs, time.monotonic() - started_s, kept)


def _memory(room: int) -> str:
    return f"{room} bytes of memory mapped in it"


def _set_filter(
    held: Held, subject: Subject, program: Program, address: int, room: int, left: list[str]
) -> tuple[int, int]:
    """What seccomp(2) has said, and how much memory stays mapped; `left` always says what is changed until now."""
    result = -errno.EINTR
    try:
        header = held.entry.program_header(len(program), address + _HEADER_BYTES)
        held.write(address, header.ljust(_HEADER_BYTES, b"\0") + program.packed)
        if subject.needs_no_new_privs:
            if refused := held.call("prctl", _SET_NO_NEW_PRIVS, 1, 0, 0, 0):
                raise RefusedError(f"no_new_privs could not be set: {os.strerror(-refused)}")
            left.append("no_new_privs of one thread, which cannot be undone")
        result = held.call("seccomp", _SET_MODE_FILTER, _TSYNC, address)
        if result == 0:
            left.append("the filter, which is on all its threads")
    finally:
        kept = _give_back(held, address, room, bound=result == 0 and not program.lets_through("munmap"))
        if not kept:
            left.remove(_memory(room))
    return result, kept


def _give_back(held: Held, address: int, room: int, *, bound: bool) -> int:
    """Unmaps the memory; gives how much is left, when to try would break the rules of the filter just put on."""
    if bound and not held.unfiltered:
        return room
    return room if held.call("munmap", address, room) else 0


def _check(result: int, *, gave_up: bool) -> None:
    """What seccomp(2) has said."""
    if result == 0:
        return
    left = "; no_new_privs of one thread is set now, which cannot be undone" if gave_up else ""
    error = EunomiaError if gave_up else RefusedError
    if result > 0:
        raise error(f"thread {result} (by its own number) has filters of its own, so none was put on any thread{left}")
    why = {
        errno.EACCES: "it may not set filters: it lacks CAP_SYS_ADMIN and no_new_privs",
        errno.EINVAL: "the kernel does not take the program, or is too old",
        errno.ENOMEM: "it has too many filters, or there is no memory",
    }
    raise error(f"the kernel refused the filter: {why.get(-result, os.strerror(-result))}{left}")


def _explained(error: OSError, subject: Subject) -> str:
    if error.errno in (errno.EPERM, errno.EACCES):
        return (
            f"it may not be traced ({error.strerror}): that takes CAP_SYS_PTRACE, nobody else who traces it, no"
            " AppArmor or SELinux against it, and /proc/sys/kernel/yama/ptrace_scope below 3"
        )
    return f"process {subject.pid}: {error.strerror or error}"


def _patience_s(tid: int, roots: Roots) -> float:
    """What may run stops for sure, when the machine gets round to it."""
    status = Procfs(roots).status(tid)
    return _PATIENT_S if status is None or status["State"].startswith("D") else _VERY_PATIENT_S


def _where(tid: int, roots: Roots) -> str:
    """What a thread is about that does not stop."""
    status = Procfs(roots).status(tid)
    try:
        place = (roots.proc / str(tid) / "wchan").read_text().strip("0")
    except OSError:
        place = ""
    return f"state {status['State'] if status else 'unknown'}{place and f', at {place}'}"
