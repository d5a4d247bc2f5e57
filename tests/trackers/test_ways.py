"""Every way to every hook of every tracker: it loads, attaches and reports; or it says why it cannot here."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import replace

import pytest

from eunomia.host.roots import Roots
from eunomia.kernel.hooks import try_way
from eunomia.kernel.object import Settings
from eunomia.kernel.paths import object_file
from eunomia.kernel.spec import ObjectSpec
from eunomia.kernel.tracing import Tracing
from eunomia.trackers import registry
from eunomia.trackers.declaration import Hook
from tests.trackers.provoke import PROVOKE

ALL_WAYS = "EUNOMIA_TEST_ALL_WAYS"
"""Set where every way has to work: in the guest kernels."""

KERNEL = tuple(int(part) for part in re.findall(r"\d+", platform.release())[:2])
_SINCE_5_11 = ("insert_btf", "issue_btf", "insert_raw", "issue_raw", "bio_btf", "bio_raw")
NEWER = {
    **dict.fromkeys(("last_count_end", "last_end"), (5, 15)),
    **dict.fromkeys(_SINCE_5_11, (5, 11)),
    "uring_overflow": (5, 19),
    "submit_req": (6, 4),
    **dict.fromkeys(("asked_count_btf", "asked_check_btf"), (6, 14)),
}
"""Programs that need a newer kernel than the oldest we run on, because of a helper or a tracepoint."""
OLDER = {
    "submit_sqe": (6, 4),
    "bio_of_queue_raw": (5, 11),
    **dict.fromkeys(("insert_of_queue_raw", "issue_of_queue_raw"), (5, 10)),  # since 5.10.137
}
"""Programs whose tracepoint has another name, or other arguments, since."""
VERIFIER = ("refused it: Permission denied", "refused it: Invalid argument")
"""How a kernel refuses a program that it does not believe."""

WAYS = [
    pytest.param(name, hook, way, id=f"{name}-{hook.name}-{way[0]}")
    for name in registry.names()
    for hook in registry.get(name).hooks
    for way in hook.ways
]


@pytest.mark.kernel
@pytest.mark.parametrize(("name", "hook", "way"), WAYS)
def test_way(name: str, hook: Hook, way: tuple[str, ...], nothing_left: None) -> None:
    spec = ObjectSpec.read(object_file(registry.folder(name), name))
    trial = try_way(spec, hook, way, Settings(), Roots())
    newer = {program: NEWER.get(program, KERNEL) for program in way}
    if any(newer[program] > KERNEL or OLDER.get(program, (99,)) <= KERNEL for program in way):
        assert trial.reason is not None
        return
    if trial.reason is not None:
        assert ALL_WAYS not in os.environ, trial.reason
        # What works here at all is known from the next way of the same hook; a reason is a must, and one that is not
        # the program's own fault.
        assert not any(fault in trial.reason for fault in VERIFIER), trial.reason
        pytest.skip(f"not to be had here: {trial.reason}")
    if hook.optional:
        return  # it gives nothing by itself
    tracing = Tracing(spec, [replace(hook, ways=(way,))], Settings(), Roots(), 60 if hook.counts else None)
    try:
        PROVOKE[name]()
        records = tracing.drain(final=True)
    finally:
        tracing.close()
    assert records is not None
    frame = tracing.layout.decode(records.data, records.count, start=records.start, stride=records.stride)
    if not hook.counts:
        assert set(frame["event"].to_list()) == set(hook.events or (hook.name,))


@pytest.mark.kernel
@pytest.mark.parametrize("name", registry.names())
def test_some_way_to_every_hook_works_here(name: str) -> None:
    spec = ObjectSpec.read(object_file(registry.folder(name), name))
    for hook in registry.get(name).hooks:
        reasons = [try_way(spec, hook, way, Settings(), Roots()).reason for way in hook.ways]
        assert None in reasons or hook.optional, reasons
