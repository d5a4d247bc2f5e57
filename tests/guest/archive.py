"""Writes initramfs archives (cpio, "newc"): the format is forty lines, and needs neither root nor a cpio program."""

import stat
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

_TRAILER = "TRAILER!!!"
_CONSOLE_DEVICE = (5, 1)


def _everything(_path: Path) -> bool:
    return True


class Archive:
    """One archive; the kernel unpacks several of them, one behind the other, in order.

    Every file belongs to root and keeps its mode and time: guests run as root, and Python compares the times of its
    compiled files with those of the sources.
    """

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._inode = 0
        self._folders: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        if kind is None:
            self._entry(_TRAILER, 0, b"")

    def add_path(self, source: Path, name: str, wanted: Callable[[Path], bool] = _everything) -> None:
        """Adds a file, a link or a whole folder; a folder's entries that are not `wanted` are left out.

        Sockets, pipes and device nodes are left out too: in a guest they come from devtmpfs.
        """
        found = source.lstat()
        if stat.S_ISDIR(found.st_mode):
            self.add_folder(name, found.st_mode)
            for child in sorted(source.iterdir()):
                if wanted(child):
                    self.add_path(child, f"{name}/{child.name}", wanted)
        elif stat.S_ISLNK(found.st_mode):
            self._put(name, found.st_mode, str(source.readlink()).encode(), int(found.st_mtime))
        elif stat.S_ISREG(found.st_mode):
            self._put(name, found.st_mode, source.read_bytes(), int(found.st_mtime))

    def add_bytes(self, name: str, data: bytes, mode: int = 0o644) -> None:
        self._put(name, stat.S_IFREG | mode, data, 0)

    def add_console(self) -> None:
        """The kernel opens /dev/console for init before anything is mounted."""
        self.add_folder("dev", 0o755)
        self._entry("dev/console", stat.S_IFCHR | 0o600, b"", device=_CONSOLE_DEVICE)

    def add_folder(self, name: str, mode: int = 0o755) -> None:
        name = name.strip("/")
        if not name or name in self._folders:
            return
        self._add_parents(name)
        self._folders.add(name)
        self._entry(name, stat.S_IFDIR | stat.S_IMODE(mode), b"")

    def _add_parents(self, name: str) -> None:
        parent = name.rpartition("/")[0]
        if parent:
            self.add_folder(parent)

    def _put(self, name: str, mode: int, data: bytes, time_s: int) -> None:
        name = name.strip("/")
        self._add_parents(name)
        self._entry(name, mode, data, time_s)

    def _entry(self, name: str, mode: int, data: bytes, time_s: int = 0, device: tuple[int, int] = (0, 0)) -> None:
        self._inode += 1
        encoded = name.encode() + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        # inode, mode, uid, gid, links, time, size, device's major and minor, node's major and minor, name, checksum
        fields = (self._inode, mode, 0, 0, links, time_s, len(data), 0, 0, *device, len(encoded), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        self._out.write(header + _padding(len(header)))
        self._out.write(data)
        self._out.write(_padding(len(data)))


def _padding(length: int) -> bytes:
    return bytes(-length % 4)
