"""Boots a guest, runs one command in it as root, and brings back what it said."""

import re
import secrets
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from tests.guest.architectures import Architecture
from tests.guest.archive import Archive
from tests.guest.cache import default_cache
from tests.guest.errors import GuestError
from tests.guest.image import PROJECT, PYTHON, layers
from tests.guest.kernels import architecture, kernel_image
from tests.guest.programs import need

_TAIL_LINES = 60
_MACHINE = (
    *("-m", "3G", "-smp", "2"),
    *("-display", "none", "-monitor", "none", "-no-reboot", "-net", "none"),
)
# A nanosecond for each instruction: what work takes is the same each time, whoever else is at work on the host.
_COUNTING = ("-icount", "shift=0,sleep=on")
_KERNEL_OPTIONS = "panic=-1 loglevel=3 lsm=lockdown,capability,landlock,bpf"


@dataclass(frozen=True)
class GuestResult:
    """How a command in a guest ended.

    Attributes:
        exit_code: the command's; 128 and the signal's number if a signal ended it.
        output: its standard output and standard error, in the order written.
        console: what kernel and init had to say.
    """

    exit_code: int
    output: str
    console: str


@dataclass(frozen=True)
class _Run:
    """What one guest says, as files in a folder that is gone when the guest is, and how it says that it is done."""

    folder: Path
    token: str = field(default_factory=lambda: secrets.token_hex(8))

    def text(self, name: str) -> str:
        path = self.folder / name
        return path.read_bytes().decode(errors="replace") if path.exists() else ""


def run_in_guest(
    kernel: str,
    command: Sequence[str],
    *,
    files: Mapping[str, Path] | None = None,
    cgroup: str = "v2",
    tracefs: bool = True,
    devices: Sequence[str] = (),
    counts_instructions: bool = False,
    timeout_s: float = 900,
    cache: Path | None = None,
) -> GuestResult:
    """Runs a command as root in a guest with its own kernel, and this project's src/ and tests/ under /opt/eunomia.

    Args:
        kernel: the series, one of KERNELS.
        command: started in /opt/eunomia; `python3` finds the project, its dependencies and pytest.
        files: further files or folders, by their path in the guest.
        cgroup: how cgroups are mounted: "v2", "v1" or "hybrid" (version 2 at /sys/fs/cgroup/unified).
        tracefs: whether tracefs is mounted.
        devices: that the machine has besides, as QEMU's -device.
        counts_instructions: whether its clock goes by instructions, one a nanosecond, rather than by time.
        timeout_s: for the guest as a whole, from power on to power off.
        cache: where kernels and images are kept; by default in the user's cache directory.

    Raises:
        GuestError: if an image cannot be built, the kernel panics, or time is up; it shows the console's last lines.
    """
    if cgroup not in ("v1", "v2", "hybrid"):
        raise GuestError(f"cgroup is {cgroup!r}: take v1, v2 or hybrid")
    cache = cache or default_cache()
    image, kind = kernel_image(kernel, cache), architecture(kernel)
    need(kind.emulator[0], "setpriv")
    bases = layers(cache, kind)
    # The initrd has no name: however this process ends, its 400 MB go with it.
    with tempfile.TemporaryDirectory(prefix="guest-") as folder, tempfile.TemporaryFile(dir=cache) as initrd:
        run = _Run(Path(folder))
        _write_initrd(initrd, bases, command, files or {})
        options = f"eunomia.cgroup={cgroup} eunomia.tracefs={'yes' if tracefs else 'no'} eunomia.token={run.token}"
        further = [word for device in devices for word in ("-device", device)]
        further += _COUNTING if counts_instructions else ()
        with _powered_on(run, kind, image, initrd, options, further) as machine:
            try:
                machine.wait(timeout_s)
            except subprocess.TimeoutExpired as error:
                raise _failure(run, kernel, f"was not done after {timeout_s:g} s") from error
        return _result(run, kernel)


def _write_initrd(out: BinaryIO, bases: Sequence[Path], command: Sequence[str], files: Mapping[str, Path]) -> None:
    for base in bases:
        with base.open("rb") as content:
            shutil.copyfileobj(content, out, 1 << 20)
    with Archive(out) as archive:
        archive.add_path(Path(__file__).with_name("init.sh"), "init")
        archive.add_bytes("opt/command", f"exec {shlex.join(command)}\n".encode())
        for name in ("src", "tests", "pyproject.toml"):
            archive.add_path(PROJECT / name, f"opt/eunomia/{name}", _of_use)
        for name, source in files.items():
            archive.add_path(source.resolve(strict=True), name)
    out.flush()


def _of_use(path: Path) -> bool:
    """Leaves out what Pythons other than the guest's compiled, and what one is compiling just now."""
    return path.parent.name != "__pycache__" or path.name.endswith(f".cpython-{PYTHON.replace('.', '')}.pyc")


@contextmanager
def _powered_on(
    run: _Run, kind: Architecture, image: Path, initrd: BinaryIO, options: str, further: Sequence[str]
) -> Iterator[subprocess.Popen[bytes]]:
    """The emulator, which outlives neither this block nor, whatever ends it, this process."""
    command = ["setpriv", "--pdeathsig", "KILL", *kind.emulator, *_MACHINE]
    command += ["-serial", f"file:{run.folder / 'console'}"]
    command += ["-chardev", f"file,id=output,path={run.folder / 'output'}", *kind.port_options]
    command += further
    command += [
        "-kernel",
        str(image),
        "-initrd",
        f"/proc/self/fd/{initrd.fileno()}",
        "-append",
        f"console={kind.console} {kind.kernel_options} {_KERNEL_OPTIONS} eunomia.port={kind.port} {options}",
    ]
    with (run.folder / "emulator").open("wb") as said:
        machine = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, pass_fds=[initrd.fileno()]
        )
        try:
            yield machine
        finally:
            machine.kill()
            machine.wait()


def _result(run: _Run, kernel: str) -> GuestResult:
    """Init's last line is the run's token and the exit code: without it, the guest died on the way."""
    output, found, end = run.text("output").rpartition(f"\n{run.token} ")
    if not found or re.fullmatch(r"\d+\n", end) is None:
        raise _failure(run, kernel, "ended without handing back an exit code")
    return GuestResult(int(end), output, run.text("console").replace("\r\n", "\n"))


def _failure(run: _Run, kernel: str, what: str) -> GuestError:
    parts = [f"the guest with kernel {kernel} {what}"]
    for name in ("emulator", "console", "output"):
        lines = run.text(name).splitlines()[-_TAIL_LINES:]
        parts += [f"--- {name}, last lines:", *lines] if lines else [f"--- {name}: nothing"]
    return GuestError("\n".join(parts))
