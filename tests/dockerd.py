"""A Docker daemon of one's own, for tests and benchmarks: started in a directory, gone without a trace afterwards.

Needs root and the packages docker.io and busybox-static. Several can run side by side: paths, socket and bridge are
private to each; only the name of the parent cgroup (/docker) is shared, as it is the one that is met in the field.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

IMAGE = "eunomia-test"
"""busybox with all its applets, /tmp, and the users root and nobody; runs a shell unless told otherwise."""


class DockerdError(Exception):
    """The daemon does not start, or refuses something; the text has what it said."""


@dataclass(slots=True)
class DockerDaemon:
    """A running daemon."""

    directory: Path
    socket: Path
    bridge: str | None
    options: Sequence[str]
    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """Of the daemon itself."""
        return self.process.pid

    def kill(self) -> None:
        """Kills the daemon and its containerd, as a crash would; with `--live-restore` its containers outlive them."""
        self.process.kill()
        self.process.wait()
        for pid in _processes_of(self.directory, b"containerd"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        (self.directory / "exec/containerd/containerd.pid").unlink(missing_ok=True)

    def restart(self) -> None:
        """Starts it again after `kill`."""
        (self.directory / "pid").unlink(missing_ok=True)
        self.process = _spawn(self.directory, self.bridge, self.options)
        _wait_until_ready(self, self.process)

    @property
    def host(self) -> str:
        """As in DOCKER_HOST."""
        return f"unix://{self.socket}"

    @property
    def network(self) -> str:
        """What `--network` may be to let containers talk to each other: bridge, or host without a bridge."""
        return "bridge" if self.bridge else "host"

    def cli(self, *args: str, stdin: bytes | None = None) -> str:
        """Output of `docker ARGS`, without the last newline."""
        done = subprocess.run(["docker", "-H", self.host, *args], input=stdin, capture_output=True, check=False)
        if done.returncode != 0:
            raise DockerdError(f"docker {' '.join(args)}: {done.stderr.decode().strip()}")
        return done.stdout.decode().rstrip("\n")

    def start(self, name: str, *command: str, options: Sequence[str] = (), image: str = IMAGE) -> str:
        """`docker run -d` with any options (about 150 ms); gives the full id."""
        network = () if any(one.startswith("--net") for one in options) else ("--network", "none")
        return self.cli("run", "-d", "--name", name, *network, *options, image, *command)

    def launch(self, name: str, *command: str, network: str = "none", image: str = IMAGE, **host_config: Any) -> str:
        """The quick way: through the API, from as many threads as one likes. Gives the full id.

        Args:
            host_config: more of the API's HostConfig, such as `Memory=64 << 20` or `CapAdd=["SYS_ADMIN"]`.
        """
        body = {"Image": image, "Cmd": list(command), "HostConfig": {"NetworkMode": network, **host_config}}
        made = self.api("POST", f"/containers/create?name={quote(name)}", body)
        self.api("POST", f"/containers/{made['Id']}/start")
        return str(made["Id"])

    def launch_many(self, count: int, prefix: str, *command: str, threads: int = 8, **launch: Any) -> list[str]:
        """Starts PREFIX0, PREFIX1 ... at the same time, see `launch`; gives their full ids in that order."""
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda number: self.launch(f"{prefix}{number}", *command, **launch), range(count)))

    def remove(self, *names: str, threads: int = 8) -> None:
        """Kills and removes containers, those that are gone already too."""
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(self._remove, names))

    def remove_all(self) -> None:
        """Kills and removes every container."""
        self.remove(*(one["Id"] for one in self.api("GET", "/containers/json?all=1")))

    def image(self, name: str, rootfs: Path) -> None:
        """Makes an image of a directory tree."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            tar.add(rootfs, ".")
        self.image_from_tar(name, packed.getvalue())

    def image_from_tar(self, name: str, packed: bytes) -> None:
        """Makes an image of a root file system packed as a tar."""
        self.cli("import", "--change", 'CMD ["/bin/sh"]', "-", name, stdin=packed)

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """A question to the Engine API; gives the JSON of the answer, None for an empty one."""
        connection = http.client.HTTPConnection("docker", timeout=60)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with contextlib.closing(connection):
            connection.sock.settimeout(60)
            connection.sock.connect(str(self.socket))
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
        if answer.status >= 400:
            raise DockerdError(f"{method} {path}: {answer.status} {text.decode().strip()}")
        return json.loads(text) if text.strip() else None

    def _remove(self, name: str) -> None:
        try:
            self.api("DELETE", f"/containers/{quote(name)}?force=1&v=1")
        except DockerdError as error:
            # 404: is gone; 409: somebody else is removing it
            if ": 404 " not in str(error) and ": 409 " not in str(error):
                raise


@contextlib.contextmanager
def docker_daemon(directory: Path, *, bridge: bool = False, options: Sequence[str] = ()) -> Iterator[DockerDaemon]:
    """Runs a daemon with the image `eunomia-test`, and stops it with all its containers at the end.

    Args:
        directory: where all its data goes; made when missing. The path must be short: Unix sockets end at 107 bytes.
        bridge: whether to make a bridge network, in which containers reach each other and the host (no NAT, no
            firewall rules). Without, containers have the network `none` or `host`.
        options: more of dockerd's options.
    """
    directory.mkdir(parents=True, exist_ok=True)
    before = [path for path in _shared_directories() if path.exists()]
    network = _make_bridge() if bridge else None
    try:
        daemon = DockerDaemon(directory, directory / "s", network, options, _spawn(directory, network, options))
        try:
            _wait_until_ready(daemon, daemon.process)
            daemon.image_from_tar(IMAGE, busybox_tar())
            try:
                yield daemon
            finally:
                daemon.remove_all()
        finally:
            _stop(daemon.process, directory)
    finally:
        if network:
            subprocess.run(["ip", "link", "delete", network], check=True)
        for path in _shared_directories():
            if path not in before:
                with contextlib.suppress(OSError):  # in use by another daemon, or not there
                    path.rmdir()


def _spawn(directory: Path, bridge: str | None, options: Sequence[str]) -> subprocess.Popen[bytes]:
    command = [
        "dockerd",
        *("--data-root", f"{directory}/data", "--exec-root", f"{directory}/exec"),
        *("-H", f"unix://{directory}/s", "--pidfile", f"{directory}/pid"),
        *("--bridge", bridge or "none", "--shutdown-timeout", "1", "--userland-proxy=false"),
        *("--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"),
        *options,
    ]
    # The daemon ends with us even when we are killed; it then stops its containers itself.
    command = ["setpriv", "--pdeathsig", "SIGTERM", *command]
    with (directory / "log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def _wait_until_ready(daemon: DockerDaemon, process: subprocess.Popen[bytes], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            daemon.api("GET", "/version")
            return
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                log = (daemon.directory / "log").read_text(errors="replace")
                raise DockerdError(f"dockerd did not start ({error}):\n{log[-3000:]}") from error
        time.sleep(0.02)


def _stop(process: subprocess.Popen[bytes], directory: Path) -> None:
    """Ends the daemon and whatever it has left: containerd, its shims, mounts, files."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    # containerd is asked to end together with dockerd; shims of containers that were not removed are not.
    deadline = time.monotonic() + 5
    while left := list(_processes_of(directory)):
        if time.monotonic() > deadline:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    for point in reversed(_mounts_below(directory)):
        subprocess.run(["umount", "--lazy", point], check=True)
    for name in ("data", "exec"):
        shutil.rmtree(directory / name)
    for name in ("s", "pid"):
        (directory / name).unlink(missing_ok=True)


def _processes_of(directory: Path, program: bytes = b"") -> Iterator[int]:
    """containerd and its shims have paths below the exec root on their command lines."""
    mark = f"{directory}/exec/".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                command = (entry / "cmdline").read_bytes()
                name = command.split(b"\0")[0].rpartition(b"/")[2]
                if mark in command and b"containerd" in name and program in (b"", name):
                    yield int(entry.name)


def _mounts_below(directory: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [point for line in lines if (point := line.split(" ")[4]).startswith(f"{directory}/")]


def _shared_directories() -> Iterable[Path]:
    """Directories outside of its own that every daemon makes and none removes."""
    yield from Path("/sys/fs/cgroup").glob("*/docker")
    yield Path("/sys/fs/cgroup/docker")
    yield from (Path("/run/docker/plugins"), Path("/run/docker"))


def _make_bridge() -> str:
    """A bridge with an address in a network nobody here has, named after this process and the network."""
    taken = subprocess.run(["ip", "-o", "-4", "addr"], capture_output=True, text=True, check=True).stdout
    number = next(n for n in range(1, 255) if f" 10.213.{n}." not in taken)
    name = f"eudk{os.getpid() % 10**6}n{number}"
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
    subprocess.run(["ip", "addr", "add", f"10.213.{number}.1/24", "dev", name], check=True)
    subprocess.run(["ip", "link", "set", name, "up"], check=True)
    return name


def busybox_tar() -> bytes:
    """A root file system around the static busybox."""
    busybox = Path(shutil.which("busybox") or "/bin/busybox")
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(busybox, "bin/busybox")
        for applet in applets:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            if applet != "busybox":
                tar.addfile(link)
        for name, mode in (("tmp", 0o1777), ("root", 0o700), ("etc", 0o755), ("proc", 0o555), ("var", 0o755)):
            made = tarfile.TarInfo(name)
            made.type, made.mode = tarfile.DIRTYPE, mode
            tar.addfile(made)
        users = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
        for name, text in (("etc/passwd", users), ("etc/group", "root:x:0:\nnogroup:x:65534:\n")):
            made = tarfile.TarInfo(name)
            made.size = len(text)
            tar.addfile(made, io.BytesIO(text.encode()))
    return packed.getvalue()
