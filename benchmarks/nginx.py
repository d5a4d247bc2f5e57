"""A web server under full load while the five core trackers watch it: requests it answers, next to nothing running.

The worst case: nginx opens a file for every request, and server, client and tool share all CPUs. wrk with 2 threads and
32 connections on loopback. bpftrace counts the same things with a script of each kind.
"""

from __future__ import annotations

import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from benchmarks import empty
from benchmarks.measure import Row, cpu_s, memory_mb, until
from benchmarks.tools import EUNOMIA, peer, running, with_tracefs

TRACKERS = ("process", "syscall", "files", "tcp", "ipc")
_PORT = 18080
_CONFIG = """
worker_processes 2;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    sendfile on;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; root {folder}/www; }}
}}
"""
_SCRIPT = """
tracepoint:sched:sched_process_exec { @exec[pid, str(args->filename)] = count(); }
tracepoint:sched:sched_process_exit { @exit[pid, comm] = count(); }
tracepoint:raw_syscalls:sys_exit { @calls[pid, comm, args->id] = count(); if (args->ret < 0) { @errors[pid, args->id, args->ret] = count(); } }
tracepoint:syscalls:sys_enter_openat { @opens[pid, str(args->filename)] = count(); }
tracepoint:syscalls:sys_enter_read, tracepoint:syscalls:sys_enter_pread64 { @fd[tid] = args->fd + 1; }
tracepoint:syscalls:sys_exit_read, tracepoint:syscalls:sys_exit_pread64 /@fd[tid] && args->ret > 0/ { @reads[pid, @fd[tid]] = stats(args->ret); delete(@fd[tid]); }
tracepoint:syscalls:sys_enter_write, tracepoint:syscalls:sys_enter_writev { @ofd[tid] = args->fd + 1; }
tracepoint:syscalls:sys_enter_sendfile64 { @ofd[tid] = args->out_fd + 1; }
tracepoint:syscalls:sys_exit_write, tracepoint:syscalls:sys_exit_writev, tracepoint:syscalls:sys_exit_sendfile64 /@ofd[tid] && args->ret > 0/ { @writes[pid, @ofd[tid]] = stats(args->ret); delete(@ofd[tid]); }
tracepoint:sock:inet_sock_set_state { @tcp[args->sport, args->dport, args->newstate] = count(); }
tracepoint:signal:signal_generate { @signals[pid, args->pid, args->sig] = count(); }
interval:s:1 { print(@exec); clear(@exec); print(@calls); clear(@calls); print(@errors); clear(@errors); print(@opens); clear(@opens); print(@reads); clear(@reads); print(@writes); clear(@writes); print(@tcp); clear(@tcp); print(@signals); clear(@signals); }
"""  # noqa: E501 (bpftrace has no way to continue a line)


def _config(folder: Path) -> Path:
    path = folder / "eunomia.toml"
    path.write_text("".join(f'[[tracker]]\ntype = "{name}"\n' for name in TRACKERS))
    return path


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """nginx with one small file; gives the address."""
    (folder / "www").mkdir()
    (folder / "www" / "index.html").write_text("x" * 612)
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(folder=folder, port=_PORT))
    folder.chmod(0o755)
    command = (peer("nginx") or "nginx", "-e", str(folder / "error.log"), "-c", str(config))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as nginx:
        try:
            until(_answers, "nginx")
            yield f"http://127.0.0.1:{_PORT}/"
        finally:
            nginx.terminate()


def _answers() -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", _PORT)) == 0


def requests_per_s(address: str, duration_s: float, connections: int = 32) -> float:
    """What wrk says; its own durations are whole seconds, so the rate is taken from its count."""
    command = ("wrk", "-t2", f"-c{connections}", f"-d{max(1, round(duration_s))}", address)
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    return float(found[1]) if found else 0.0


def _cases(folder: Path) -> dict[str, Callable[[], AbstractContextManager[int | None]]]:
    @contextmanager
    def hooks_only() -> Iterator[None]:
        with empty.attached(empty.sections(TRACKERS)):
            time.sleep(0.5)
            yield

    config = _config(folder)
    command = (*EUNOMIA, "run", "--config", str(config))
    cases: dict[str, Callable[[], AbstractContextManager[int | None]]] = {
        "nothing": nullcontext,
        "empty programs": hooks_only,
        "eunomia": lambda: running(command),
    }
    if peer("bpftrace"):
        cases["bpftrace"] = lambda: running(with_tracefs(["bpftrace", "-e", _SCRIPT]))
    return cases


def run(*, quick: bool) -> Iterator[Row]:
    """The benchmark."""
    rounds, duration_s = (1, 2) if quick else (9, 5)
    if not shutil.which("wrk"):
        raise SystemExit("error: wrk is not installed (scripts/install.sh bench)")
    folder = Path(tempfile.mkdtemp(prefix="eunomia-nginx-"))
    own: dict[str, list[float]] = {}
    memory: list[float] = []
    try:
        cases = _cases(folder)
        names = list(cases)
        rates: dict[str, list[float]] = {name: [] for name in names}
        with server(folder) as address:
            for turn in range(rounds):
                for place in range(len(names)):
                    name = names[(turn + place) % len(names)]
                    with cases[name]() as pid:
                        before = cpu_s(pid) if pid else 0.0
                        rates[name].append(requests_per_s(address, duration_s))
                        if pid:
                            own.setdefault(name, []).append((cpu_s(pid) - before) / duration_s)
                        if pid and name == "eunomia":
                            memory.append(memory_mb(pid)[0])
    finally:
        shutil.rmtree(folder)
    yield Row("nothing: requests", statistics.median(rates["nothing"]), "/s")
    loss = {
        name: [1 - rate / base for rate, base in zip(rates[name], rates["nothing"], strict=True)] for name in names[1:]
    }
    for name, values in loss.items():
        most = 10.0 if name == "eunomia" else None
        yield Row(f"{name}: fewer requests", 100 * statistics.median(values), "%", at_most=most)
    medians = {name: statistics.median(values) for name, values in loss.items()}
    yield Row("eunomia to empty programs: loss", medians["eunomia"] / medians["empty programs"], "times", at_most=1.5)
    for name, values in own.items():
        yield Row(f"{name}: its own CPU", 100 * statistics.median(values), "% of a core")
    yield Row("eunomia: resident memory", max(memory), "MB", at_most=120)
