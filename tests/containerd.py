"""A containerd of one's own with its CRI plugin, for tests: started in a directory, gone without a trace afterwards.

Needs root and the packages containerd, runc and busybox-static; pods with an address of their own also need
containernetworking-plugins. Several can run side by side: paths, socket, bridge and cgroups are private to each.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eunomia.containers.grpc import Channel
from eunomia.containers.protobuf import Many, Message
from eunomia.containers.runtime import RuntimeUnavailable
from tests.dockerd import busybox_tar

IMAGE = "eunomia.test/busybox:1"
"""busybox with all its applets; sleeps unless told otherwise. The pods' sandboxes are of it too."""
CNI = Path("/usr/lib/cni")

_CRI = "/runtime.v1.RuntimeService/"
_NAMESPACES = Message({1: ("network", "number")})  # 2: the node's
_POD_NAME = Message({1: ("name", "text"), 2: ("uid", "text"), 3: ("namespace", "text"), 4: ("attempt", "number")})
_POD_SECURITY = Message({1: ("namespace_options", _NAMESPACES)})
_POD_LINUX = Message({1: ("cgroup_parent", "text"), 2: ("security_context", _POD_SECURITY)})
_POD_CONFIG = Message(
    {
        1: ("metadata", _POD_NAME),
        2: ("hostname", "text"),
        3: ("log_directory", "text"),
        6: ("labels", "map"),
        8: ("linux", _POD_LINUX),
    }
)
_RUN_POD = Message({1: ("config", _POD_CONFIG)})
_MOUNT = Message({1: ("container_path", "text"), 2: ("host_path", "text"), 3: ("readonly", "flag")})
_CAPABILITIES = Message({1: ("add", Many("text")), 2: ("drop", Many("text"))})
_PROFILE = Message({1: ("profile_type", "number")})
_SECURITY = Message(
    {1: ("capabilities", _CAPABILITIES), 3: ("namespace_options", _NAMESPACES), 15: ("seccomp", _PROFILE)}
)
_CONFIG = Message(
    {
        1: ("metadata", Message({1: ("name", "text"), 2: ("attempt", "number")})),
        2: ("image", Message({1: ("image", "text")})),
        3: ("command", Many("text")),
        7: ("mounts", Many(_MOUNT)),
        9: ("labels", "map"),
        11: ("log_path", "text"),
        15: ("linux", Message({2: ("security_context", _SECURITY)})),
    }
)
_CREATE = Message({1: ("pod_sandbox_id", "text"), 2: ("config", _CONFIG), 3: ("sandbox_config", _POD_CONFIG)})
_ID = Message({1: ("id", "text"), 2: ("timeout", "number")})
_IDS = Message({1: ("items", Many(Message({1: ("id", "text")})))})


class ContainerdError(Exception):
    """The daemon does not start, or refuses something; the text has what it said."""


@dataclass
class Pod:
    """A pod that runs."""

    daemon: ContainerdDaemon
    id: str
    config: bytes
    containers: dict[str, str] = field(default_factory=dict)

    def start(
        self,
        name: str,
        *command: str,
        labels: dict[str, str] | None = None,
        mounts: Sequence[tuple[Path, str, bool]] = (),
        add: Sequence[str] = (),
        drop: Sequence[str] = (),
        seccomp: int = 0,
        host_network: bool = True,
    ) -> str:
        """Starts a container in it; gives the full id.

        Args:
            mounts: host path, path inside, whether read-only.
            add, drop: capabilities without CAP_.
            seccomp: 0 the runtime's default, 1 unconfined.
        """
        security = _SECURITY.encode(
            capabilities=_CAPABILITIES.encode(add=add, drop=drop),
            namespace_options=_NAMESPACES.encode(network=2 if host_network else 0),
            seccomp=_PROFILE.encode(profile_type=seccomp),
        )
        config = _CONFIG.encode(
            metadata=_POD_NAME.encode(name=name),
            image=_ID.encode(id=IMAGE),
            command=command,
            mounts=[
                _MOUNT.encode(host_path=str(source), container_path=target, readonly=readonly)
                for source, target, readonly in mounts
            ],
            labels=labels or {},
            log_path=f"{name}.log",
            linux=Message({2: ("security_context", _SECURITY)}).encode(security_context=security),
        )
        request = _CREATE.encode(pod_sandbox_id=self.id, config=config, sandbox_config=self.config)
        made = str(_ID.decode(self.daemon.cri("CreateContainer", request))["id"])
        self.daemon.cri("StartContainer", _ID.encode(id=made))
        self.containers[name] = made
        return made

    def stop(self, name: str) -> None:
        """Kills and removes a container of it."""
        container = self.containers.pop(name)
        self.daemon.cri("StopContainer", _ID.encode(id=container))
        self.daemon.cri("RemoveContainer", _ID.encode(id=container))

    def remove(self) -> None:
        """Ends it with all its containers."""
        self.daemon.cri("StopPodSandbox", _ID.encode(id=self.id))
        self.daemon.cri("RemovePodSandbox", _ID.encode(id=self.id))


@dataclass
class ContainerdDaemon:
    """A running daemon."""

    directory: Path
    bridge: str
    process: subprocess.Popen[bytes]

    @property
    def socket(self) -> Path:
        """Where it listens: below a directory that can stand for /run."""
        return self.directory / "run/containerd/containerd.sock"

    @property
    def address(self) -> str:
        """The same with its scheme."""
        return f"unix://{self.socket}"

    @property
    def cgroup(self) -> str:
        """The cgroup that its pods' are in."""
        return f"/eunomia-{self.bridge}"

    def cri(self, method: str, request: bytes = b"") -> bytes:
        """A question to its CRI plugin."""
        return Channel(self.address, 60, "containerd").ask(_CRI + method, request)

    def ctr(self, *args: str, stdin: bytes | None = None, namespace: str = "default") -> str:
        """Output of `ctr ARGS`."""
        command = ["ctr", "-a", str(self.socket), "-n", namespace, *args]
        done = subprocess.run(command, input=stdin, capture_output=True, check=False)
        if done.returncode != 0:
            raise ContainerdError(f"ctr {' '.join(args)}: {done.stderr.decode().strip()}")
        return done.stdout.decode().rstrip("\n")

    def pod(
        self,
        name: str,
        namespace: str = "default",
        uid: str | None = None,
        *,
        host_network: bool = True,
        labels: dict[str, str] | None = None,
    ) -> Pod:
        """Starts a pod, on the host's network or with an address of its own."""
        uid = uid or hashlib.sha256(f"{namespace}/{name}".encode()).hexdigest()[:32]
        uid = uid if "-" in uid else "-".join((uid[:8], uid[8:12], uid[12:16], uid[16:20], uid[20:]))
        security = _POD_SECURITY.encode(namespace_options=_NAMESPACES.encode(network=2 if host_network else 0))
        config = _POD_CONFIG.encode(
            metadata=_POD_NAME.encode(name=name, uid=uid, namespace=namespace),
            hostname="" if host_network else name,
            log_directory=str(self.directory / "logs"),
            labels={"io.kubernetes.pod.name": name, **(labels or {})},
            linux=_POD_LINUX.encode(cgroup_parent=f"{self.cgroup}/pod{uid}", security_context=security),
        )
        made = _ID.decode(self.cri("RunPodSandbox", _RUN_POD.encode(config=config)))["id"]
        return Pod(self, str(made), config)

    def remove_all(self) -> None:
        """Ends every pod, and every container of ctr's."""
        for one in _IDS.decode(self.cri("ListPodSandbox"))["items"]:
            Pod(self, one["id"], b"").remove()
        for container in self.ctr("containers", "list", "-q").split():
            with contextlib.suppress(ContainerdError):  # it may have ended already
                self.ctr("tasks", "kill", "-s", "KILL", container)
            deadline = time.monotonic() + 10
            while True:
                try:
                    self.ctr("containers", "delete", container)
                    break
                except ContainerdError:
                    if time.monotonic() > deadline:
                        raise
                    with contextlib.suppress(ContainerdError):
                        self.ctr("tasks", "delete", container)
                    time.sleep(0.05)

    def kill(self) -> None:
        """Kills the daemon, as a crash would; its containers go on."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Starts it again after `kill`."""
        self.process = _spawn(self.directory)
        _wait_until_ready(self)


@contextlib.contextmanager
def containerd_daemon(directory: Path) -> Iterator[ContainerdDaemon]:
    """Runs a daemon that has the image `eunomia.test/busybox:1`, and stops it with all its containers at the end.

    Args:
        directory: where all its data goes; made when missing. The path must be short: Unix sockets end at 107 bytes.
    """
    bridge = f"euct{os.getpid() % 10**6}"
    for name in ("run/containerd", "cni", "logs"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    (directory / "config.toml").write_text(_configuration(directory))
    (directory / "cni" / "10.conflist").write_text(json.dumps(_network(directory, bridge)))
    daemon = ContainerdDaemon(directory, bridge, _spawn(directory))
    try:
        _wait_until_ready(daemon)
        for namespace in ("k8s.io", "default"):
            daemon.ctr("images", "import", "-", stdin=_image(), namespace=namespace)
        try:
            yield daemon
        finally:
            daemon.remove_all()
    finally:
        _stop(daemon)


def _configuration(directory: Path) -> str:
    return f"""\
version = 2
root = "{directory}/root"
state = "{directory}/state"
[grpc]
  address = "{directory}/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{IMAGE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI}"
    conf_dir = "{directory}/cni"
[plugins."io.containerd.internal.v1.opt"]
  path = "{directory}/opt"
"""


def _network(directory: Path, bridge: str) -> dict[str, Any]:
    taken = subprocess.run(["ip", "-o", "-4", "addr"], capture_output=True, text=True, check=True).stdout
    number = next(n for n in range(1, 255) if f" 10.214.{n}." not in taken)
    addresses = {"type": "host-local", "subnet": f"10.214.{number}.0/24", "dataDir": f"{directory}/ipam"}
    plugin = {"type": "bridge", "bridge": bridge, "isGateway": True, "ipMasq": False, "ipam": addresses}
    return {"cniVersion": "0.4.0", "name": bridge, "plugins": [plugin]}


def _spawn(directory: Path) -> subprocess.Popen[bytes]:
    command = ["setpriv", "--pdeathsig", "SIGTERM", "containerd", "--config", f"{directory}/config.toml"]
    with (directory / "log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def _wait_until_ready(daemon: ContainerdDaemon, timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            daemon.cri("Version")
            daemon.cri("ListPodSandbox")  # refused until the plugin has found its containers again
            return
        except RuntimeUnavailable as error:
            if daemon.process.poll() is not None or time.monotonic() > deadline:
                log = (daemon.directory / "log").read_text(errors="replace")
                raise ContainerdError(f"containerd did not start ({error}):\n{log[-3000:]}") from error
        time.sleep(0.05)


def _stop(daemon: ContainerdDaemon) -> None:
    """Ends the daemon and whatever it has left: shims, mounts, cgroups, the bridge, files."""
    daemon.process.send_signal(signal.SIGTERM)
    try:
        daemon.process.wait(10)
    except subprocess.TimeoutExpired:
        daemon.kill()
    for pid in _shims(daemon):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    for point in reversed(
        [point for line in lines if (point := line.split(" ")[4]).startswith(f"{daemon.directory}/")]
    ):
        subprocess.run(["umount", "--lazy", point], check=True)
    for root in (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()):
        _remove_cgroups(root / daemon.cgroup.lstrip("/"))
        with contextlib.suppress(OSError):  # not there, or somebody else's containers are in it
            (root / "default").rmdir()  # of ctr's namespace
    subprocess.run(["ip", "link", "delete", daemon.bridge], check=False, capture_output=True)
    for name in ("root", "state", "run", "cni", "ipam", "logs", "opt"):
        shutil.rmtree(daemon.directory / name, ignore_errors=True)


def _shims(daemon: ContainerdDaemon) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                command = (entry / "cmdline").read_bytes()
                if str(daemon.socket).encode() in command and b"containerd-shim" in command.split(b"\0")[0]:
                    yield int(entry.name)


def _remove_cgroups(top: Path) -> None:
    for path in sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True) if top.is_dir() else ():
        with contextlib.suppress(OSError):
            path.rmdir()
    with contextlib.suppress(OSError):
        top.rmdir()


def _image() -> bytes:
    """An archive as `docker save` makes them, with busybox in its only layer."""
    layer = busybox_tar()
    config = {
        "architecture": "amd64" if os.uname().machine == "x86_64" else "arm64",
        "os": "linux",
        "config": {"Cmd": ["/bin/sleep", "1000000"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in (
            ("config.json", json.dumps(config).encode()),
            ("layer.tar", layer),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            made = tarfile.TarInfo(name)
            made.size = len(data)
            tar.addfile(made, io.BytesIO(data))
    return packed.getvalue()
