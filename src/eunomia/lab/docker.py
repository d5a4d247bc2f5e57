"""Containers for actions, by way of the `docker` command: DOCKER_HOST and contexts mean what they mean to the user."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from eunomia.lab.labtool import LabError

_TIMEOUT_S = 180.0  # nothing of what is done takes more than seconds, but a machine may be very busy
_PATIENCE_S = 600.0  # hundreds of containers are removed at once


@dataclass(frozen=True)
class Done:
    """A command that has ended: its exit code, the last of what it said, and its container's id if it had one."""

    code: int
    said: str
    container_id: str = ""


class Docker:
    """The user's Docker, or another one.

    Args:
        host: as in DOCKER_HOST; None leaves the choice to the command.
    """

    def __init__(self, host: str | None = None) -> None:
        self._host = host
        self._command = ("docker", *(("-H", host) if host else ()))

    @property
    def socket(self) -> str | None:
        """The path of its socket; None when it is reached otherwise."""
        if self._host is None:
            done = self._ask("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
            self._host = done.stdout.decode().strip()
        return self._host.removeprefix("unix://") if self._host.startswith("unix:///") else None

    def load(self, image: str, packed: bytes) -> None:
        """Makes an image of a packed root file system.

        Raises:
            LabError: with what Docker says.
        """
        self._checked("import", "-", image, stdin=packed)

    def run(self, name: str, image: str, script: str, options: Sequence[str], timeout_s: float = _TIMEOUT_S) -> Done:
        """Runs a script in a container of its own, to the script's end. The container stays."""
        network = () if any(one.startswith("--net") for one in options) else ("--network", "none")
        with TemporaryDirectory() as directory:
            noted = Path(directory) / "id"
            command = ("run", "--cidfile", str(noted), "--name", name, *network, *options, image)
            try:
                done = self._ask(*command, "/bin/sh", "-euc", script, timeout_s=timeout_s)
            except subprocess.TimeoutExpired:
                return Done(-1, f"not over after {timeout_s:g} seconds", _text(noted))
            container_id = _text(noted)
        said = (done.stderr + done.stdout).decode(errors="replace").strip()
        return Done(done.returncode, said[-1000:], container_id)

    def start(self, name: str, image: str, command: Sequence[str], options: Sequence[str]) -> None:
        """Starts a container without a network and leaves it running.

        Raises:
            LabError: with what Docker says.
        """
        self._checked("run", "--detach", "--name", name, "--network", "none", *options, image, *command)

    def pid(self, name: str) -> int:
        """Of a container's first process as the host numbers it; 0 when it has ended."""
        return int(self._checked("inspect", "--format", "{{.State.Pid}}", name))

    def stop(self, name: str) -> None:
        """Asks a container's first process to end, and kills it when it does not within three minutes."""
        self._checked("stop", "--time", "180", name)

    def wait(self, name: str) -> Done:
        """Waits for a container's end; of what it said the output and the errors, as they came."""
        try:
            done = self._ask("wait", name, timeout_s=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            return Done(-1, f"not over after {_PATIENCE_S:g} seconds")
        logs = self._ask("logs", name)
        return Done(int(done.stdout or b"-1"), (logs.stdout + logs.stderr).decode(errors="replace").strip())

    def commit(self, container: str, image: str) -> None:
        """Makes an image of what a container has become.

        Raises:
            LabError: with what Docker says.
        """
        self._checked("commit", container, image)

    def remove(self, names: Sequence[str]) -> None:
        """Kills and removes containers, with their volumes.

        Raises:
            LabError: with what Docker says.
        """
        if names:
            self._checked("rm", "--force", "--volumes", *names)

    def remove_image(self, image: str) -> None:
        """Removes an image.

        Raises:
            LabError: with what Docker says.
        """
        self._checked("rmi", image)

    def _checked(self, *words: str, stdin: bytes = b"") -> str:
        try:
            done = self._ask(*words, stdin=stdin, timeout_s=_PATIENCE_S)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"docker {words[0]}: not over after {_PATIENCE_S:g} seconds") from error
        if done.returncode != 0:
            raise LabError(f"docker {words[0]}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode().strip()

    def _ask(
        self, *words: str, stdin: bytes = b"", timeout_s: float = _TIMEOUT_S
    ) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                [*self._command, *words], input=stdin, capture_output=True, timeout=timeout_s, check=False
            )
        except FileNotFoundError as error:
            raise LabError("there is no command `docker`, which the laboratory needs; install docker.io") from error


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""
