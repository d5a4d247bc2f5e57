"""What a C typedef means: how its values become a Polars column and how they are shown.

A typedef's name carries the meaning (`ktime_ns_t`, `errno_t` …); everything else about a column follows from it.
"""

from __future__ import annotations

import errno
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from polars.datatypes import DataTypeClass

from eunomia.schema import capabilities, syscalls

Show = Literal["plain", "time", "duration", "bytes", "hex"]


def dense_names(known: Mapping[int, str], size: int) -> tuple[str, ...]:
    """Names for 0 … size-1: the known ones, and the number itself where there is none."""
    return tuple(known.get(number, str(number)) for number in range(size))


# Kernel-internal codes that tracing sees though no program does: include/linux/errno.h.
_KERNEL_ERRNO = {
    512: "ERESTARTSYS",
    513: "ERESTARTNOINTR",
    514: "ERESTARTNOHAND",
    515: "ENOIOCTLCMD",
    516: "ERESTART_RESTARTBLOCK",
    517: "EPROBE_DEFER",
    524: "ENOTSUPP",
}
_SIGNALS = {number.value: number.name for number in signal.Signals if number.name not in ("SIGRTMIN", "SIGRTMAX")}
_REALTIME = {34 + step: f"SIGRTMIN+{step}" if step else "SIGRTMIN" for step in range(31)}

# Of two names for one number Python knows the older one.
_ALIASES = {errno.EDEADLK: "EDEADLK", errno.EOPNOTSUPP: "EOPNOTSUPP"}

ERRNO_NAMES = dense_names({**errno.errorcode, **_ALIASES, **_KERNEL_ERRNO}, 532)
SIGNAL_NAMES = dense_names({**_SIGNALS, **_REALTIME}, 65)


@dataclass(frozen=True)
class Semantic:
    """The meaning of a typedef.

    Attributes:
        null: the value that stands for "not there", if any.
        names: names of the values 0, 1, 2 …: the column becomes an Enum of them.
        positions: where values are not simply positions in `names`: the position of each value; one that is none stands
            for a value without a name.
        dtype: the Polars type, where it is not simply the C type's.
        show: how the table prints it. Every other output gives the value itself.
    """

    null: int | None = None
    names: tuple[str, ...] | None = None
    positions: npt.NDArray[np.uint32] | None = None
    dtype: pl.DataType | DataTypeClass | None = None
    show: Show = "plain"


PLAIN = Semantic()

SEMANTICS: Mapping[str, Semantic] = {
    "ktime_ns_t": Semantic(dtype=pl.Datetime("ns", "UTC"), show="time"),
    "duration_ns_t": Semantic(null=0, show="duration"),
    "optional_duration_t": Semantic(null=2**64 - 1, show="duration"),
    "cgroup_id_t": PLAIN,
    "namespace_t": PLAIN,
    "exit_code_t": Semantic(null=-1),
    "errno_t": Semantic(null=0, names=ERRNO_NAMES),
    "signal_nr_t": Semantic(null=0, names=SIGNAL_NAMES),
    "syscall_nr_t": Semantic(names=syscalls.NAMES, positions=np.array(syscalls.positions(), np.uint32)),
    "syscall_result_t": Semantic(null=-(2**63)),
    "bytes_t": Semantic(show="bytes"),
    "optional_u32_t": Semantic(null=0),
    "optional_u64_t": Semantic(null=0),
    "optional_count_t": Semantic(null=2**64 - 1),
    "optional_bool_t": Semantic(null=2, dtype=pl.Boolean),
    "optional_bytes_t": Semantic(null=-1, show="bytes"),
    "optional_id_t": Semantic(null=0xFFFFFFFF),
    "capability_t": Semantic(
        names=tuple(name for bit in range(64) for name in capabilities.capability_names(1 << bit))
    ),
    "capabilities_t": Semantic(null=0xFFFFFFFFFFFFFFFF, show="hex"),
    "ipc_key_t": Semantic(null=0, show="hex"),
    "ipc_id_t": Semantic(null=-1),
    "hex_t": Semantic(show="hex"),
}
"""Typedef name -> meaning. A typedef that is not here is just its C type."""


@dataclass(frozen=True)
class Column:
    """One column of a batch: its name, its Polars type, what it says in one line, how the table shows it."""

    name: str
    dtype: pl.DataType | DataTypeClass
    description: str
    show: Show = "plain"


def type_name(column: Column) -> str:
    """A column's type as people say it."""
    if isinstance(column.dtype, pl.Enum):
        return "name"
    if isinstance(column.dtype, pl.List):
        return "list of text"
    if isinstance(column.dtype, pl.Datetime):
        return "time"
    return {pl.String: "text", pl.Boolean: "yes/no"}.get(column.dtype, str(column.dtype).lower())  # type: ignore[call-overload, no-any-return]
