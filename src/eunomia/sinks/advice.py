"""What to do when a file cannot be written."""

from __future__ import annotations

import errno

_ADVICE = {
    errno.ENOSPC: "free some space or write to another disk",
    errno.EDQUOT: "free some space or write to another disk",
    errno.ENOENT: "create its directory first",
    errno.ENOTDIR: "create its directory first",
    errno.EISDIR: "name a file in it",
    errno.EACCES: "name a file in a directory you may write to",
    errno.EPERM: "name a file in a directory you may write to",
    errno.EROFS: "name a file in a directory you may write to",
    errno.ENXIO: "a named pipe needs somebody who reads it: start the reader first",
    errno.EWOULDBLOCK: "another run is writing it: stop that one or name another file",
}


def advice(error: OSError) -> str:
    """What a person can do about it, in a few words."""
    return _ADVICE.get(error.errno or 0, "write to another file or disk")
