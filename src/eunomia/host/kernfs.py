"""From an inode number of a kernfs file system (cgroup, sysfs) to its path, without a search."""

from __future__ import annotations

import ctypes
import errno
import os

_FILEID_KERNFS = 0xFE
"""Type of a file handle that is just the 64-bit node id (include/linux/exportfs.h), since Linux 5.5."""


class _FileHandle(ctypes.Structure):
    """struct file_handle (open_by_handle_at(2)) with 8 bytes of handle."""

    _fields_ = (
        ("handle_bytes", ctypes.c_uint),
        ("handle_type", ctypes.c_int),
        ("node_id", ctypes.c_uint64),
    )


def path_by_id(mount: str, node_id: int) -> str | None:
    """Absolute path of a directory of the kernfs mounted at `mount`; None when there is no such directory (any more).

    Raises:
        OSError: EPERM without CAP_DAC_READ_SEARCH, EOPNOTSUPP or EINVAL where the file system knows no such handles.
    """
    mount_fd = os.open(mount, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        handle = _FileHandle(ctypes.sizeof(ctypes.c_uint64), _FILEID_KERNFS, node_id)
        libc = ctypes.CDLL(None, use_errno=True)
        fd: int = libc.open_by_handle_at(mount_fd, ctypes.byref(handle), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        if fd < 0:
            code = ctypes.get_errno()
            if code in (errno.ESTALE, errno.ENOENT, errno.ENOTDIR):
                return None
            raise OSError(code, os.strerror(code), mount)
    finally:
        os.close(mount_fd)
    try:
        # Always our own /proc, whatever stands for the host's: the descriptor is ours.
        path = os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115
        return None if os.fstat(fd).st_nlink == 0 or path.endswith("//deleted") else path
    finally:
        os.close(fd)
