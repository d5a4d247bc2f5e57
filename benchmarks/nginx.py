"""A web server under full load while the five core trackers watch it: requests it answers, next to nothing running.

Each case runs for some seconds before it is measured, so that start-up is no part of it. Two settings. The worst case:
nginx opens a file for every request, and server, client and tool share all CPUs; wrk with 2 threads and 32 connections
on loopback. And nginx in a Docker container, wrk with 2 threads and 10 connections through its bridge. bpftrace counts
the same things with a script of each kind.
"""

from __future__ import annotations

import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import empty
from benchmarks.measure import Numbers, Row, cpu_s, memory_mb, until, with_bounds
from benchmarks.tools import EUNOMIA, peer, running, with_tracefs
from eunomia.kernel.spec import ObjectSpec
from tests.dockerd import docker_daemon

TRACKERS = ("process", "syscall", "files", "tcp", "ipc")
_PORT = 18080
_WARM_S = 2.0
_LEAST = ("tp_btf/sys_exit",)
"""What it takes to see system calls at all."""
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
    server {{ listen {address}; root {folder}/www; }}
}}
"""
_PAGE = "x" * 612
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


def configuration(folder: Path) -> Path:
    """A configuration of the five trackers with their defaults."""
    path = folder / "eunomia.toml"
    path.write_text("".join(f'[[tracker]]\ntype = "{name}"\n' for name in TRACKERS))
    return path


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """nginx with one small file; gives the address."""
    (folder / "www").mkdir()
    (folder / "www" / "index.html").write_text(_PAGE)
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(folder=folder, address=f"127.0.0.1:{_PORT}"))
    folder.chmod(0o755)
    command = (peer("nginx") or "nginx", "-e", str(folder / "error.log"), "-c", str(config))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as nginx:
        try:
            until(lambda: _answers("127.0.0.1", _PORT), "nginx")
            yield f"http://127.0.0.1:{_PORT}/"
        finally:
            nginx.terminate()


@contextmanager
def container(folder: Path) -> Iterator[str]:
    """The same in a Docker container with an address of its own."""
    with docker_daemon(folder / "docker", bridge=True) as dockerd:
        dockerd.image("nginx", _root(folder / "root"))
        dockerd.launch(
            "web", "/nginx", "-e", "/srv/error.log", "-c", "/srv/nginx.conf", network="bridge", image="nginx"
        )
        settings = dockerd.api("GET", "/containers/web/json")["NetworkSettings"]
        address = str(settings["Networks"]["bridge"]["IPAddress"])
        until(lambda: _answers(address, 80), "nginx in a container")
        yield f"http://{address}/"


def _root(root: Path) -> Path:
    """A root file system with this machine's nginx, the libraries that it needs, and a page."""
    program = peer("nginx") or "nginx"
    needs = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    libraries = re.findall(r"(/\S+) \(0x", needs)
    for source, target in ((program, "nginx"), *((one, one.lstrip("/")) for one in libraries)):
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, root / target)
    for name in ("srv/www", "etc", "dev", "proc", "sys"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "etc/passwd").write_text("root:x:0:0::/:/\nnobody:x:65534:65534::/:/\n")
    (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    (root / "srv/www/index.html").write_text(_PAGE)
    (root / "srv/nginx.conf").write_text(_CONFIG.format(folder="/srv", address="80"))
    return root


def _answers(address: str, port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex((address, port)) == 0


def requests_per_s(address: str, duration_s: float, connections: int) -> float:
    """What wrk says; its own durations are whole seconds, so the rate is taken from its count."""
    command = ("wrk", "-t2", f"-c{connections}", f"-d{max(1, round(duration_s))}", address)
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    return float(found[1]) if found else 0.0


def cases(folder: Path) -> dict[str, Callable[[], AbstractContextManager[int | None]]]:
    """What runs beside the load: nothing, empty programs (one at each call, or one on each hook of the core trackers),
    Eunomia with those trackers, and bpftrace if it is there.
    """
    single, every = empty.compiled(_LEAST), empty.compiled(empty.sections(TRACKERS))

    @contextmanager
    def hooks_only(spec: ObjectSpec) -> Iterator[None]:
        with empty.attached(spec):
            time.sleep(0.5)
            yield

    config = configuration(folder)
    command = (*EUNOMIA, "run", "--config", str(config))
    found: dict[str, Callable[[], AbstractContextManager[int | None]]] = {
        "nothing": nullcontext,
        "one empty program": lambda: hooks_only(single),
        "empty programs": lambda: hooks_only(every),
        "eunomia": lambda: running(command),
    }
    if peer("bpftrace"):
        found["bpftrace"] = lambda: running(with_tracefs(["bpftrace", "-e", _SCRIPT]))
    return found


@dataclass
class _Measured:
    """Of each case, round by round: requests/s, own CPU in cores, resident MB."""

    rates: dict[str, list[float]]
    cpu: dict[str, list[float]]
    memory: dict[str, list[float]]


def _measure(folder: Path, address: str, connections: int, rounds: int, duration_s: float) -> _Measured:
    ways = cases(folder)
    names = list(ways)
    measured = _Measured({name: [] for name in names}, {name: [] for name in names}, {name: [] for name in names})
    for turn in range(rounds):
        for place in range(len(names)):
            name = names[(turn + place) % len(names)]
            with ways[name]() as pid:
                requests_per_s(address, _WARM_S, connections)  # what a tool does but once is not what is asked
                before = cpu_s(pid) if pid else 0.0
                measured.rates[name].append(requests_per_s(address, duration_s, connections))
                if pid:
                    measured.cpu[name].append((cpu_s(pid) - before) / duration_s)
                    measured.memory[name].append(memory_mb(pid)[0])
    return measured


def _rows(setting: str, measured: _Measured, most: float, most_to_empty: float | None) -> Iterator[Row]:
    rates = measured.rates
    yield Row(f"{setting}, nothing: requests", statistics.median(rates["nothing"]), "/s")

    def loss(name: str) -> Callable[[Mapping[str, Numbers]], float]:
        return lambda drawn: float(100 * (1 - np.median(drawn[name] / drawn["nothing"])))

    for name in rates:
        if name != "nothing":
            value, low, high = with_bounds(loss(name), rates)
            at_most = most if name == "eunomia" else None
            yield Row(f"{setting}, {name}: fewer requests", value, "%", at_most=at_most, low=low, high=high)
    if most_to_empty is not None:
        value, low, high = with_bounds(lambda drawn: loss("eunomia")(drawn) / loss("empty programs")(drawn), rates)
        yield Row(
            f"{setting}, eunomia to empty programs: loss", value, "times", at_most=most_to_empty, low=low, high=high
        )
    for name, values in measured.cpu.items():
        if values:
            yield Row(f"{setting}, {name}: its own CPU", 100 * statistics.median(values), "% of a core")
    yield Row(f"{setting}, eunomia: resident memory", max(measured.memory["eunomia"]), "MB", at_most=120)


def run(*, quick: bool) -> Iterator[Row]:
    """The benchmark."""
    # Long enough for a client's start and end, of which each connection is an event or three, to be little of it.
    rounds, duration_s = (1, 2) if quick else (14, 8)
    if not shutil.which("wrk"):
        raise SystemExit("error: wrk is not installed (scripts/install.sh bench)")
    settings = (("worst case", server, 32, 10.0, 1.5), ("container", container, 10, 3.0, None))
    for setting, serve, connections, most, most_to_empty in settings:
        folder = Path(tempfile.mkdtemp(prefix="eunomia-nginx-"))
        try:
            with serve(folder) as address:
                measured = _measure(folder, address, connections, rounds, duration_s)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        yield from _rows(setting, measured, most, most_to_empty)
