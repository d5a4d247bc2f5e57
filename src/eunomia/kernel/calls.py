"""Which system calls a program wants to see: from its `enum call` to the table that it looks them up in."""

from __future__ import annotations

from eunomia.kernel.spec import ObjectSpec
from eunomia.schema.syscalls import codes

_PREFIX = "CALL_"


def call_constants(spec: ObjectSpec) -> dict[str, bytes]:
    """The constant `calls` of a program that declares `CALLS(enum call)` (syscall.bpf.h); nothing for another one.

    Enumerator 0 stands for all other calls and is not looked at.

    Raises:
        KeyError: an enumerator is named after no system call.
    """
    marker, table = spec.constants.get("call_type"), spec.constants.get("calls")
    if marker is None or table is None:
        return {}
    enum = spec.btf.bare(spec.btf.bare(marker.type_id).target)
    filled = bytearray(table.size)
    for name, value in enum.values:
        for code in codes(name.removeprefix(_PREFIX).lower()) if value else ():
            filled[code] = value
    return {"calls": bytes(filled)}
