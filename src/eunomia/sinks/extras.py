"""Packages that only some need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from eunomia.errors import UsageError


@contextmanager
def needing(extra: str, what: str) -> Iterator[None]:
    """Within it packages of an optional extra are imported.

    Args:
        extra: its name.
        what: who needs it.

    Raises:
        UsageError: they are not there.
    """
    try:
        yield
    except ImportError as error:
        raise UsageError(f"{what} needs further packages: pip install 'eunomia[{extra}]' ({error})") from error
