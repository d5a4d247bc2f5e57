"""A trial: a container's image started again, beside it, with the least that is recommended, and removed afterwards."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any
from urllib.parse import quote

from eunomia.containers.docker import Docker
from eunomia.containers.http import GivenUp
from eunomia.errors import EunomiaError
from eunomia.privileges.activity import is_below
from eunomia.privileges.deployment import Deployment
from eunomia.respond.actions import Action, ActionLog

LABEL = "eunomia.trial"
"""On every container that a trial made; its value is the container that it was made after."""
_KEPT = ("Cmd", "Entrypoint", "Env", "ExposedPorts", "Healthcheck", "OpenStdin", "StopSignal", "Tty", "WorkingDir")
_KEPT_OF_HOST = (
    *("CpuPeriod", "CpuQuota", "CpuShares", "CpusetCpus", "CpusetMems", "Memory", "MemoryReservation", "MemorySwap"),
    *("NanoCpus", "OomScoreAdj", "PidsLimit", "ShmSize", "Sysctls", "Ulimits"),
    *("CgroupnsMode", "Dns", "DnsOptions", "DnsSearch", "ExtraHosts", "GroupAdd", "Init", "IpcMode", "PidMode"),
    *("Runtime", "UTSMode", "UsernsMode"),
)
_OF_SECURITY = ("seccomp", "no-new-privileges")
_SHELL = ("/bin/sh", "-c")
_LAST_WORDS = 2000
_LOOK_S = 0.05
_TIMED_OUT = 124
"""The exit code of timeout(1)."""
_MOST_LOOKED_AT = 500_000
_SYSFS = "/sys"
"""Has no sockets, and more files than one wants to look at."""


class TrialError(EunomiaError):
    """The trial could not be made at all; this says nothing of the recommendation."""


@dataclass(frozen=True)
class Ran:
    """A command that has ended: its exit code, and the last of what it said."""

    code: int
    said: str


@dataclass(frozen=True)
class State:
    """How the container is: whether it runs, its exit code if not, and its first process."""

    running: bool
    code: int | None
    pid: int | None


class Trial:
    """A container for a trial: made on entering, not yet started; removed on leaving, whatever has happened.

    Args:
        docker: whom to ask, with patience: a start takes seconds.
        original: what the daemon says of the container to try after.
        settings: with what it is started.
        profile: the seccomp profile as JSON; None leaves the original's.
        share_mounts: whether it gets the original's own writable mounts; without, empty volumes in their place.
        log: where what is done is written down.

    Attributes:
        name, id: of the container.
        notes: how it differs from the original.
        made_read_only: mounts that the original may write to, and the trial may not.

    Raises (on entering): TrialError.
    """

    def __init__(
        self,
        docker: Docker,
        original: Mapping[str, Any],
        settings: Deployment,
        profile: str | None,
        *,
        share_mounts: bool = False,
        log: ActionLog | None = None,
    ) -> None:
        self._log = log
        self._original = str(original["Name"]).removeprefix("/")
        self._docker = docker
        self.name = f"eunomia-trial-{settings.name[:40]}-{os.getpid()}"
        self.id = ""
        self.notes: list[str] = []
        self.made_read_only: list[str] = []
        self._body = self._settings(original, settings, profile, share_mounts=share_mounts)

    def __enter__(self) -> Trial:
        made = self._asked("POST", f"/containers/create?name={quote(self.name)}", self._body, "be made")
        self.id = str(made["Id"])
        try:
            self._note("create", image=self._body["Image"])
        except EunomiaError:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        status, answer = self._remove()
        removed = status in (204, 404)
        self._note("remove", why="" if removed else _message(answer))
        if not removed:
            told = f"the trial's container {self.name} could not be removed: {_message(answer)}"
            raise TrialError(f"{told}; remove it with docker rm -f {self.name}") from error

    def _remove(self) -> tuple[int, bytes]:
        return self._docker.send("DELETE", f"/containers/{self.id}?force=1&v=1")

    def _note(self, done: str, why: str = "", **details: Any) -> None:
        """Writes down what was done; `why` it failed, if it did."""
        if self._log is not None:
            target = {"container": self.name, "id": self.id, "trial_of": self._original}
            self._log.write(Action(f"trial-{done}", target, "failed" if why else "done", why, details))

    def _noted(self, done: str, command: str, ran: Ran) -> Ran:
        why = f"exit code {ran.code}: {ran.said}" if ran.code else ""
        self._note(done, why, command=command)
        return ran

    def start(self) -> str | None:
        """Starts it; why it does not start, if it does not."""
        status, answer = self._docker.send("POST", f"/containers/{self.id}/start")
        refused = None if status in (204, 304) else _message(answer)
        self._note("start", refused or "")
        return refused

    def state(self) -> State:
        """How it is now."""
        found = self._asked("GET", f"/containers/{self.id}/json", None, "be looked at")["State"]
        running = bool(found["Running"])
        return State(running, None if running else int(found["ExitCode"]), found["Pid"] or None)

    def logs(self) -> str:
        """The last of what it said."""
        path = f"/containers/{self.id}/logs?stdout=1&stderr=1&tail=20"
        status, answer = self._docker.send("GET", path)
        return _unframed(answer) if status == 200 else ""

    def run(self, command: str, timeout_s: float, stopped: Callable[[], bool] = lambda: False) -> Ran:
        """Runs a command line by the container's own shell, as `docker exec` does.

        Args:
            timeout_s: when it has to have ended; it goes on in the container after that.
            stopped: whether nobody waits for it any more.

        Raises:
            TrialError: it cannot be run.
        """
        return self._noted("exec", command, self._run(command, timeout_s, stopped))

    def _run(self, command: str, timeout_s: float, stopped: Callable[[], bool]) -> Ran:
        over = _over(timeout_s, stopped)
        body = {"Cmd": [*_SHELL, command], "AttachStdout": True, "AttachStderr": True}
        made = self._asked("POST", f"/containers/{self.id}/exec", body, "run a command")["Id"]
        try:
            status, answer = self._docker.send("POST", f"/exec/{made}/start", {"Detach": False, "Tty": False}, over)
        except GivenUp:
            return _not_ended(timeout_s, stopped)
        if status != 200:
            return Ran(126, _message(answer))
        while (ended := self._asked("GET", f"/exec/{made}/json", None, "be asked of a command"))["Running"]:
            if over():  # all that it could say is closed, and it goes on
                return _not_ended(timeout_s, stopped)
            time.sleep(_LOOK_S)
        return Ran(int(ended["ExitCode"]), _unframed(answer))

    def run_outside(self, command: str, timeout_s: float, stopped: Callable[[], bool] = lambda: False) -> Ran:
        """Runs a command line by this host's shell and with its programs, in the container's network.

        Args:
            timeout_s: when it has to have ended; it is killed then, with all that it started.
            stopped: whether nobody waits for it any more.

        Raises:
            TrialError: the container does not run.
        """
        pid = self.state().pid
        if pid is None:
            raise TrialError(f"{self.name} does not run: nothing can be asked in its network")
        return self._noted("host-command", command, self._run_outside(pid, command, timeout_s, stopped))

    def _run_outside(self, pid: int, command: str, timeout_s: float, stopped: Callable[[], bool]) -> Ran:
        words = ["nsenter", f"--net=/proc/{pid}/ns/net", *_SHELL, command]
        over = _over(timeout_s, stopped)
        with TemporaryFile() as said:  # a pipe would be open until the last of those that it started has ended
            try:
                process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, process_group=0)
            except FileNotFoundError:
                raise TrialError("there is no program `nsenter`; install util-linux") from None
            try:
                while process.poll() is None and not over():
                    time.sleep(_LOOK_S)
            finally:
                ended = _end(process)
            said.seek(0)
            text = said.read().decode(errors="replace")[-_LAST_WORDS:]
        return Ran(process.returncode, text) if ended else _not_ended(timeout_s, stopped)

    def _asked(self, method: str, path: str, body: Any, what: str) -> Any:
        status, answer = self._docker.send(method, path, body)
        if status >= 400:
            raise TrialError(f"container {self.name} cannot {what}: {_message(answer)}")
        return json.loads(answer)

    def _settings(
        self, original: Mapping[str, Any], settings: Deployment, profile: str | None, *, share_mounts: bool
    ) -> dict[str, Any]:
        config, host = original["Config"], original["HostConfig"]
        options = [one for one in host.get("SecurityOpt") or () if _key(one) not in _OF_SECURITY]
        kept = {name: host[name] for name in _KEPT_OF_HOST if host.get(name)}
        own_profile = [one for one in host.get("SecurityOpt") or () if _key(one) == "seccomp"]
        return {
            **{name: config[name] for name in _KEPT if config.get(name) is not None},
            "Image": original["Image"],
            "User": settings.user or config.get("User") or "",
            "Labels": {LABEL: original["Name"].removeprefix("/")},
            "HostConfig": {
                **kept,
                **self._capabilities(host, settings),
                "NetworkMode": self._network(host.get("NetworkMode") or "default"),
                "SecurityOpt": [
                    *options,
                    *(own_profile if profile is None else [f"seccomp={profile}"]),
                    *(["no-new-privileges"] if settings.no_new_privs else []),
                ],
                "ReadonlyRootfs": settings.read_only or bool(host.get("ReadonlyRootfs")),
                "Tmpfs": {**settings.tmpfs, **(host.get("Tmpfs") or {})},
                "Mounts": [
                    *self._mounts(original, settings, share_mounts=share_mounts),
                    *({"Type": "volume", "Target": path} for path in settings.volumes),
                ],
                "Devices": [*_devices(host, settings)],
                "LogConfig": {"Type": "json-file"},
            },
        }

    def _network(self, mode: str) -> str:
        """The original's kind of network, but for one that it would have to share with it."""
        if mode != "host" and not mode.startswith("container:"):
            return mode
        self.notes.append(f"it has a network of its own without any interface but lo, not {mode}")
        return "none"

    def _capabilities(self, host: Mapping[str, Any], settings: Deployment) -> dict[str, Any]:
        if settings.capabilities is None:
            return {name: host.get(name) for name in ("CapAdd", "CapDrop", "Privileged")}
        return {"CapDrop": ["ALL"], "CapAdd": list(settings.capabilities)}

    def _mounts(
        self, original: Mapping[str, Any], settings: Deployment, *, share_mounts: bool
    ) -> Iterator[dict[str, Any]]:
        for one in original.get("Mounts") or ():
            target = one["Destination"]
            if target in settings.removed or one["Type"] not in ("bind", "volume"):
                continue
            writable = one["RW"] and target not in (settings.read_only_mounts or {})
            if one["Type"] == "volume" or Path(one["Source"]).is_dir():
                yield self._directory(one, writable=writable, shared=share_mounts)
            else:
                yield from self._file(one, writable=writable, shared=share_mounts)

    def _directory(self, one: Mapping[str, Any], *, writable: bool, shared: bool) -> dict[str, Any]:
        target, told = one["Destination"], None
        if not shared:
            told = "" if writable else _told_of_sockets(Path(one["Source"]))
        if told is None:
            return _mount(one, read_only=not writable)
        self.notes.append(f"{target} is an empty volume, not what the container has there{told}")
        return {"Type": "volume", "Target": target}

    def _file(self, one: Mapping[str, Any], *, writable: bool, shared: bool) -> Iterator[dict[str, Any]]:
        """A socket can be connected to on a read-only mount, too: a second one at its end would act on the host."""
        target, source = one["Destination"], Path(one["Source"])
        if not (source.is_file() or source.is_char_device() or source.is_block_device()):
            self.notes.append(f"{target} is left out: it is a socket, a pipe, or not to be seen from here")
            return
        if writable and not shared:
            self.notes.append(f"{target} is the container's own file, and read-only")
            self.made_read_only.append(target)
        yield _mount(one, read_only=not (writable and shared))


def _over(timeout_s: float, stopped: Callable[[], bool]) -> Callable[[], bool]:
    end_s = time.monotonic() + timeout_s
    return lambda: time.monotonic() > end_s or stopped()


def _not_ended(timeout_s: float, stopped: Callable[[], bool]) -> Ran:
    return Ran(_TIMED_OUT, "it was not waited for any longer" if stopped() else f"did not end within {timeout_s:.3g} s")


def _end(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended by itself; else it is killed with its whole process group."""
    if process.poll() is not None:
        return True
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return False


def _mount(one: Mapping[str, Any], *, read_only: bool) -> dict[str, Any]:
    source = one["Name"] if one["Type"] == "volume" else one["Source"]
    return {"Type": one["Type"], "Source": source, "Target": one["Destination"], "ReadOnly": read_only}


def _told_of_sockets(directory: Path) -> str | None:
    """Why a directory that is only read is not to be given: with a socket in it, or too much in it to know."""
    if is_below(str(directory), _SYSFS):
        return None
    left, ahead = _MOST_LOOKED_AT, [str(directory)]
    while ahead:
        try:
            with os.scandir(ahead.pop()) as entries:
                for entry in entries:
                    left -= 1
                    if entry.is_dir(follow_symlinks=False):
                        ahead.append(entry.path)
                    elif not (entry.is_file(follow_symlinks=False) or entry.is_symlink()) and _is_spoken_to(entry):
                        return f": there is a socket or a pipe in it, {entry.path}"
        except FileNotFoundError:  # it has been removed meanwhile
            continue
        except OSError as error:
            return f": whether there are sockets in it is not known: {error.filename}: {error.strerror}"
        if left < 0:
            return f": there are more than {_MOST_LOOKED_AT:,} files in it, and maybe sockets"
    return None


def _is_spoken_to(entry: os.DirEntry[str]) -> bool:
    mode = entry.stat(follow_symlinks=False).st_mode
    return stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode)


def _key(option: str) -> str:
    return option.replace(":", "=", 1).partition("=")[0]


def _devices(host: Mapping[str, Any], settings: Deployment) -> Iterator[Mapping[str, Any]]:
    given: Sequence[Mapping[str, Any]] = host.get("Devices") or ()
    yield from (one for one in given if settings.devices is None or one["PathInContainer"] in settings.devices)
    if host.get("Privileged"):  # it had them all without being given any
        for path in settings.devices or ():
            yield {"PathOnHost": path, "PathInContainer": path, "CgroupPermissions": "rwm"}


def _message(answer: bytes) -> str:
    try:
        return str(json.loads(answer)["message"])
    except (ValueError, LookupError, TypeError):
        return answer.decode(errors="replace").strip()[-_LAST_WORDS:]


def _unframed(answer: bytes) -> str:
    """What a container said, without the eight bytes before each piece that tell stdout from stderr."""
    pieces, at = [], 0
    while at + 8 <= len(answer) and answer[at] in (0, 1, 2) and answer[at + 1 : at + 4] == b"\0\0\0":
        size = int.from_bytes(answer[at + 4 : at + 8], "big")
        pieces.append(answer[at + 8 : at + 8 + size])
        at += 8 + size
    said = b"".join(pieces) if pieces else answer  # of a terminal there are no pieces
    return said.decode(errors="replace").strip()[-_LAST_WORDS:]
