"""Eunomia: a container monitor on eBPF.

    import eunomia

    with eunomia.watch("process", container="web") as events:
        for batch in events:
            print(batch.frame)

    eunomia.containers()
    eunomia.read("/var/lib/eunomia")["process"].collect()

What is behind these names is loaded when it is used: `import eunomia` takes neither NumPy nor Polars.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# The package `eunomia.containers` and the function of that name share one attribute. Python sets it to the package when
# that is first imported, and never again; so it is imported here (it is empty), and the function takes its place below.
# `from eunomia.containers.x import y` goes on working: it looks in sys.modules.
import eunomia.containers  # noqa: F401
from eunomia.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from eunomia.agent import Summary as Summary
    from eunomia.api import Watch as Watch
    from eunomia.api import watch as watch
    from eunomia.errors import EunomiaError as EunomiaError
    from eunomia.errors import LoadError as LoadError
    from eunomia.errors import PrivilegeError as PrivilegeError
    from eunomia.errors import UnsupportedError as UnsupportedError
    from eunomia.errors import UsageError as UsageError
    from eunomia.record.reading import Record as Record
    from eunomia.schema.batch import Batch as Batch

_HOMES = {
    "Batch": "eunomia.schema.batch",
    "EunomiaError": "eunomia.errors",
    "LoadError": "eunomia.errors",
    "PrivilegeError": "eunomia.errors",
    "Record": "eunomia.record.reading",
    "Summary": "eunomia.agent",
    "UnsupportedError": "eunomia.errors",
    "UsageError": "eunomia.errors",
    "Watch": "eunomia.api",
    "watch": "eunomia.api",
}


if not TYPE_CHECKING:  # lest a type checker takes every name for one of ours

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
        return found


def containers(docker_host: str | None = None) -> pl.DataFrame:
    """The containers that run on this host, a row each: see `eunomia.api.containers`."""
    from eunomia import api

    return api.containers(docker_host)


def read(directory: str | Path) -> Record:
    """The record that `--record DIR` or `watch(record=…)` made: tracker -> lazy frame of its events, and `sql()`.

    Raises:
        UsageError: there is no record, or one that this version cannot read.
    """
    from eunomia.record.reading import Record

    return Record(directory)


__all__ = [
    "Batch",
    "EunomiaError",
    "LoadError",
    "PrivilegeError",
    "Record",
    "Summary",
    "UnsupportedError",
    "UsageError",
    "Watch",
    "__version__",
    "containers",
    "read",
    "watch",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
