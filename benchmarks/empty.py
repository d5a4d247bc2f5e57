"""Programs that do nothing, on the very hooks that trackers take: what any tool pays there."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from build_bpf import compile_below
from eunomia.host.roots import Roots
from eunomia.kernel.hooks import try_way
from eunomia.kernel.object import BpfObject, Settings
from eunomia.kernel.paths import object_file
from eunomia.kernel.spec import ObjectSpec
from eunomia.trackers import registry

_PROGRAM = 'SEC("{section}")\nint empty_{number}(void *ctx)\n{{\n\treturn 0;\n}}\n'


def sections(trackers: Sequence[str]) -> list[str]:
    """Where the programs of these trackers sit with the options they have by default, each as often as there are."""
    found: list[str] = []
    for name in trackers:
        tracker = registry.get(name)
        spec = ObjectSpec.read(object_file(registry.folder(name), name))
        options = tracker.settle({})
        for hook in tracker.hooks:
            if hook.wanted(options):
                trials = (try_way(spec, hook, way, Settings(), Roots()) for way in hook.ways)
                found += next((trial.sections for trial in trials if trial.reason is None), ())
    return [section for section in found if not section.startswith("iter/")]  # those run once


def compiled(wanted: Sequence[str]) -> ObjectSpec:
    """One empty program for each of these sections."""
    programs = [_PROGRAM.format(section=section, number=number) for number, section in enumerate(wanted)]
    with tempfile.TemporaryDirectory(prefix="eunomia-empty-") as folder, contextlib.redirect_stdout(sys.stderr):
        source = Path(folder, "empty.bpf.c")
        source.write_text('#include "eunomia.bpf.h"\n' + "".join(programs))
        compile_below(Path(folder))
        return ObjectSpec.read(object_file(Path(folder), "empty"))


@contextmanager
def attached(spec: ObjectSpec) -> Iterator[None]:
    """Them at work."""
    with BpfObject(spec, spec.programs, Settings()) as programs:
        for name in spec.programs:
            programs.attach(name)
        yield
