"""Podman with its service, for tests: all that it keeps lies in one directory, and is gone afterwards.

Needs root and the packages podman, runc, conmon and busybox-static.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eunomia.containers.podman import Podman
from eunomia.containers.runtime import RuntimeUnavailable
from tests.dockerd import busybox_tar

IMAGE = "localhost/eunomia-test:latest"
"""busybox with all its applets; runs a shell unless told otherwise."""
_LIMITS = '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n'
"""Podman's own are higher than what may be set without CAP_SYS_RESOURCE."""


class PodmanError(Exception):
    """Podman refuses something; the text has what it said."""


@dataclass
class PodmanService:
    """A service that runs, and the command beside it."""

    directory: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        """Where it listens: below a directory that can stand for /run."""
        return self.directory / "run/podman/podman.sock"

    @property
    def address(self) -> str:
        """The same with its scheme."""
        return f"unix://{self.socket}"

    def command(self, *args: str) -> list[str]:
        """`podman ARGS` on its directory."""
        places = [f"--{name}={self.directory}/{name}" for name in ("root", "runroot", "tmpdir", "network-config-dir")]
        return ["podman", *places, "--cgroup-manager=cgroupfs", "--events-backend=file", "--runtime=runc", *args]

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "CONTAINERS_CONF": f"{self.directory}/containers.conf"}

    def cli(self, *args: str, stdin: bytes | None = None) -> str:
        """Output of `podman ARGS`, without the last newline."""
        done = subprocess.run(self.command(*args), input=stdin, capture_output=True, check=False, env=self._environment)
        if done.returncode != 0:
            raise PodmanError(f"podman {' '.join(args)}: {done.stderr.decode().strip()}")
        return done.stdout.decode().rstrip("\n")

    def start(self, name: str, *command: str, options: tuple[str, ...] = ()) -> str:
        """`podman run -d`; gives the full id."""
        network = () if any(one.startswith(("--net", "--pod")) for one in options) else ("--network", "none")
        return self.cli("run", "-d", "--name", name, *network, *options, IMAGE, *command)

    def remove_all(self) -> None:
        """Kills and removes every container and pod."""
        self.cli("pod", "rm", "--all", "--force")
        self.cli("rm", "--all", "--force", "--time", "0")

    def serve(self) -> None:
        """Starts the service."""
        command = ["setpriv", "--pdeathsig", "SIGTERM", *self.command("system", "service", "-t", "0", self.address)]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self._environment
            )
        deadline = time.monotonic() + 30
        while True:
            try:
                Podman(self.address).version()
                return
            except RuntimeUnavailable as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    told = (self.directory / "log").read_text(errors="replace")
                    raise PodmanError(f"podman did not start ({error}):\n{told[-3000:]}") from error
            time.sleep(0.05)

    def kill(self) -> None:
        """Kills the service, as its idle time-out would; containers go on."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextlib.contextmanager
def podman_service(directory: Path) -> Iterator[PodmanService]:
    """Runs the service with an image of busybox, and stops it with all its containers at the end.

    Args:
        directory: where all its data goes; made when missing. The path must be short.
    """
    (directory / "run/podman").mkdir(parents=True, exist_ok=True)
    (directory / "containers.conf").write_text(_LIMITS)
    service = PodmanService(directory)
    try:
        service.serve()
        service.cli("import", "--change", 'CMD ["/bin/sh"]', "-", IMAGE, stdin=busybox_tar())
        try:
            yield service
        finally:
            service.remove_all()
    finally:
        service.kill()
        points = [line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        for point in reversed([point for point in points if point.startswith(f"{directory}/")]):
            subprocess.run(["umount", "--lazy", point], check=True)
        for root in (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()):
            for name in ("libpod_parent/conmon", "libpod_parent"):
                with contextlib.suppress(OSError):  # not there, or somebody else's containers are in it
                    (root / name).rmdir()
        shutil.rmtree(directory, ignore_errors=True)
