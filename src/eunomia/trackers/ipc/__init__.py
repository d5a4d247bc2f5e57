"""Communication between processes on one machine: System V, POSIX queues and memory, pipes, Unix sockets, signals."""

from collections.abc import Callable, Mapping

from eunomia.errors import UsageError
from eunomia.trackers.declaration import Hook, Option, Options, Tracker
from eunomia.trackers.ipc.metrics import METRICS

_KINDS = ("sysv_shm", "sysv_sem", "sysv_msg", "posix_mq", "posix_shm", "pipe", "unix", "signal")
"""In the order of enum kind in event.bpf.h."""
_LEAST_INTERVAL_S = 0.1
_CALLED = tuple(kind for kind in _KINDS if kind != "signal")
_OF_CALLS = (
    *("shm_get", "shm_attach", "shm_detach", "shm_remove", "sem_get", "sem_op", "sem_remove"),
    *("msg_get", "msg_send", "msg_receive", "msg_remove", "mq_open", "mq_send", "mq_receive", "mq_unlink"),
    *("posix_shm_open", "posix_shm_unlink", "pipe", "fifo_open"),
    *("unix_bind", "unix_connect", "unix_accept", "unix_pair", "unix_send"),
)


def _kinds(options: Options) -> frozenset[str]:
    return frozenset(options["kinds"] or _KINDS)


def _settings(options: Options) -> Mapping[str, int]:
    asked = _kinds(options)
    return {"kinds": sum(1 << bit for bit, kind in enumerate(_KINDS) if kind in asked)}


def _interval(options: Options) -> float | None:
    if 0 < options["interval"] < _LEAST_INTERVAL_S:
        raise UsageError(f"option interval: {options['interval']}: {_LEAST_INTERVAL_S} is the least")
    return options["interval"] or None


def _reports(*kinds: str) -> Callable[[Options], bool]:
    """Whether a run reports events, and of one of these kinds."""
    return lambda options: not _interval(options) and not _kinds(options).isdisjoint(kinds)


TRACKER = Tracker(
    description="processes that talk to each other: shared memory, semaphores, queues, pipes, Unix sockets, signals",
    hooks=(
        Hook(
            "calls",
            "a system call for inter-process communication returns",
            (("calls_btf",), ("calls_raw",)),
            _reports(*_CALLED),
            _OF_CALLS,
        ),
        Hook(
            "submitted",
            "a connection of a Unix socket is asked of io_uring, and is done",
            (("submit_req", "uring_done"), ("submit_sqe", "uring_done")),
            _reports("unix"),
            ("unix_connect",),
            optional=True,
        ),
        Hook(
            "receivers",
            "a datagram finds the Unix socket that it goes to; for the other side of unix_send",
            (("may_send_lsm",), ("may_send_fentry",), ("may_send_kprobe",)),
            _reports("unix"),
            optional=True,
        ),
        Hook(
            "signals",
            "a signal is sent",
            (("signal_btf",), ("signal_raw",)),
            _reports("signal"),
            ("signal_sent",),
        ),
        Hook(
            "traffic",
            "something is read, written, sent, received, or done with a semaphore",
            (("traffic_btf",), ("traffic_raw",)),
            lambda options: _interval(options) is not None,
            counts=True,
        ),
    ),
    options=(
        Option("kinds", (), "report only these mechanisms", "KIND,…", choices=_KINDS),
        Option(
            "interval",
            0.0,
            "count traffic by process and object instead, and report it every so many seconds",
            "SECONDS",
        ),
        Option("failed", False, "report also what failed, with the reason", constant="failed"),
        Option(
            "every",
            False,
            "report every message and semaphore operation, not only the first of a process on an object",
            constant="every",
        ),
        Option(
            "anonymous",
            False,
            "report also pipes and pairs of sockets as they are made, for oneself or one's children",
            constant="anonymous",
        ),
        Option(
            "all-signals",
            False,
            "report also signals that a process sends itself and those that the kernel sends",
            constant="all_signals",
        ),
    ),
    table=(
        *("time", "event", "container", "pid", "comm", "peer_container", "peer_pid", "peer_comm"),
        *("ipc_id", "key", "bytes", "result", "name"),
    ),
    interval=_interval,
    apart=tuple(("interval", name) for name in ("failed", "every", "anonymous", "all_signals")),
    totals_table=(
        *("time", "kind", "container", "pid", "comm", "peer_container", "peer_pid", "peer_comm", "ipc_id", "key"),
        *("operations", "sent", "sent_bytes", "received", "received_bytes", "inode", "name"),
    ),
    settings=_settings,
    metrics=METRICS,
)
