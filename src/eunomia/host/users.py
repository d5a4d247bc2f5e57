"""User names and numbers."""

from __future__ import annotations

import pwd

from eunomia.errors import UsageError

_MAX_UID = 2**32 - 2
"""uid_t has 32 bits and (uid_t)-1 means "no user" (credentials(7), setreuid(2))."""


def uid_of(user: str) -> int:
    """The uid of a user given by name or number; a number need not have an entry in the user database.

    Raises:
        UsageError: there is no such user, or the number is none a user can have.
    """
    if user.isascii() and user.isdigit():
        if int(user) > _MAX_UID:
            raise UsageError(f"{user} is not a uid: they go from 0 to {_MAX_UID}")
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except (KeyError, ValueError):  # ValueError: a NUL inside the name
        raise UsageError(f"no user is called {user!r}{_nearest(user)}") from None


def _nearest(user: str) -> str:
    """A hint naming the users it may have been, empty when none is near."""
    import difflib  # only needed for the error

    near = difflib.get_close_matches(user, [entry.pw_name for entry in pwd.getpwall()])
    return f": did you mean {' or '.join(near)}?" if near else "; a number works too"
