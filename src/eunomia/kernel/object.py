"""A BPF object in the kernel: opened, its constants set, loaded, attached, and closed again on every path."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType

from eunomia.errors import LoadError, UsageError
from eunomia.host.roots import Roots
from eunomia.kernel import libbpf
from eunomia.kernel.calls import call_constants
from eunomia.kernel.counters import Counters, read
from eunomia.kernel.features import BTF, types_of_modules_may_be_read
from eunomia.kernel.spec import ObjectSpec

_LOG_BYTES = 4 << 20
_TELLING_LINES = 5
_RODATA = b".rodata"
_ITERATOR = "iter/"


@dataclass(frozen=True)
class Settings:
    """What is decided before an object is loaded.

    Attributes:
        constants: values of `const volatile` variables, of arrays as bytes; those that the object does not have are
            left out.
        shared_maps: map name -> fd of a map that already exists and is used instead of a new one.
        max_entries: map name -> size, instead of the object's own; of a ring in bytes, a power of two of whole pages.
    """

    constants: Mapping[str, int | bytes] = field(default_factory=dict)
    shared_maps: Mapping[str, int] = field(default_factory=dict)
    max_entries: Mapping[str, int] = field(default_factory=dict)


def _types() -> bytes | None:
    """Where libbpf is to look for the kernel's types, and nowhere else; None for wherever it likes.

    What the kernel's own type information lacks it looks for in that of modules. Where that is not allowed it gives up
    before 1.3, even on what programs can do without ("libbpf: Skip modules BTF loading when CAP_SYS_ADMIN is missing").
    """
    roots = Roots()
    return None if types_of_modules_may_be_read(roots) else str(roots.sys / BTF).encode()


def _bytes(name: str, value: int | bytes, size: int) -> bytes:
    if isinstance(value, bytes):
        if len(value) != size:
            raise UsageError(f"{name} has {size} bytes, not {len(value)}")
        return value
    try:
        return int(value).to_bytes(size, "little", signed=value < 0)
    except OverflowError:
        raise UsageError(f"{name} cannot be {value}: it has {size} bytes") from None


class BpfObject:
    """A loaded object. Use it as a context manager or call `close`; closing detaches and frees everything.

    Args:
        spec: the parsed object.
        programs: names of the programs to load; the others are left out.
        settings: constants and maps.

    Raises:
        LoadError: the kernel or libbpf refused; names the object, the program and the telling lines of the log.
    """

    def __init__(self, spec: ObjectSpec, programs: Iterable[str], settings: Settings) -> None:
        self.spec = spec.outline
        self.programs = tuple(programs)
        self._lib = libbpf.library()
        self._links: list[int] = []
        self._said: list[str] = []
        self._object: int | None = None
        with libbpf.messages(self._said.append):
            try:
                self._open(spec, settings.constants)
                self._prepare(spec, settings)
                self._load()
            except BaseException:
                self.close()
                raise

    def _open(self, spec: ObjectSpec, constants: Mapping[str, int | bytes]) -> None:
        data = spec.with_immediates({name: one for name, one in constants.items() if isinstance(one, int)})
        name = f"eunomia_{self.spec.name}".encode()
        options = libbpf.OpenOptions(ctypes.sizeof(libbpf.OpenOptions), name, btf_custom_path=_types())
        self._object = self._lib.bpf_object__open_mem(data, len(data), options)
        if not self._object:
            raise self._refused(libbpf.last_error(), "the object could not be opened")

    def _prepare(self, spec: ObjectSpec, settings: Settings) -> None:
        for name in spec.programs:
            self._lib.bpf_program__set_autoload(self._program(name), name in self.programs)
        self._set_constants(spec, call_constants(spec))
        self._set_constants(spec, settings.constants)
        for name, fd in settings.shared_maps.items():
            if spec.has_map(name) and self._lib.bpf_map__reuse_fd(self._map(name), fd):
                raise self._refused(libbpf.last_error(), f"map {name} could not be shared")
        for name, size in settings.max_entries.items():
            if self._lib.bpf_map__set_max_entries(self._map(name), size):
                raise self._refused(libbpf.last_error(), f"map {name} cannot have the size {size}")

    def _set_constants(self, spec: ObjectSpec, constants: Mapping[str, int | bytes]) -> None:
        size = ctypes.c_size_t()
        memory = self._lib.bpf_map__initial_value(self._map(_RODATA.decode()), ctypes.byref(size))
        for name, value in constants.items():
            variable = spec.constants.get(name)
            if variable is not None:
                ctypes.memmove(memory + variable.offset, _bytes(name, value, variable.size), variable.size)

    def _load(self) -> None:
        # Anonymous memory costs nothing until libbpf writes a log into it, which it does for a refused program only.
        logs = {name: mmap.mmap(-1, _LOG_BYTES) for name in self.programs}
        for name, log in logs.items():
            memory = (ctypes.c_char * _LOG_BYTES).from_buffer(log)
            self._lib.bpf_program__set_log_buf(self._program(name), memory, _LOG_BYTES)
        if self._lib.bpf_object__load(self._object):
            error = libbpf.last_error()
            texts = {name: log[:].rstrip(b"\0").decode(errors="replace") for name, log in logs.items() if log[0]}
            culprit = next(iter(texts), "")
            raise self._refused(error, "the kernel refused it", culprit, texts.get(culprit, ""))

    def _refused(self, error: OSError, what: str, program: str = "", log: str = "") -> LoadError:
        where = f"object {self.spec.name}"
        if program:
            where += f", program {program} ({self.spec.programs[program]})"
        lines = log.splitlines() if log else self._said
        telling = [line for line in lines if line.strip() and not line.startswith("processed ")][-_TELLING_LINES:]
        detail = "".join(f"\n    {line}" for line in telling)
        return LoadError(f"{where}: {what}: {error.strerror}{detail}", log)

    def _program(self, name: str) -> int:
        found: int | None = self._lib.bpf_object__find_program_by_name(self._object, name.encode())
        if not found:
            raise LoadError(f"object {self.spec.name} has no program {name}")
        return found

    def _map(self, name: str) -> int:
        found: int | None = self._lib.bpf_object__find_map_by_name(self._object, name.encode())
        if not found:
            raise LoadError(f"object {self.spec.name} has no map {name}")
        return found

    def map_fd(self, name: str) -> int:
        """File descriptor of a map; it belongs to the object."""
        fd: int = self._lib.bpf_map__fd(self._map(name))
        return fd

    def program_fd(self, name: str) -> int:
        """File descriptor of a loaded program; it belongs to the object."""
        fd: int = self._lib.bpf_program__fd(self._program(name))
        return fd

    def counters(self) -> Counters:
        """What its programs have counted until now."""
        return read(self.map_fd("counters"), [self.program_fd(name) for name in self.programs])

    def attach(self, name: str) -> None:
        """Attaches a loaded program to what its section names. An iterator's runs once, over all there is.

        Raises:
            LoadError: the kernel refused.
        """
        self._said.clear()
        with libbpf.messages(self._said.append):
            link = self._lib.bpf_program__attach(self._program(name))
            if not link:
                raise self._refused(libbpf.last_error(), "it could not be attached", name)
        if not self.spec.programs[name].startswith(_ITERATOR):
            self._links.append(link)
            return
        try:
            self._iterate(name, self._lib.bpf_link__fd(link))
        finally:
            self._lib.bpf_link__destroy(link)

    def _iterate(self, name: str, link_fd: int) -> None:
        fd = self._lib.bpf_iter_create(link_fd)
        if fd < 0:
            raise self._refused(libbpf.last_error(), "it could not be run", name)
        try:
            while True:
                with suppress(BlockingIOError):  # a million items with nothing to say: bpf_seq_read()
                    if not os.read(fd, mmap.PAGESIZE):
                        return
        finally:
            os.close(fd)

    def detach(self) -> None:
        """Removes all programs from their hooks. Maps stay readable until `close`."""
        while self._links:
            self._lib.bpf_link__destroy(self._links.pop())

    def close(self) -> None:
        """Detaches and frees everything. Calling it again does nothing."""
        self.detach()
        if self._object:
            self._lib.bpf_object__close(self._object)
            self._object = None

    def __enter__(self) -> BpfObject:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
